-- The oldest entries of the session log, and the key that names whose they are, of one moment: Redis
-- may be emptied at any time.
-- KEYS  log, id key
-- ARGV  most entries
-- Returns {id key or '', entries: {id, {field, value, ...}}}.
return {redis.call('GET', KEYS[2]) or '', redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[1])}
