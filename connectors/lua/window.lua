-- What Rasa gets to see of a session: the events since its last but one snapshot.
-- KEYS  those of a session (_session.lua)
-- ARGV  conversation, '1' for all events and no snapshot
-- Returns the session's id or '', the snapshot (JSON) or '', how many events there are before the
-- ones returned and before the last snapshot, and the events.
local found = redis.call('HMGET', KEYS[1], 'id', 'snapshot', 'snapshot_at', 'next_at')
if not found[1] then return {'', '', 0, 0, {}} end
local at, next_at = tonumber(found[3] or 0), tonumber(found[4] or 0)
if ARGV[2] == '1' then return {found[1], '', 0, next_at, redis.call('LRANGE', KEYS[2], 0, -1)} end
return {found[1], found[2] or '', at, next_at, redis.call('LRANGE', KEYS[2], at, -1)}
