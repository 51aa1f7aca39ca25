-- Somebody is known to have opted out, by other ways than a text to us. Their session ends.
-- KEYS  those of a session (_session.lua), ledger
-- ARGV  conversation, business number, customer number, the ledger's word, how it is known
-- Returns 1, or 0 when that was known.
local word = redis.call('HGET', KEYS[7], ARGV[1])
if word == ARGV[4] or word == 'out:twilio' then return 0 end
redis.call('HSET', KEYS[7], ARGV[1], ARGV[4], ARGV[1] .. ':at', now)
log_consent(redis.call('HGET', KEYS[1], 'id') or '', ARGV[2], ARGV[3], 'out', ARGV[5], '')
end_session('opted_out', now)
return 1
