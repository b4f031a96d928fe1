-- name: lock
-- The journal's own lock: rows of the log stand in the order of the commits they tell of.
SELECT pg_advisory_xact_lock(7234017283807667200)

-- name: last
-- Where the chain ends.
SELECT seq, hash FROM lifeline.audit ORDER BY seq DESC LIMIT 1

-- name: append
-- One link more.
INSERT INTO lifeline.audit (seq, at, actor, role, how, address, action, target, incident, detail, prev_hash, hash)
VALUES (%(seq)s, %(at)s, %(actor)s, %(role)s, %(how)s, %(address)s, %(action)s, %(target)s, %(incident)s, %(detail)s,
        %(prev_hash)s, %(hash)s)

-- name: all
-- The whole chain, in order.
SELECT seq, at, actor, role, how, address, action, target, incident, detail, prev_hash, hash
FROM lifeline.audit ORDER BY seq

-- name: list
-- What was done, newest first.
SELECT seq, at, actor, role, how, address, action, target, incident, detail, hash FROM lifeline.audit
WHERE (%(since)s::timestamptz IS NULL OR at >= %(since)s) AND (%(actor)s::text IS NULL OR actor = %(actor)s)
  AND (%(incident)s::text IS NULL OR incident = %(incident)s) AND (%(action)s::text IS NULL OR action = %(action)s)
  AND (%(before)s::bigint IS NULL OR seq < %(before)s)
ORDER BY seq DESC LIMIT %(limit)s
