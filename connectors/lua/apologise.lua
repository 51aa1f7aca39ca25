-- Parts that are late make way for one apology. The sender holds them, so they stand first.
-- KEYS  outbox of the customer, outbox leases, session, log
-- ARGV  conversation, fence, number of late parts, apology (JSON), session of the parts,
--       kind of record ('' if nothing is replaced), its data (JSON)
-- Returns 1; 0 when somebody else holds the conversation by now; -1 if the session is over, and
-- nobody is texted who did not text first.
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
if redis.call('HGET', KEYS[3], 'id') ~= ARGV[5] then return -1 end
redis.call('LPOP', KEYS[1], ARGV[3])
redis.call('LPUSH', KEYS[1], ARGV[4])
if ARGV[6] ~= '' then
  redis.call('XADD', KEYS[4], '*', 'kind', ARGV[6], 'conversation', ARGV[1], 'session', ARGV[5], 'data', ARGV[7])
end
return 1
