-- Readings that stay when their piece goes: those around red incidents, copied here by retention before it lets go.

CREATE TABLE lifeline.kept_readings (
    sensor_id   integer NOT NULL,
    flag        smallint NOT NULL,
    time        timestamptz NOT NULL,
    value       float8 NOT NULL,
    received_at timestamptz NOT NULL,
    raw         float8,
    PRIMARY KEY (sensor_id, time)
);

-- Both places as one. A reading that comes again after its piece went finds its kept row first.
CREATE OR REPLACE VIEW city.readings AS
SELECT r.time, s.sensor, r.value, r.flag, r.received_at,
       r.received_at - r.time > greatest(3 * s.interval_s, 120) * interval '1 second' AS late
FROM lifeline.readings r JOIN lifeline.sensors s USING (sensor_id)
WHERE r.time >= s.raw_from
   OR NOT EXISTS (SELECT FROM lifeline.kept_readings k WHERE k.sensor_id = r.sensor_id AND k.time = r.time)
UNION ALL
SELECT k.time, s.sensor, k.value, k.flag, k.received_at,
       k.received_at - k.time > greatest(3 * s.interval_s, 120) * interval '1 second' AS late
FROM lifeline.kept_readings k JOIN lifeline.sensors s USING (sensor_id);
