-- name: last_said
-- What each of these sensors said last, the reading before, and since when the last value stands (looked for only as long as
-- a flat line must be, and not at rest); of the last week before, and without what failed. A sensor's first reading is
-- committed with its newest value, so that those without one need not be looked for.
WITH asked AS (
    SELECT * FROM unnest(%(sensors)s::integer[], %(flat_us)s::bigint[], %(within)s::float8[], %(rest)s::float8[])
        AS a (sensor_id, flat_us, within, rest)
    WHERE EXISTS (SELECT FROM lifeline.latest l WHERE l.sensor_id = a.sensor_id)
)
SELECT a.sensor_id, n.time, n.value, p.time, p.value,
       CASE WHEN n.value > a.rest AND abs(n.value - p.value) <= a.within THEN (
           SELECT min(r.time) FROM lifeline.measured r
           WHERE r.sensor_id = a.sensor_id AND r.flag < 4 AND r.time <= n.time AND r.time > coalesce((
               SELECT d.time FROM lifeline.measured d
               WHERE d.sensor_id = a.sensor_id AND d.flag < 4 AND d.time < n.time AND d.time >= n.time - a.flat_us * interval '1 us'
                 AND abs(d.value - n.value) > a.within
               ORDER BY d.time DESC LIMIT 1), n.time - (a.flat_us + 1) * interval '1 us'))
       ELSE n.time END
FROM asked a
CROSS JOIN LATERAL (
    SELECT r.time, r.value FROM lifeline.measured r
    WHERE r.sensor_id = a.sensor_id AND r.flag < 4 AND r.time >= lifeline.from_us(%(since_us)s)
    ORDER BY r.time DESC LIMIT 1) n
LEFT JOIN LATERAL (
    SELECT r.time, r.value FROM lifeline.measured r
    WHERE r.sensor_id = a.sensor_id AND r.flag < 4 AND r.time < n.time AND r.time >= lifeline.from_us(%(since_us)s)
    ORDER BY r.time DESC LIMIT 1) p ON true

-- name: corrections
-- Corrections of clocks made since, in their order.
SELECT correction, gateway, from_claimed, offset_us, made_at FROM lifeline.clock_corrections
WHERE correction > %s ORDER BY correction

-- name: one_corrects
-- One recorder at a time makes corrections, so that nobody reads a later one before an earlier.
SELECT pg_advisory_xact_lock(7234017283807667221)

-- name: correct
-- A clock is off by so much from a claimed time on.
INSERT INTO lifeline.clock_corrections (gateway, from_claimed, offset_us, made_at)
VALUES (%(gateway)s, lifeline.from_us(%(from_us)s), %(offset_us)s, lifeline.from_us(%(made_us)s))

-- name: claimed_before
-- Which of these claims stand already where they were put before their clock was set back.
SELECT a.row FROM unnest(%(rows)s::integer[], %(sensors)s::integer[], %(times)s::bigint[], %(claims)s::bigint[])
    AS a (row, sensor_id, time_us, claimed_us)
JOIN lifeline.readings r ON r.sensor_id = a.sensor_id AND r.time = lifeline.from_us(a.time_us)
WHERE coalesce(r.claimed_at, r.time) = lifeline.from_us(a.claimed_us)
