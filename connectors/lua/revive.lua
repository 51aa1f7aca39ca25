-- A dead letter is tried again: its texts go back to the inbox, before what waits there.
-- KEYS  dead letters, session, inbox of the customer, inbox lane, its leases
-- ARGV  dead letter as it is kept, conversation, wake channel, session of the texts, texts, the last one first...
-- Returns 1; 0 if somebody else took it meanwhile; -1 if the session is over, and nobody is texted
-- who did not text first.
if redis.call('HGET', KEYS[2], 'id') ~= ARGV[4] then return -1 end
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end
for i = 5, #ARGV do redis.call('LPUSH', KEYS[3], ARGV[i]) end
if redis.call('HEXISTS', KEYS[5], ARGV[2]) == 0 then
  redis.call('ZADD', KEYS[4], 0, ARGV[2])
  redis.pcall('PUBLISH', ARGV[3], '')
end
return 1
