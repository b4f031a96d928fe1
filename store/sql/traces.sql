-- name: origin
-- This database's name in its traces.
SELECT id FROM lifeline.origin

-- name: keep
-- Traces that gateways gave to messages of one journal row.
INSERT INTO lifeline.given_traces (given, seq, gateway, received_at)
SELECT given, %(seq)s, gateway, %(at)s FROM unnest(%(given)s::text[], %(gateways)s::text[]) AS g (given, gateway)
ON CONFLICT DO NOTHING

-- name: given
-- Journal rows that a given trace came into.
SELECT DISTINCT seq FROM lifeline.given_traces WHERE given = %s ORDER BY seq LIMIT 100

-- name: of_name
-- The row that decided something first, by its id.
SELECT seq FROM lifeline.incidents WHERE incident = %(name)s AND seq IS NOT NULL
UNION SELECT seq FROM lifeline.alarms WHERE alarm = %(name)s AND seq IS NOT NULL
UNION SELECT seq FROM lifeline.notices WHERE notice = %(name)s AND seq IS NOT NULL

-- name: of_reading
-- Rows of the time at which a reading arrived that hold readings of its instant.
SELECT h.seq FROM lifeline.readings r JOIN lifeline.sensors s USING (sensor_id)
JOIN lifeline.hearing h ON h.kind = 'readings' AND r.received_at BETWEEN h.first_at AND h.last_at
    AND r.time BETWEEN h.oldest AND h.newest
    AND h.recorded_at BETWEEN r.received_at - interval '1 hour' AND r.received_at + interval '1 day'
WHERE s.sensor = %(sensor)s AND r.time = %(at)s ORDER BY h.seq LIMIT 20
