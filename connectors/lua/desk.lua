-- Something is said to a customer who was handed over: an operator's answer, or the sentence with
-- which the assistant is back.
-- KEYS  those of a session, desk, outbox of the customer, outbox lane
-- ARGV  conversation, what to do (JSON), record for the log (JSON), events..., lines of the
--       transcript..., parts...
-- What to do:
--       session, operator ('' for the time limit), back (why the assistant is back, or ''),
--       seconds (the session's time), events and lines (how many), outbox_wake
-- Returns 1; 0 if the operator does not hold it, or if its time is not up any more; -1 if the
-- session is over.
local conversation, given = ARGV[1], cjson.decode(ARGV[2])
local read = redis.call('HMGET', KEYS[1], 'id', 'desk', 'desk_by')
if read[1] ~= given.session then return -1 end
if not read[2] or read[2] == 'back' then return 0 end
if given.operator == '' then
  local due = redis.call('ZSCORE', KEYS[7], conversation)
  if not due or due == 'inf' or tonumber(due) > now then return 0 end
elseif read[2] ~= 'held' or read[3] ~= given.operator then
  return 0
end

local lines_from = 4 + given.events
local parts_from = lines_from + given.lines
for i = 4, lines_from - 1 do redis.call('RPUSH', KEYS[2], ARGV[i]) end
for i = lines_from, parts_from - 1 do redis.call('RPUSH', KEYS[3], ARGV[i]) end
log('turn', given.session, ARGV[3])
if given.back == '' then
  redis.call('ZADD', KEYS[7], '+inf', conversation)
else
  redis.call('HDEL', KEYS[1], 'desk_by', 'desk_since', 'desk_reason')
  redis.call('HSET', KEYS[1], 'desk', 'back')
  redis.call('ZREM', KEYS[7], conversation)
  log('handover.released', given.session, cjson.encode({operator = given.operator, reason = given.back}))
end
renew_session(given.seconds)

local parts = {}
for i = parts_from, #ARGV do table.insert(parts, ARGV[i]) end
hand_to_sender(KEYS[8], KEYS[9], given.outbox_wake, parts)
return 1
