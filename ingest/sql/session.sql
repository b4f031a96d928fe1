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

-- name: beat
-- This recorder lives, and what it has heard.
INSERT INTO lifeline.recorders AS r (client, beat_at, heard_until, listening_us)
VALUES (%(client)s, clock_timestamp(), %(heard_until)s, %(listening_us)s)
ON CONFLICT (client) DO UPDATE
SET beat_at = excluded.beat_at, heard_until = excluded.heard_until, listening_us = excluded.listening_us

-- name: together
-- What all that live have heard (nothing, while one of them has heard nothing yet), and since when one of them listens.
SELECT CASE WHEN count(*) = count(heard_until) THEN min(heard_until) END, min(nullif(listening_us, 0))
FROM lifeline.recorders WHERE beat_at > clock_timestamp() - %(living_s)s * interval '1 second'

-- name: end
-- A recorder has ended in order: nobody waits for what it hears.
DELETE FROM lifeline.recorders WHERE client = %s
