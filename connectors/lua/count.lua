-- Counts something of today, by Redis' clock (UTC).
-- KEYS  prefix of the days
-- ARGV  what, how many, keep for s
-- Returns today's counts: {name, count, name, count, ...}.
local today = KEYS[1] .. math.floor(redis.call('TIME')[1] / 86400)
if tonumber(ARGV[2]) > 0 then
  redis.call('HINCRBY', today, ARGV[1], ARGV[2])
  redis.call('EXPIRE', today, ARGV[3])
end
return redis.call('HGETALL', today)
