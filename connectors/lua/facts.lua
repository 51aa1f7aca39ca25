-- What the gate has to know about a conversation, all of one moment.
-- KEYS  session, ledger, id key
-- ARGV  conversation, prefix of the days
-- Returns {session, business number, customer number, ledger's word, 1 if the ledger is whole,
-- segments sent today}.
local session = redis.call('HMGET', KEYS[1], 'id', 'business', 'customer')
local ledger = redis.call('HMGET', KEYS[2], ARGV[1], 'whole')
local today = math.floor(redis.call('TIME')[1] / 86400)
return {
  session[1] or '', session[2] or '', session[3] or '',
  ledger[1] or '',
  ledger[2] and ledger[2] == redis.call('GET', KEYS[3]) and 1 or 0,
  tonumber(redis.call('HGET', ARGV[2] .. today, 'segments') or 0),
}
