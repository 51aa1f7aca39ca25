-- A session ends.
-- KEYS  those of a session
-- ARGV  conversation, reason, '1' if only when its time is up
-- Returns 1; 0 if there is none, or it lives on.
if ARGV[3] == '1' then
  local left = redis.call('PTTL', KEYS[1])
  if left > 0 then
    -- Somebody gave it more time by hand.
    redis.call('ZADD', KEYS[4], now + left, ARGV[1])
    return 0
  end
  return end_session(ARGV[2], tonumber(redis.call('ZSCORE', KEYS[4], ARGV[1]) or now))
end
return end_session(ARGV[2], now)
