-- THE COMMIT. Events appended, the session renewed, the record of it written, reply parts put in the
-- outbox and the answered texts taken out of the inbox: all of it or, for a holder that lost its
-- lease, nothing. Texts of a session that is over are taken out and not answered: nobody is texted
-- outside the live session.
-- KEYS  those of a session (_session.lua),
--       inbox of the customer, inbox lane, its leases, its tries,
--       outbox of the customer, outbox lane, dead letters, desk, ledger
-- ARGV  conversation, what to do (JSON), record for the log (JSON), dead letter (JSON or ''),
--       snapshot (JSON or ''), events..., lines of the transcript..., parts...
-- What to do:
--       fence ('' outside a turn), texts (SID and session of each that the turn took),
--       session (of the turn, or of the tracker; '' if that is new), seconds (the session's time), id
--       (for a new session), business, customer and assistant ('' outside a turn), replace (the
--       events), events and lines (how many), settle_ms, settle_at_most_ms, inbox_wake,
--       inbox_freed, outbox_wake, most_letters, left_open (by the answer, or ''), hand_over (to a
--       person, with this: reason, asked_by; or ''), wait_ms (for one), opted_out (how that is
--       known, for who is out from now on; or ''), only_in (the session that must be
--       live, or '')
-- Returns 1; 0 when somebody else holds the conversation by now; -1 if the session is over; -2 if
-- that is because its customer opted out meanwhile.
local conversation, given = ARGV[1], cjson.decode(ARGV[2])
if given.fence ~= '' and redis.call('HGET', KEYS[9], conversation) ~= tostring(given.fence) then return 0 end

local live = redis.call('HGET', KEYS[1], 'id')
for _, text in ipairs(given.texts) do
  if text[2] ~= live then log('text.too_late', text[2], cjson.encode({sid = text[1]})) end
end
local is_over = given.only_in ~= '' and live ~= given.only_in

-- Two are kept: the window begins at the older one, so it is never shorter than a distance.
local function take_snapshot()
  if ARGV[5] == '' or (live or '') ~= given.session then return end
  local last = redis.call('HMGET', KEYS[1], 'next', 'next_at')
  redis.call('HSET', KEYS[1], 'snapshot', last[1] or '', 'snapshot_at', last[2] or 0,
    'next', ARGV[5], 'next_at', redis.call('LLEN', KEYS[2]))
end

-- A person is asked for; or the customer waits, with one more text, for the one who was. An operator
-- may have taken the conversation while the turn was under way: it stays theirs, and only they say
-- more.
local function go_to_the_desk(session)
  local due = now + given.wait_ms
  if redis.call('HGET', KEYS[1], 'desk') == 'held' then
    redis.call('HDEL', KEYS[1], 'left_open')
    if redis.call('ZSCORE', KEYS[14], conversation) == 'inf' then
      redis.call('ZADD', KEYS[14], due, conversation)
    end
  elseif given.hand_over ~= '' then
    redis.call('HSET', KEYS[1], 'desk', 'waiting', 'desk_since', now, 'desk_reason', given.hand_over.reason)
    redis.call('ZADD', KEYS[14], due, conversation)
    log('handover.asked', session, cjson.encode(given.hand_over))
  end
end

-- A customer wants no more texts, in words that only the model understood.
local function opt_out(session)
  redis.call('HSET', KEYS[15], conversation, 'out', conversation .. ':at', now)
  log_consent(session, given.business, given.customer, 'out', given.opted_out, '')
  end_session('opted_out', now)
end

local function say()
  local lines_from = 6 + given.events
  local parts_from = lines_from + given.lines
  local session = opened_session(given.id, given.business, given.customer)
  if given.replace then
    redis.call('DEL', KEYS[2], KEYS[3])
    redis.call('HDEL', KEYS[1], 'snapshot', 'snapshot_at', 'next', 'next_at', 'summary')
  end
  for i = 6, lines_from - 1 do redis.call('RPUSH', KEYS[2], ARGV[i]) end
  for i = lines_from, parts_from - 1 do redis.call('RPUSH', KEYS[3], ARGV[i]) end
  log('turn', session, ARGV[3])
  take_snapshot()
  renew_session(given.seconds)

  if given.fence ~= '' then
    redis.call('HSET', KEYS[1], 'left_open', given.left_open, 'assistant', given.assistant)
    go_to_the_desk(session)
  end
  local parts = {}
  for i = parts_from, #ARGV do table.insert(parts, ARGV[i]) end
  hand_to_sender(KEYS[11], KEYS[12], given.outbox_wake, parts)
  if ARGV[4] ~= '' then
    redis.call('RPUSH', KEYS[13], ARGV[4])
    redis.call('LTRIM', KEYS[13], -given.most_letters, -1)
  end
  if given.opted_out ~= '' then opt_out(session) end
end

local function take_out_the_texts()
  redis.call('LTRIM', KEYS[7], #given.texts, -1)
  redis.call('HDEL', KEYS[9], conversation)
  redis.call('HDEL', KEYS[10], conversation)
  redis.pcall('PUBLISH', given.inbox_freed, '')
  local first = redis.call('LINDEX', KEYS[7], 0)
  if first then
    local last = redis.call('LINDEX', KEYS[7], -1)
    local due = math.min(
      string.match(last, '^%d+') + given.settle_ms,
      string.match(first, '^%d+') + given.settle_at_most_ms
    )
    redis.call('ZADD', KEYS[8], due, conversation)
    redis.pcall('PUBLISH', given.inbox_wake, '')
  else
    redis.call('ZREM', KEYS[8], conversation)
  end
end

-- Have they said STOP (and perhaps START again) since the first of the texts came?
local function has_stopped()
  local first = redis.call('LINDEX', KEYS[7], 0)
  local changed_at = tonumber(redis.call('HGET', KEYS[15], conversation .. ':at') or 0)
  return first and changed_at >= tonumber(string.match(first, '^%d+'))
end

local answer = not is_over and 1 or given.fence ~= '' and has_stopped() and -2 or -1
if not is_over then say() end
if given.fence ~= '' then take_out_the_texts() end
return answer
