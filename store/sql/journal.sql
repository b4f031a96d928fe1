-- name: append
-- Number one row, keep of it what outlives the journal, and wake whoever waits (PostgreSQL tells them at the commit). From the
-- numbering to the commit one writer at a time, so that commit order is number order: the row is numbered when the lock is had.
WITH locked AS MATERIALIZED (
    SELECT pg_advisory_xact_lock(7234017283807667200)
), row AS (
    INSERT INTO lifeline.journal (kind, recorded_at, payload)
    SELECT %(kind)s, %(at)s, %(payload)s FROM locked RETURNING seq
), kept AS (
    INSERT INTO lifeline.hearing (seq, kind, recorded_at, rows, first_at, last_at, oldest, newest, payload)
    SELECT seq, %(kind)s, %(at)s, %(rows)s, lifeline.from_us(%(first_us)s), lifeline.from_us(%(last_us)s),
           lifeline.from_us(%(oldest_us)s), lifeline.from_us(%(newest_us)s), %(kept)s
    FROM row
)
SELECT seq, pg_notify('lifeline_journal', '') FROM row

-- name: read
-- The next rows after a place.
SELECT seq, kind, recorded_at, payload FROM lifeline.journal WHERE seq > %s ORDER BY seq LIMIT %s

-- name: last
-- Number of the newest row still kept, 0 when there is none.
SELECT coalesce(max(seq), 0) FROM lifeline.journal

-- name: listen
-- Hear of appends from now on.
LISTEN lifeline_journal

-- name: checkpoint
-- How far a follower's effects are committed.
SELECT seq FROM lifeline.followers WHERE follower = %s

-- name: set_checkpoint
-- Never back: two processes following under one name would undo each other.
INSERT INTO lifeline.followers AS f (follower, seq, updated_at) VALUES (%s, %s, %s)
ON CONFLICT (follower) DO UPDATE SET seq = excluded.seq, updated_at = excluded.updated_at WHERE f.seq <= excluded.seq

-- name: load_snapshot
-- A follower's last snapshot.
SELECT seq, bundle, body FROM lifeline.snapshots WHERE follower = %s

-- name: load_snapshot_rest
-- What follows its body, in order.
SELECT body FROM lifeline.snapshot_rest WHERE follower = %s ORDER BY part

-- name: forget_snapshot_rest
-- Before a new one takes its place.
DELETE FROM lifeline.snapshot_rest WHERE follower = %s

-- name: save_snapshot_rest
-- One piece of what follows a snapshot's body.
INSERT INTO lifeline.snapshot_rest (follower, part, body) VALUES (%s, %s, %s)

-- name: save_snapshot
-- Only the newest is kept.
INSERT INTO lifeline.snapshots AS s (follower, seq, made_at, bundle, body) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (follower) DO UPDATE
SET seq = excluded.seq, made_at = excluded.made_at, bundle = excluded.bundle, body = excluded.body
WHERE s.seq <= excluded.seq

-- name: trim
-- What no follower needs again; a function of the database, so that who may only append can call it too.
SELECT lifeline.trim_journal(%s)
