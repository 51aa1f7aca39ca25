-- Take one conversation under a lease, whether it is due or not and whatever waits of it.
-- KEYS  lane, its leases, fence counter
-- ARGV  conversation, lease ms
-- Returns {fence, 0}, or {0, ms until somebody else's lease ends}.
local ends = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
if ends > now and redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then return {0, ends - now} end
local fence = redis.call('INCR', KEYS[3])
redis.call('HSET', KEYS[2], ARGV[1], fence)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
return {fence, 0}
