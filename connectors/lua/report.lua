-- A delivery report: never moves a message backwards, and lets go what waited for it.
-- KEYS  message, SID of the part, session, outbox lane, its leases, log, what was filtered
-- ARGV  SID, status, its rank, error code, part id, conversation, rank to wait for,
--       keep for s, wake channel, record for the log (JSON), rank of a last report, code of a
--       filtered message, count those for s
-- Returns 1 when the report is news, else 0; 2 when it is the first of a second message that Twilio
-- has made of the same part.
local known = ARGV[1]
if ARGV[5] ~= '' and not redis.call('SET', KEYS[2], ARGV[1], 'NX', 'EX', ARGV[8]) then
  known = redis.call('GET', KEYS[2])
end
if tonumber(redis.call('HGET', KEYS[1], 'rank') or -1) >= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], 'status', ARGV[2], 'rank', ARGV[3], 'error_code', ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[8])
redis.call('XADD', KEYS[6], '*', 'kind', 'part.status', 'conversation', ARGV[6], 'session', '', 'data', ARGV[10])

-- What share of a number's messages is filtered: counted from the first that was.
local is_filtered = ARGV[4] == ARGV[12]
if ARGV[3] == ARGV[11] and (is_filtered or redis.call('EXISTS', KEYS[7]) == 1) then
  if redis.call('HINCRBY', KEYS[7], 'reports', 1) == 1 then redis.call('EXPIRE', KEYS[7], ARGV[13]) end
  if is_filtered then redis.call('HINCRBY', KEYS[7], 'filtered', 1) end
end

if tonumber(ARGV[3]) >= tonumber(ARGV[7]) and redis.call('HGET', KEYS[3], 'awaited') == ARGV[1] then
  redis.call('HDEL', KEYS[3], 'awaited', 'awaited_until')
  local waiting = redis.call('ZSCORE', KEYS[4], ARGV[6])
  if waiting and redis.call('HEXISTS', KEYS[5], ARGV[6]) == 0 then
    local time = redis.call('TIME')
    redis.call('ZADD', KEYS[4], time[1] * 1000 + math.floor(time[2] / 1000), ARGV[6])
    redis.pcall('PUBLISH', ARGV[9], '')
  end
end
if known ~= ARGV[1] and redis.call('HSETNX', KEYS[1], 'doubles', known) == 1 then return 2 end
return 1
