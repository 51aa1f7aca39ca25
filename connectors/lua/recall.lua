-- Words from SQL go into the ledger, where it has none; and who went out later than it knows.
-- KEYS  ledger, id key
-- ARGV  id key, '1' when these are the last, then for each: conversation, word, since when
-- Returns how many were news; -1 if the conversations were named with another id key than the one
-- kept here, because Redis has lost its data meanwhile.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return -1 end
local news = 0
for i = 3, #ARGV, 3 do
  local conversation, word, at = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  local known = redis.call('HMGET', KEYS[1], conversation, conversation .. ':at')
  -- Clocks differ from one Redis to the next: in doubt somebody stays out, and may text START.
  local newer = word ~= 'in' and at > tonumber(known[2] or at)
  if not known[1] or newer then
    redis.call('HSET', KEYS[1], conversation, word, conversation .. ':at', ARGV[i + 2])
    if known[1] ~= word then news = news + 1 end
  end
end
-- A field of the ledger itself: if Redis drops the one, the other is gone too.
if ARGV[2] == '1' then redis.call('HSET', KEYS[1], 'whole', ARGV[1]) end
return news
