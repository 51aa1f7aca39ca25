-- A text comes in: kept exactly once, the session opened or renewed, the customer made due.
-- KEYS  seen, inbox of the customer, inbox lane, its leases, session, its events, id key, log
-- ARGV  conversation, text (JSON), seen for s, session for s, settle ms, settle at most ms,
--       id for a new session, business number, customer number, wake channel, id key
-- Returns 1; 0 for a text that was accepted before; -1 if the conversation was named with another
-- id key than the one kept here, because Redis has lost its data meanwhile.
if redis.call('GET', KEYS[7]) ~= ARGV[11] then return -1 end
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[3]) then return 0 end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function log(kind, session, data)
  redis.call('XADD', KEYS[8], '*', 'kind', kind, 'conversation', ARGV[1], 'session', session, 'data', data)
end

local session = redis.call('HGET', KEYS[5], 'id')
if not session then
  session = ARGV[7]
  redis.call('HSET', KEYS[5], 'id', session, 'business', ARGV[8], 'customer', ARGV[9], 'opened_ms', now)
  log('session.opened', session, cjson.encode({business = ARGV[8], customer = ARGV[9]}))
end
redis.call('EXPIRE', KEYS[5], ARGV[4])
redis.call('EXPIRE', KEYS[6], ARGV[4])
log('text', session, ARGV[2])

redis.call('RPUSH', KEYS[2], now .. ' ' .. session .. ' ' .. ARGV[2])
if redis.call('HEXISTS', KEYS[4], ARGV[1]) == 0 then
  -- Nobody is at this customer's texts: due when no more have come for a moment.
  local first = tonumber(string.match(redis.call('LINDEX', KEYS[2], 0), '^%d+'))
  redis.call('ZADD', KEYS[3], math.min(now + ARGV[5], first + ARGV[6]), ARGV[1])
  redis.call('PUBLISH', ARGV[10], '')
end
return 1
