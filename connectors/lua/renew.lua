-- The holder is still at it: the lease begins anew.
-- KEYS  lane, its leases
-- ARGV  conversation, fence, lease ms
-- Returns 1, or 0 when somebody else holds it by now.
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3], ARGV[1])
return 1
