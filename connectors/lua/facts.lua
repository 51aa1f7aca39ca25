-- What the gate has to know about a conversation, all of one moment.
-- KEYS  session, ledger, id key, limits of the customer
-- ARGV  conversation, prefix of the days
-- Returns {session, business number, customer number, ledger's word, 1 if the ledger is whole,
-- segments sent today; and to this customer in the last minute and day, as settle.lua counts}.
local session = redis.call('HMGET', KEYS[1], 'id', 'business', 'customer')
local ledger = redis.call('HMGET', KEYS[2], ARGV[1], 'whole')
local sent = redis.call('HMGET', KEYS[4], 'sent_minute', 'sent_minute_from', 'sent_day', 'sent_day_from')

local function in_window(n, from, window)
  return now - tonumber(from or 0) < window and tonumber(n or 0) or 0
end

return {
  session[1] or '', session[2] or '', session[3] or '',
  ledger[1] or '',
  ledger[2] and ledger[2] == redis.call('GET', KEYS[3]) and 1 or 0,
  tonumber(redis.call('HGET', ARGV[2] .. math.floor(now / 86400000), 'segments') or 0),
  in_window(sent[1], sent[2], 60000),
  in_window(sent[3], sent[4], 86400000),
}
