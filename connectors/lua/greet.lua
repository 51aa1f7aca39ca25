-- A connection is new. Is this the server that wrote last what is kept here? Another one, or the
-- same one after a restart, may have lost the last moments: see failover.
-- KEYS  server (hash: run_id, changed_ms)
-- Returns the millisecond of the last change of the server, 0 if there was none; -1 if Redis does not
-- tell who it is.
local info = redis.pcall('INFO', 'server')
local run_id = type(info) == 'string' and string.match(info, 'run_id:(%w+)')
if not run_id then return -1 end
local known = redis.call('HGET', KEYS[1], 'run_id')
if known ~= run_id then
  redis.call('HSET', KEYS[1], 'run_id', run_id)
  if known then redis.call('HSET', KEYS[1], 'changed_ms', now) end
end
return tonumber(redis.call('HGET', KEYS[1], 'changed_ms') or 0)
