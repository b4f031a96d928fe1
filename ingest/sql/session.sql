-- name: note
-- The first session of a client, and each that had to begin anew though there was one before.
INSERT INTO lifeline.broker_sessions (client, began_at, lost, heard_until)
SELECT %(client)s, %(began_at)s, b.before, %(heard_until)s
FROM (SELECT EXISTS (SELECT FROM lifeline.broker_sessions WHERE client = %(client)s) AS before) b
WHERE NOT (%(kept)s AND b.before)
ON CONFLICT (client, began_at) DO NOTHING
RETURNING lost

-- name: take_host
-- Held to the end of the connection: nobody needs to give it back.
SELECT pg_try_advisory_lock(7234017283807667222)
