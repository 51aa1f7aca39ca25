-- Somebody is known to have opted out, by other ways than a text to us.
-- KEYS  ledger, session, log
-- ARGV  conversation, business number, customer number, the ledger's word, how it is known
-- Returns 1, or 0 when that was known.
local word = redis.call('HGET', KEYS[1], ARGV[1])
if word == ARGV[4] or word == 'out:twilio' then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[4])
local data = {business = ARGV[2], customer = ARGV[3], state = 'out', how = ARGV[5], sid = ''}
local session = redis.call('HGET', KEYS[2], 'id') or ''
redis.call('XADD', KEYS[3], '*', 'kind', 'consent', 'conversation', ARGV[1], 'session', session, 'data', cjson.encode(data))
return 1
