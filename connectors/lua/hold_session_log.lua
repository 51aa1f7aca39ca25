-- Processes with one database for the session log share this Redis. Those with another one stay out
-- for as long as somebody renews this.
-- KEYS  holder (JSON: database, host, since_ms), database that held it last
-- ARGV  database, host, keep for s
-- Returns {1, the database that held it before or ''}, or {0, the holder}.
local held = redis.call('GET', KEYS[1])
if held and cjson.decode(held).database ~= ARGV[1] then return {0, held} end
local since = held and cjson.decode(held).since_ms or now
local holder = cjson.encode({database = ARGV[1], host = ARGV[2], since_ms = since})
redis.call('SET', KEYS[1], holder, 'EX', ARGV[3])
local last = redis.call('GET', KEYS[2]) or ''
redis.call('SET', KEYS[2], ARGV[1])
return {1, last}
