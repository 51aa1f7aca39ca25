-- The holder gives the conversation back undone; it is due again after a delay.
-- KEYS  lane, its leases, its tries
-- ARGV  conversation, fence, delay ms, wake channel, '1' when the try shall not count, channel of
--       those who wait for this conversation
-- Returns 1, or 0 when somebody else holds it by now.
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
local time = redis.call('TIME')
redis.call('HDEL', KEYS[2], ARGV[1])
if ARGV[5] == '1' then redis.call('HINCRBY', KEYS[3], ARGV[1], -1) end
redis.call('ZADD', KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3], ARGV[1])
redis.pcall('PUBLISH', ARGV[4], '')
redis.pcall('PUBLISH', ARGV[6], '')
return 1
