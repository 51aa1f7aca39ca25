-- The sender is about to ask Twilio: the part says so before the request leaves, so that whoever
-- comes after a crash knows that the outcome has to be looked up.
-- KEYS  outbox of the customer, outbox leases
-- ARGV  conversation, fence, part (JSON)
-- Returns 1, or 0 when somebody else holds the conversation by now.
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('LSET', KEYS[1], 0, ARGV[3])
return 1
