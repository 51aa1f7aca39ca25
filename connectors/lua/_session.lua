-- Not a step: it stands before every step, for those that open, renew or end a session.
-- Their first KEYS are: session, its events, what was said in it, ends of the sessions,
-- ids of the sessions, log; and ARGV[1] is the conversation.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function log(kind, session, data)
  return redis.call('XADD', KEYS[6], '*', 'kind', kind, 'conversation', ARGV[1], 'session', session, 'data', data)
end

-- A change of consent, which is on its way to SQL by itself, too: see consent_writer.
local function log_consent(session, business, customer, state, how, sid)
  local data = cjson.encode({business = business, customer = customer, state = state, how = how, sid = sid})
  redis.call('XADD', KEYS[6] .. ':consent', '*', 'entry', log('consent', session, data), 'data', data)
end

-- Whatever is left of the conversation's last session goes, and its end is on record: once.
local function end_session(reason, at_ms)
  local session = redis.call('HGET', KEYS[5], ARGV[1])
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
  redis.call('ZREM', KEYS[4], ARGV[1])
  redis.call('HDEL', KEYS[5], ARGV[1])
  if not session then return 0 end
  log('session.ended', session, cjson.encode({reason = reason, at_ms = at_ms}))
  return 1
end

-- The live session's id. If there is none, one is opened; the one before it may have ended
-- a moment ago, and nobody has noticed yet. One that no text has opened makes way for a customer's.
local function opened_session(id, business, customer)
  local session = redis.call('HGET', KEYS[1], 'id')
  if session and (customer == '' or redis.call('HGET', KEYS[1], 'customer') ~= '') then return session end
  if session then end_session('customer_texted', now) end
  end_session('inactivity', tonumber(redis.call('ZSCORE', KEYS[4], ARGV[1]) or now))
  redis.call('HSET', KEYS[1], 'id', id, 'business', business, 'customer', customer, 'opened_ms', now)
  redis.call('HSET', KEYS[5], ARGV[1], id)
  log('session.opened', id, cjson.encode({business = business, customer = customer}))
  return id
end

-- A message, either way. All of a session ends in the same millisecond.
local function renew_session(seconds)
  local ends = now + seconds * 1000
  for i = 1, 3 do redis.call('PEXPIREAT', KEYS[i], ends) end
  redis.call('ZADD', KEYS[4], ends, ARGV[1])
end

-- Parts wait for the sender. The one before them may still be on its way; see settle.lua.
local function hand_to_sender(items, lane, wake, parts)
  for _, part in ipairs(parts) do redis.call('RPUSH', items, part) end
  if #parts == 0 or redis.call('ZSCORE', lane, ARGV[1]) then return end
  local awaited_until = tonumber(redis.call('HGET', KEYS[1], 'awaited_until') or 0)
  redis.call('ZADD', lane, math.max(now, awaited_until), ARGV[1])
  redis.pcall('PUBLISH', wake, '')
end
