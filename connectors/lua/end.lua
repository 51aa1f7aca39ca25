-- A session whose time is up ends, if it still is.
-- KEYS  those of a session
-- ARGV  conversation
-- Returns 1; 0 if there is none, or it lives on.
local left = redis.call('PTTL', KEYS[1])
if left > 0 then
  -- Somebody gave it more time by hand.
  redis.call('ZADD', KEYS[4], now + left, ARGV[1])
  return 0
end
return end_session('inactivity', tonumber(redis.call('ZSCORE', KEYS[4], ARGV[1]) or now))
