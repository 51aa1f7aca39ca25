-- How it stands: whether Redis takes writes, what waits, and whether the log stream is full.
-- KEYS  probe, inbox lane, outbox lane, log stream, log is full, ledger, id key, log of consent
-- ARGV  limit of the log stream in bytes (0: none of our own), for s it stays full unless probed
--       again, prefix of the counts of a day
-- Returns {now ms, ledger is whole, changes of consent not in SQL, records, bytes and limit of the
-- log stream, it is full, {for each lane: conversation first in line, its due ms, due, all},
-- counts of the day}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- A Redis that is full, a replica, or cannot write to its disk refuses this.
redis.call('SET', KEYS[1], now, 'EX', 60)

local function lane(name)
  local head = redis.call('ZRANGE', name, 0, 0, 'WITHSCORES')
  return {head[1] or '', head[2] or '0', redis.call('ZCOUNT', name, '-inf', now), redis.call('ZCARD', name)}
end

-- Accounts may lack the right to ask this; then it is guessed.
local records = redis.call('XLEN', KEYS[4])
local bytes = redis.pcall('MEMORY', 'USAGE', KEYS[4])
if type(bytes) ~= 'number' then
  local size, last = 0, redis.call('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 50)
  for _, entry in ipairs(last) do
    size = size + 100
    for _, field in ipairs(entry[2]) do size = size + #field end
  end
  bytes = #last > 0 and math.floor(records * size / #last) or 0
end

local limit = tonumber(ARGV[1])
local info = redis.pcall('INFO', 'memory')
local most = type(info) == 'string' and tonumber(string.match(info, 'maxmemory:(%d+)')) or 0
if most > 0 then limit = limit > 0 and math.min(limit, math.floor(most / 2)) or math.floor(most / 2) end

-- It opens again a while below the limit, so that it does not flap.
local was_full = redis.call('EXISTS', KEYS[5]) == 1
local is_full = limit > 0 and bytes >= (was_full and limit * 0.9 or limit)
if is_full then
  redis.call('SET', KEYS[5], now, 'EX', ARGV[2])
elseif was_full then
  redis.call('DEL', KEYS[5])
end

local whole = redis.call('HGET', KEYS[6], 'whole')
return {
  now,
  whole and whole == redis.call('GET', KEYS[7]) and 1 or 0,
  redis.call('XLEN', KEYS[8]),
  records, bytes, limit, is_full and 1 or 0,
  {lane(KEYS[2]), lane(KEYS[3])},
  redis.call('HGETALL', ARGV[3] .. math.floor(now / 86400000)),
}
