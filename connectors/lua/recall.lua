-- Words from the session log go into the ledger, below what it has learned since.
-- KEYS  ledger, id key
-- ARGV  id key, '1' when these are the last, then conversation, word, conversation, word...
-- Returns 1; 0 if the conversations were named with another id key than the one kept here,
-- because Redis has lost its data meanwhile.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
for i = 3, #ARGV, 2 do redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) end
-- A field of the ledger itself: if Redis drops the one, the other is gone too.
if ARGV[2] == '1' then redis.call('HSET', KEYS[1], 'whole', ARGV[1]) end
return 1
