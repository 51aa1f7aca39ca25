-- An operator takes a conversation: from the assistant, or because a person is waited for.
-- KEYS  those of a session, desk
-- ARGV  conversation, what to do (JSON): session, operator, wait_ms, pause (a tracker event)
-- Returns who holds it now; '' if the session is over.
local conversation, given = ARGV[1], cjson.decode(ARGV[2])
local read = redis.call('HMGET', KEYS[1], 'id', 'desk', 'desk_by')
if read[1] ~= given.session then return '' end
if read[2] == 'held' then return read[3] end

-- Nobody waits yet when the assistant was still answering.
local due = '+inf'
if read[2] == 'waiting' then
  due = now + given.wait_ms
else
  redis.call('RPUSH', KEYS[2], given.pause)
  redis.call('HSET', KEYS[1], 'desk_since', now, 'desk_reason', '')
end
redis.call('HDEL', KEYS[1], 'left_open')
redis.call('HSET', KEYS[1], 'desk', 'held', 'desk_by', given.operator)
redis.call('ZADD', KEYS[7], due, conversation)
log('handover.taken', given.session, cjson.encode({operator = given.operator}))
return given.operator
