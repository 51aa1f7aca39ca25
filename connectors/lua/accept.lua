-- A text comes in: kept exactly once, the session opened or renewed, the customer made due.
-- KEYS  those of a session (_session.lua), seen, inbox of the customer, inbox lane, its leases,
--       id key
-- ARGV  conversation, text (JSON), seen for s, session for s, settle ms, settle at most ms,
--       id for a new session, business number, customer number, wake channel, id key
-- Returns 1; 0 for a text that was accepted before; -1 if the conversation was named with another
-- id key than the one kept here, because Redis has lost its data meanwhile.
if redis.call('GET', KEYS[11]) ~= ARGV[11] then return -1 end
if not redis.call('SET', KEYS[7], ARGV[1], 'NX', 'EX', ARGV[3]) then return 0 end

local session = opened_session(ARGV[7], ARGV[8], ARGV[9])
renew_session(ARGV[4])
log('text', session, ARGV[2])

redis.call('RPUSH', KEYS[8], now .. ' ' .. session .. ' ' .. ARGV[2])
if redis.call('HEXISTS', KEYS[10], ARGV[1]) == 0 then
  -- Nobody is at this customer's texts: due when no more have come for a moment.
  local first = tonumber(string.match(redis.call('LINDEX', KEYS[8], 0), '^%d+'))
  redis.call('ZADD', KEYS[9], math.min(now + ARGV[5], first + ARGV[6]), ARGV[1])
  redis.call('PUBLISH', ARGV[10], '')
end
return 1
