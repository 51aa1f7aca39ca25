-- The last lines of what was said, as many as there is room for, but one at least.
-- KEYS  those of a session (_session.lua)
-- ARGV  conversation, room in bytes
-- Returns the session or '', the summary of what was before or '', how many lines there are, the last
-- event that was committed or '', and the lines, oldest first.
local count, room = redis.call('LLEN', KEYS[3]), tonumber(ARGV[2])
local first, found = count, {}
while first > 0 and room > 0 do
  local from = math.max(first - 32, 0)
  local lines = redis.call('LRANGE', KEYS[3], from, first - 1)
  for i = #lines, 1, -1 do
    room = room - #lines[i]
    if room < 0 and #found > 0 then break end
    found[#found + 1] = lines[i]
  end
  first = from
end
local lines = {}
for i = #found, 1, -1 do lines[#lines + 1] = found[i] end
local known = redis.call('HMGET', KEYS[1], 'id', 'summary')
return {
  known[1] or '',
  known[2] or '',
  count,
  redis.call('LINDEX', KEYS[2], -1) or '',
  lines
}
