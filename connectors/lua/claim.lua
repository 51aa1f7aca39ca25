-- Take the conversation that is due longest, under a lease. An expired lease is due again by
-- itself, because the lease is the due time; its old holder is fenced off by the number.
-- KEYS  lane, its leases, its tries, fence counter
-- ARGV  lease ms, prefix of the lists, most items to return
-- Returns {ms until the next one is due, conversation, fence, tries, items}, or {ms until one is
-- due}, or {-1}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function first()
  local head = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  return head[1], tonumber(head[2])
end

while true do
  local conversation, due = first()
  if not conversation then return {-1} end
  if due > now then return {due - now} end
  local items = redis.call('LRANGE', ARGV[2] .. conversation, 0, ARGV[3] - 1)
  if #items > 0 then
    local fence = redis.call('INCR', KEYS[4])
    redis.call('HSET', KEYS[2], conversation, fence)
    redis.call('ZADD', KEYS[1], now + ARGV[1], conversation)
    local tries = redis.call('HINCRBY', KEYS[3], conversation, 1)
    local _, next_due = first()
    return {math.max(next_due - now, 0), conversation, fence, tries, items}
  end
  redis.call('ZREM', KEYS[1], conversation)
  redis.call('HDEL', KEYS[2], conversation)
  redis.call('HDEL', KEYS[3], conversation)
end
