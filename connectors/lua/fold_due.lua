-- A session says more than its model has room for: its oldest lines are to go into the summary.
-- KEYS  those of a session (_session.lua), what waits of the customer, lane, its leases
-- ARGV  conversation, wake channel
-- Returns 1, or 0 when it waits already or there is no session.
local session = redis.call('HGET', KEYS[1], 'id')
if not session or redis.call('EXISTS', KEYS[7]) == 1 then return 0 end
redis.call('RPUSH', KEYS[7], session)
if redis.call('HEXISTS', KEYS[9], ARGV[1]) == 0 then redis.call('ZADD', KEYS[8], now, ARGV[1]) end
redis.pcall('PUBLISH', ARGV[2], '')
return 1
