-- A connection is new. Is this the server that wrote last what is kept here? If not, what is kept may
-- be an older state of things (see failover). A replica that was promoted remembers its primary's
-- replication id; a server that has loaded its data from the disk remembers none.
-- KEYS  server (hash: run_id, changed_ms, failover_ms)
-- Returns {millisecond of the last change, millisecond of the last failover}, each 0 if there was none;
-- {-1, -1} if Redis does not say who it is.
local server, replication = redis.pcall('INFO', 'server'), redis.pcall('INFO', 'replication')
local run_id = type(server) == 'string' and string.match(server, 'run_id:(%w+)')
if not run_id then return {-1, -1} end
local told = type(replication) == 'string' and replication or ''
local before = string.match(told, 'master_replid2:(%w+)') or ''
local known = redis.call('HGET', KEYS[1], 'run_id')
if known ~= run_id then
  local fields = {'run_id', run_id}
  local is_failover = known and not string.match(before, '^0+$')
  if known then fields[#fields + 1], fields[#fields + 2] = 'changed_ms', now end
  if is_failover then fields[#fields + 1], fields[#fields + 2] = 'failover_ms', now end
  local noted = redis.pcall('HSET', KEYS[1], unpack(fields))
  if type(noted) == 'table' and noted.err then
    -- One whose memory is full is not refused: whoever empties the log stream has to get in.
    if string.find(noted.err, 'OOM') or string.find(noted.err, 'maxmemory') then
      return {known and now or 0, is_failover and now or 0}
    end
    return noted
  end
end
local at = redis.call('HMGET', KEYS[1], 'changed_ms', 'failover_ms')
return {tonumber(at[1] or 0), tonumber(at[2] or 0)}
