-- A place in a number's timetable: parts leave one after another, each as long after the one
-- before as that one's segments need. Who asks again gets the same place.
-- KEYS  when the number is free again, the part's place
-- ARGV  ms that the part takes, ms from now on after which it need not leave any more
-- Returns the ms until the part may leave: 0 is now, and its place is used up; -1 is too late.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local place = tonumber(redis.call('GET', KEYS[2]))
if not place then
  place = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
  -- A place for what would not be sent in the end would only hold up the others.
  if place - now > tonumber(ARGV[2]) then return -1 end
  local free = place + ARGV[1]
  redis.call('SET', KEYS[1], string.format('%d', free), 'PX', math.ceil(free - now))
  if place > now then
    redis.call('SET', KEYS[2], string.format('%d', place), 'PX', place - now + 3600000)
  end
end
if place > now then return place - now end
redis.call('DEL', KEYS[2])
return 0
