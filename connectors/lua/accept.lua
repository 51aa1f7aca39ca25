-- A text comes in: kept exactly once, the session opened or renewed, the customer made due. What it
-- asks for itself (STOP, START, HELP) is done and answered here; over the limit it is done, and not
-- answered. What is not answered goes no further than the session log.
-- KEYS  those of a session (_session.lua), seen, inbox of the customer, inbox lane, its leases,
--       id key, ledger, limits of the customer, outbox of the customer, outbox lane,
--       log is full
-- ARGV  conversation, text (JSON), seen for s, session for s, settle ms, settle at most ms,
--       id for a new session, business number, customer number, wake channel, id key,
--       house rules (JSON), then answers: a part (JSON) and the record of its turn (JSON) for each
-- House rules:
--       ask ('', stop, start, yes, help), how (for the log), word (stop's, for the ledger), heard
--       (Advanced Opt-Out has answered), twilio (it answers that keyword if it must), refuse (why
--       it is not answered at all, or ''), digest (of its words), per_minute, per_day, same (how
--       many are answered; 0: no limit), segments_per_minute, segments_per_day (sent to the customer,
--       see settle.lua; the texts after so many are not answered, 0: no limit), sent_ms (when it was sent, if that is long ago; or 0),
--       do (for each reason to refuse), day_prefix, day_seconds, outbox_wake
-- The answers are the keyword's; or, for other texts, the two notices: too_fast, too_many. For YES,
-- which may be either, they are all three.
-- Returns {1, ''}; {0, ''} for a text that was accepted before; {2, ask} for a keyword; {3, why} for
-- a text that is not answered; {-1, ''} if the conversation was named with another id key than the
-- one kept here, because Redis has lost its data meanwhile; {-2, ''} if the log stream is full.
if redis.call('GET', KEYS[11]) ~= ARGV[11] then return {-1, ''} end
local rules = cjson.decode(ARGV[12])
-- STOP is always taken; what was accepted before stays accepted.
if rules.ask ~= 'stop' and redis.call('EXISTS', KEYS[16]) == 1 and redis.call('EXISTS', KEYS[7]) == 0 then
  return {-2, ''}
end
if not redis.call('SET', KEYS[7], ARGV[1], 'NX', 'EX', ARGV[3]) then return {0, ''} end

local word = redis.call('HGET', KEYS[12], ARGV[1]) or ''
local is_out = string.sub(word, 1, 3) == 'out'

local function refuse(why)
  local today = rules.day_prefix .. math.floor(now / 86400000)
  redis.call('HINCRBY', today, 'refused:' .. why, 1)
  redis.call('EXPIRE', today, rules.day_seconds)
  local data = {route = 'text', who = 'customer', reason = why, text = cjson.decode(ARGV[2])}
  data['do'] = rules['do'][why]
  log('refused', redis.call('HGET', KEYS[1], 'id') or '', cjson.encode(data))
  return {3, why}
end

local function answer(session, i)
  local part = cjson.decode(ARGV[i])
  part.session = session
  log('turn', session, ARGV[i + 1])
  hand_to_sender(KEYS[14], KEYS[15], rules.outbox_wake, {cjson.encode(part)})
end

-- How many of something came since the first of them, in a window of so many ms.
local function counted(name, window)
  local from = tonumber(redis.call('HGET', KEYS[13], name .. '_from') or 0)
  if now - from >= window then redis.call('HSET', KEYS[13], name .. '_from', now, name, 0) end
  redis.call('EXPIRE', KEYS[13], 86400)
  return redis.call('HINCRBY', KEYS[13], name, 1)
end

-- Is the customer sent as much as they may be, in the window that settle.lua counts?
local function is_used_up(name, limit, window)
  local from = tonumber(redis.call('HGET', KEYS[13], name .. '_from') or 0)
  return limit > 0 and now - from < window and tonumber(redis.call('HGET', KEYS[13], name) or 0) >= limit
end

local function over_the_limit(ask)
  if rules.per_minute > 0 then
    if redis.call('HGET', KEYS[13], 'digest') ~= rules.digest then
      redis.call('HSET', KEYS[13], 'digest', rules.digest)
      redis.call('HDEL', KEYS[13], 'same_from')
    end
    if counted('same', 60000) > rules.same then return 'loop' end
    if counted('minute', 60000) > rules.per_minute then return 'too_fast' end
  end
  if rules.per_day > 0 and counted('day', 86400000) > rules.per_day then return 'too_many' end
  if ask ~= '' then return nil end -- keywords are answered all the same
  if is_used_up('sent_minute', rules.segments_per_minute, 60000) then return 'customer_segments_per_minute' end
  if is_used_up('sent_day', rules.segments_per_day, 86400000) then return 'customer_segments_per_day' end
  return nil
end

-- The customer is told once a day, while a session is live.
local function tell_of_limit(why)
  local session, at = redis.call('HGET', KEYS[1], 'id'), ({
    too_fast = 13, customer_segments_per_minute = 13, too_many = 15, customer_segments_per_day = 15,
  })[why]
  if not session or not at then return end
  local told = tonumber(redis.call('HGET', KEYS[13], 'told_' .. why) or 0)
  if now - told < 86400000 then return end
  redis.call('HSET', KEYS[13], 'told_' .. why, now)
  answer(session, rules.ask == 'yes' and at + 2 or at)
end

if rules.refuse ~= '' then return refuse(rules.refuse) end
local ask = rules.ask
if ask == 'yes' then ask = is_out and 'start' or '' end
if ask == '' and is_out then return refuse('opted_out') end
local over = over_the_limit(ask)
if ask == '' and over then
  tell_of_limit(over)
  return refuse(over)
end
-- A STOP or START that was lost on the way says nothing about what was said after it.
local changed_at = tonumber(redis.call('HGET', KEYS[12], ARGV[1] .. ':at') or 0)
-- Twilio tells when it was sent to the second: in doubt, STOP counts.
local sent_ms = rules.sent_ms + (ask == 'stop' and 999 or 0)
if rules.sent_ms > 0 and sent_ms < changed_at and ask ~= '' then return refuse('outdated') end

local session = opened_session(ARGV[7], ARGV[8], ARGV[9])
renew_session(ARGV[4])
log('text', session, ARGV[2])

local function note_consent(state, new_word)
  redis.call('HSET', KEYS[12], ARGV[1], new_word, ARGV[1] .. ':at', now)
  log_consent(session, ARGV[8], ARGV[9], state, rules.how, cjson.decode(ARGV[2]).sid)
end

if ask == 'stop' then
  if word ~= 'out:twilio' and word ~= rules.word then note_consent('out', rules.word) end
  if not is_out and not rules.heard and not rules.twilio and not over then answer(session, 13) end
  end_session('opted_out', now)
elseif ask == 'start' then
  -- Who is out may not be known yet, when Redis was lost.
  if is_out or redis.call('HGET', KEYS[12], 'whole') ~= ARGV[11] then note_consent('in', 'in') end
  local answered = rules.heard or (rules.twilio and word == 'out:twilio')
  if not answered and not over then answer(session, 13) end
elseif ask == 'help' then
  -- What Twilio's own list holds back would not arrive.
  if not rules.heard and word ~= 'out:twilio' and not over then answer(session, 13) end
end
if ask ~= '' and over then refuse(over) end
if ask ~= '' then return {2, ask} end

-- Found late, it keeps its place before what came after it: Twilio tells when it came in whole seconds.
-- But a turn that is under way takes the first ones out when it ends: then it stands behind them.
local at = rules.sent_ms > 0 and math.min(rules.sent_ms, now) or now
local item, later = at .. ' ' .. session .. ' ' .. ARGV[2], nil
if at < now and redis.call('HEXISTS', KEYS[10], ARGV[1]) == 0 then
  for _, waiting in ipairs(redis.call('LRANGE', KEYS[8], 0, -1)) do
    if not later and tonumber(string.match(waiting, '^%d+')) > at + 999 then later = waiting end
  end
end
if later then
  redis.call('LINSERT', KEYS[8], 'BEFORE', later, item)
else
  redis.call('RPUSH', KEYS[8], item)
end
if redis.call('HEXISTS', KEYS[10], ARGV[1]) == 0 then
  -- Nobody is at this customer's texts: due when no more have come for a moment.
  local first = tonumber(string.match(redis.call('LINDEX', KEYS[8], 0), '^%d+'))
  redis.call('ZADD', KEYS[9], math.min(now + ARGV[5], first + ARGV[6]), ARGV[1])
  redis.pcall('PUBLISH', ARGV[10], '')
end
return {1, ''}
