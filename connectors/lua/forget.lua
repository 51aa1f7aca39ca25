-- Everything said in a conversation goes. Whether its customer opted out stays known (consent).
-- KEYS  those of a session, inbox of the customer, inbox lane, outbox of the customer, outbox lane,
--       dead letters, limits, desk, then leases and tries of the inbox and of the outbox
-- ARGV  conversation
-- Returns the id of the log's last entry.
end_session('deleted', now)
redis.call('DEL', KEYS[7], KEYS[9], KEYS[12])
redis.call('ZREM', KEYS[8], ARGV[1])
redis.call('ZREM', KEYS[10], ARGV[1])
redis.call('ZREM', KEYS[13], ARGV[1])
for i = 14, 17 do redis.call('HDEL', KEYS[i], ARGV[1]) end
for _, letter in ipairs(redis.call('LRANGE', KEYS[11], 0, -1)) do
  if cjson.decode(letter).conversation == ARGV[1] then
    redis.call('LREM', KEYS[11], 1, letter)
  end
end
local last = now .. '-0'
if redis.call('EXISTS', KEYS[6]) == 1 then
  local told = redis.call('XINFO', 'STREAM', KEYS[6])
  for i = 1, #told, 2 do
    if told[i] == 'last-generated-id' then last = told[i + 1] end
  end
end
return last
