-- name: savepoint
-- The whole batch goes in at once, or the transaction continues without it.
SAVEPOINT readings

-- name: release
-- The batch went in.
RELEASE SAVEPOINT readings

-- name: back
-- The batch did not go in; what the caller wrote before it stands.
ROLLBACK TO SAVEPOINT readings

-- name: copy
-- Straight into the table, or into the one piece of it that all rows belong to: half the price of any other way, but one
-- repeat refuses the whole batch.
COPY lifeline.{} (sensor_id, flag, time, value, received_at, raw) FROM STDIN (FORMAT BINARY)

-- name: copy_marked
-- The same with what is kept beside some of them.
COPY lifeline.{} (sensor_id, flag, time, value, received_at, raw, tests, claimed_at) FROM STDIN (FORMAT BINARY)

-- name: piece
-- The partition of a moment, where there are partitions and this user may put rows straight into it.
SELECT c.relname FROM pg_partitioned_table t JOIN pg_inherits i ON i.inhparent = t.partrelid JOIN pg_class c ON c.oid = i.inhrelid
WHERE t.partrelid = 'lifeline.readings'::regclass AND has_table_privilege(c.oid, 'INSERT')
  AND c.relname = 'readings_' || to_char(lifeline.from_us(%(us)s) AT TIME ZONE 'UTC', 'YYYY_MM')

-- name: mark_touched
-- What the table's trigger would have marked for the roll-ups.
SELECT lifeline.mark_touched('{}'::bigint[])

-- name: make_stage
-- A table of this session's own; it empties itself when the transaction ends.
CREATE TEMPORARY TABLE IF NOT EXISTS lifeline_stage (
    sensor_id   integer NOT NULL,
    flag        smallint NOT NULL,
    time        timestamptz NOT NULL,
    value       float8 NOT NULL,
    received_at timestamptz NOT NULL,
    raw         float8,
    tests       smallint,
    claimed_at  timestamptz,
    row         integer NOT NULL
) ON COMMIT DELETE ROWS

-- name: empty_stage
-- A transaction may write more than one batch.
DELETE FROM lifeline_stage

-- name: copy_stage
-- For newest values, and for rows that another session puts in meanwhile.
COPY lifeline_stage (sensor_id, flag, time, value, received_at, raw, row) FROM STDIN (FORMAT BINARY)

-- name: copy_stage_marked
-- The same with what is kept beside some of them.
COPY lifeline_stage (sensor_id, flag, time, value, received_at, raw, tests, claimed_at, row) FROM STDIN (FORMAT BINARY)

-- name: merge
-- Put in what is new and say which rows were not (without rows of the batch itself: those were sorted out before).
WITH new AS (
    INSERT INTO lifeline.readings (sensor_id, flag, time, value, received_at, raw, tests, claimed_at)
    SELECT sensor_id, flag, time, value, received_at, raw, tests, claimed_at FROM lifeline_stage ORDER BY sensor_id, time
    ON CONFLICT (sensor_id, time) DO NOTHING
    RETURNING sensor_id, time
)
SELECT s.row FROM lifeline_stage s WHERE NOT EXISTS (
    SELECT FROM new WHERE new.sensor_id = s.sensor_id AND new.time = s.time)

-- name: standing
-- What stands in the table for these sensors and instants; a statement of its own, so that it also sees what another session
-- committed while a merge waited for it. The bounds on time let whole partitions be left out; row by row through the key,
-- since the planner, which knows nothing of the arrays, would read a whole partition. In columns there and back: row by row it
-- takes Python longer than the server.
SELECT array_agg(s.row::integer - 1), array_agg(r.value), array_agg(coalesce(r.raw, r.value))
FROM unnest(%(sensors)s, %(times)s) WITH ORDINALITY AS s (sensor_id, time, row) CROSS JOIN LATERAL (
    SELECT r.value, r.raw FROM lifeline.measured r
    WHERE r.sensor_id = s.sensor_id AND r.time = s.time
      AND r.time BETWEEN lifeline.from_us(%(first_us)s) AND lifeline.from_us(%(last_us)s)
    LIMIT 1) r

-- name: prepare
-- Partitions must be there before their first row.
SELECT lifeline.prepare_readings(lifeline.from_us(%(us)s), lifeline.from_us(%(us)s))

-- name: lock_latest
-- One writer at a time from here to its commit: two that update the same sensors in another order would deadlock.
SELECT pg_advisory_xact_lock(7234017283807667203)

-- name: update_latest
-- The newest reading of each sensor in the stage (one row a sensor). Five times cheaper than an upsert.
UPDATE lifeline.latest l SET time = s.time, value = s.value, flag = s.flag, received_at = s.received_at
FROM lifeline_stage s WHERE s.sensor_id = l.sensor_id AND s.time > l.time

-- name: insert_latest
-- Sensors that had none yet.
INSERT INTO lifeline.latest (sensor_id, time, value, flag, received_at)
SELECT s.sensor_id, s.time, s.value, s.flag, s.received_at FROM lifeline_stage s
WHERE NOT EXISTS (SELECT FROM lifeline.latest l WHERE l.sensor_id = s.sensor_id)

-- name: known_latest
-- Sensors that have a newest value.
SELECT sensor_id FROM lifeline.latest

-- name: mend_latest
-- What a writer that was killed held back: found among the event times of what was recorded in the last day before.
WITH recorded AS (
    SELECT min(oldest) AS oldest, max(newest) AS newest FROM lifeline.hearing
    WHERE kind = 'readings' AND recorded_at > (
        SELECT max(recorded_at) - interval '1 day' FROM lifeline.hearing WHERE kind = 'readings')
), newer AS (
    SELECT l.sensor_id, r.time, r.value, r.flag, r.received_at
    FROM recorded, lifeline.latest l CROSS JOIN LATERAL (
        SELECT r.time, r.value, r.flag, r.received_at FROM lifeline.measured r
        WHERE r.sensor_id = l.sensor_id AND r.time > l.time AND r.time BETWEEN recorded.oldest AND recorded.newest
        ORDER BY r.time DESC LIMIT 1) r
)
UPDATE lifeline.latest l SET time = n.time, value = n.value, flag = n.flag, received_at = n.received_at
FROM newer n WHERE n.sensor_id = l.sensor_id AND n.time > l.time
