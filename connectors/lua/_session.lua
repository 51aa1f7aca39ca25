-- Not a step: it stands before every step, for those that open, renew or end a session.
-- Their first KEYS are: session, its events, what was said in it, ends of the sessions,
-- ids of the sessions, log; and ARGV[1] is the conversation.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function log(kind, session, data)
  redis.call('XADD', KEYS[6], '*', 'kind', kind, 'conversation', ARGV[1], 'session', session, 'data', data)
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
-- a moment ago, and nobody has noticed yet.
local function opened_session(id, business, customer)
  local session = redis.call('HGET', KEYS[1], 'id')
  if session then return session end
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
