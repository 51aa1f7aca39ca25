-- The first part is settled: Twilio has it under a SID, or will never have it (SID '').
-- What comes next waits until a report says that this one is on its way, or for a bounded time.
-- KEYS  outbox of the customer, outbox lane, its leases, its tries, session, message, log,
--       SID of the part, limits of the customer
-- ARGV  conversation, fence, SID, part id, status, its rank, rank to wait for, wait at most ms,
--       keep the message for s, wake channel, session of the part, kind of record, its data (JSON),
--       segments of the part, prefix of the days, keep a day for s
-- Returns 1, or 0 when somebody else holds the conversation by now.
local conversation, sid = ARGV[1], ARGV[3]
if redis.call('HGET', KEYS[3], conversation) ~= ARGV[2] then return 0 end
redis.call('LPOP', KEYS[1])
redis.call('HDEL', KEYS[3], conversation)
redis.call('HDEL', KEYS[4], conversation)

redis.call('XADD', KEYS[7], '*', 'kind', ARGV[12], 'conversation', conversation, 'session', ARGV[11], 'data', ARGV[13])

-- What was sent to one customer, in windows that begin with the first of it.
local function count_sent(name, window)
  if now - tonumber(redis.call('HGET', KEYS[9], name .. '_from') or 0) >= window then
    redis.call('HSET', KEYS[9], name .. '_from', now, name, 0)
  end
  redis.call('HINCRBY', KEYS[9], name, ARGV[14])
end

local due = now
redis.call('HDEL', KEYS[5], 'awaited', 'awaited_until')
if sid ~= '' then
  -- A report may have come before the answer to our request: it knows more.
  local rank = tonumber(redis.call('HGET', KEYS[6], 'rank') or -1)
  if rank < tonumber(ARGV[6]) then
    rank = tonumber(ARGV[6])
    redis.call('HSET', KEYS[6], 'status', ARGV[5], 'rank', rank)
  end
  local today = ARGV[15] .. math.floor(now / 86400000)
  redis.call('HINCRBY', today, 'segments', ARGV[14])
  redis.call('EXPIRE', today, ARGV[16])
  count_sent('sent_minute', 60000)
  count_sent('sent_day', 86400000)
  redis.call('EXPIRE', KEYS[9], 86400)
  redis.call('SET', KEYS[8], sid, 'NX', 'EX', ARGV[9])
  redis.call('HSET', KEYS[6], 'part', ARGV[4])
  redis.call('EXPIRE', KEYS[6], ARGV[9])
  if rank < tonumber(ARGV[7]) then
    due = due + ARGV[8]
    -- Never on a session that has ended: that would open one without an end.
    if redis.call('EXISTS', KEYS[5]) == 1 then
      redis.call('HSET', KEYS[5], 'awaited', sid, 'awaited_until', due)
    end
  end
end

if redis.call('LLEN', KEYS[1]) == 0 then
  redis.call('ZREM', KEYS[2], conversation)
else
  redis.call('ZADD', KEYS[2], due, conversation)
  redis.pcall('PUBLISH', ARGV[10], '')
end
return 1
