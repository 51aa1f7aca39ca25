-- THE COMMIT. Events appended, the session renewed, the record of it written, reply parts put in the
-- outbox and the answered texts taken out of the inbox: all of it or, for a holder that lost its
-- lease, nothing.
-- KEYS  session, its events,
--       inbox of the customer, inbox lane, its leases, its tries,
--       outbox of the customer, outbox lane, dead letters, log
-- ARGV  conversation, fence ('' outside a turn), session for s, id for a new session,
--       '1' to replace the events, texts answered, settle ms, settle at most ms,
--       inbox wake channel, outbox wake channel, dead letter (JSON or ''), most dead letters,
--       business number, customer number ('' outside a turn), record for the log (JSON),
--       what the answer leaves open (JSON or ''), number of events, events..., parts...
-- Returns 1, or 0 when somebody else holds the conversation by now.
local conversation, fence = ARGV[1], ARGV[2]
if fence ~= '' and redis.call('HGET', KEYS[5], conversation) ~= fence then return 0 end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function log(kind, session, data)
  redis.call('XADD', KEYS[10], '*', 'kind', kind, 'conversation', conversation, 'session', session, 'data', data)
end

if redis.call('HSETNX', KEYS[1], 'id', ARGV[4]) == 1 then
  redis.call('HSET', KEYS[1], 'opened_ms', now, 'business', ARGV[13], 'customer', ARGV[14])
  log('session.opened', ARGV[4], cjson.encode({business = ARGV[13], customer = ARGV[14]}))
end
if ARGV[5] == '1' then redis.call('DEL', KEYS[2]) end
local parts_from = 18 + ARGV[17]
for i = 18, parts_from - 1 do redis.call('RPUSH', KEYS[2], ARGV[i]) end
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[3])
log('turn', redis.call('HGET', KEYS[1], 'id'), ARGV[15])
if fence == '' then return 1 end

redis.call('HSET', KEYS[1], 'left_open', ARGV[16])
for i = parts_from, #ARGV do redis.call('RPUSH', KEYS[7], ARGV[i]) end
if #ARGV >= parts_from and not redis.call('ZSCORE', KEYS[8], conversation) then
  -- The answer before this one may still be on its way; see settle.lua.
  local awaited_until = tonumber(redis.call('HGET', KEYS[1], 'awaited_until') or 0)
  redis.call('ZADD', KEYS[8], math.max(now, awaited_until), conversation)
  redis.call('PUBLISH', ARGV[10], '')
end

if ARGV[11] ~= '' then
  redis.call('RPUSH', KEYS[9], ARGV[11])
  redis.call('LTRIM', KEYS[9], -ARGV[12], -1)
end

redis.call('LTRIM', KEYS[3], ARGV[6], -1)
redis.call('HDEL', KEYS[5], conversation)
redis.call('HDEL', KEYS[6], conversation)
local first = redis.call('LINDEX', KEYS[3], 0)
if first then
  local last = redis.call('LINDEX', KEYS[3], -1)
  local due = math.min(string.match(last, '^%d+') + ARGV[7], string.match(first, '^%d+') + ARGV[8])
  redis.call('ZADD', KEYS[4], due, conversation)
  redis.call('PUBLISH', ARGV[9], '')
else
  redis.call('ZREM', KEYS[4], conversation)
end
return 1
