-- A field of a hash, which is then kept for so long.
-- KEYS  hash
-- ARGV  field, value, keep for s
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
