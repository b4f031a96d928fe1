-- name: quantities
-- The quantities that sensors measure, or once measured.
SELECT DISTINCT quantity FROM lifeline.sensors

-- name: freeze
-- From here on the kept roll-ups of these sensors before the edge stand as they are; only once all of them are computed.
UPDATE lifeline.sensors SET raw_from = %(edge)s
WHERE quantity = ANY (%(quantities)s) AND raw_from < %(edge)s
  AND NOT EXISTS (SELECT FROM lifeline.dirty_buckets WHERE bucket < %(edge)s)

-- name: frozen
-- Up to where the readings of every sensor of these quantities are given up; nothing while that is nowhere.
SELECT nullif(min(raw_from), '-infinity') FROM lifeline.sensors WHERE quantity = ANY (%s)

-- name: pieces
-- The pieces of a table, oldest first.
SELECT piece, first, last FROM lifeline.pieces(%s)

-- name: hurry
-- Rather later than in anybody's way.
SET LOCAL lock_timeout = '2s'

-- name: retiring
-- What this transaction deletes is not gone from the roll-ups.
SET LOCAL lifeline.retiring = 'on'

-- name: hold
-- Nothing new may come between the copying and the dropping.
LOCK TABLE {piece} IN SHARE ROW EXCLUSIVE MODE

-- name: keep
-- Copy what lies around red incidents: the sensors of its site, and those whose alarms it has.
WITH around AS (
    SELECT opened_at - %(half)s AS first, coalesce(closed_at, %(now)s) + %(half)s AS past, incident, site
    FROM lifeline.incidents WHERE peak_level = 4 AND NOT drill
), wanted AS (
    SELECT s.sensor_id, s.raw_from, a.first, a.past FROM around a JOIN lifeline.sensors s USING (site)
    UNION
    SELECT s.sensor_id, s.raw_from, a.first, a.past
    FROM around a JOIN lifeline.alarms USING (incident) JOIN lifeline.sensors s USING (sensor)
)
INSERT INTO lifeline.kept_readings (sensor_id, flag, time, value, received_at, raw, tests, claimed_at)
SELECT r.sensor_id, r.flag, r.time, r.value, r.received_at, r.raw, r.tests, r.claimed_at
FROM wanted w JOIN lifeline.measured r ON r.sensor_id = w.sensor_id AND r.time >= w.first AND r.time < w.past
WHERE r.time >= {first} AND r.time < {past} AND r.time < w.raw_from
ON CONFLICT (sensor_id, time) DO NOTHING

-- name: drop
-- A piece as a whole.
SELECT lifeline.drop_piece(%s, %s)

-- name: delete
-- Readings of quantities that are kept shorter than others in the same piece.
DELETE FROM lifeline.readings r USING lifeline.sensors s
WHERE s.sensor_id = r.sensor_id AND s.quantity = ANY ({quantities}) AND r.time < s.raw_from
  AND r.time >= {first} AND r.time < {past}

-- name: delete_days
-- Days are few: they need no pieces.
DELETE FROM lifeline.rollup_1d WHERE bucket < %s

-- name: delete_domains
-- What districts and domains had is as old as what it was made of, and few rows.
DELETE FROM lifeline.domain_rollups WHERE minutes = %s AND bucket < %s

-- name: next_columns
-- The piece that is compressed next, where the database can.
SELECT lifeline.next_columns(%s)

-- name: compress
-- One more piece compressed, where the database can; its name, or nothing.
SELECT lifeline.compress_one(%s)
