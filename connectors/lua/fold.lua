-- The oldest lines have become part of the summary, or could not: the next turn asks again.
-- Neither renews the session.
-- KEYS  those of a session (_session.lua), what waits of the customer, lane, its leases, its tries
-- ARGV  conversation, fence, session, number of lines (0 if nothing came of it), the first of them,
--       summary, record for the log (JSON)
-- Returns 1, or 0 when somebody else holds the conversation by now.
if redis.call('HGET', KEYS[9], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[7])
redis.call('ZREM', KEYS[8], ARGV[1])
redis.call('HDEL', KEYS[9], ARGV[1])
redis.call('HDEL', KEYS[10], ARGV[1])
local is_same = redis.call('HGET', KEYS[1], 'id') == ARGV[3] and redis.call('LINDEX', KEYS[3], 0) == ARGV[5]
if ARGV[4] ~= '0' and is_same then
  redis.call('LTRIM', KEYS[3], ARGV[4], -1)
  redis.call('HSET', KEYS[1], 'summary', ARGV[6])
  if ARGV[7] ~= '' then log('summary', ARGV[3], ARGV[7]) end
end
return 1
