-- What a turn needs to know of a session: what is open in it, and the events since its last but one
-- snapshot.
-- KEYS  those of a session (_session.lua)
-- ARGV  conversation, '1' for all events and no snapshot
-- Returns the session's id, its desk (who answers), what the last answer left open and the snapshot
-- (JSON), each '' if there is none; how many events there are before the ones returned and before
-- the last snapshot; and the events.
local function text(value) return value or '' end
local found = redis.call('HMGET', KEYS[1], 'id', 'desk', 'left_open', 'snapshot', 'snapshot_at', 'next_at')
if not found[1] then return {'', '', '', '', 0, 0, {}} end
local snapshot, at = text(found[4]), tonumber(found[5] or 0)
if ARGV[2] == '1' then snapshot, at = '', 0 end
return {
  found[1], text(found[2]), text(found[3]), snapshot, at, tonumber(found[6] or 0),
  redis.call('LRANGE', KEYS[2], at, -1),
}
