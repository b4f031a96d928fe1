-- The public roll-ups read the kept rows of clean buckets, and make dirty buckets (the newest minutes, late data not yet
-- worked in) from what they consist of: right at every instant. After the roles run a version with a keeper: without
-- one, more and more buckets would have to be made from raw readings.

CREATE OR REPLACE VIEW city.readings_5m AS
SELECT m.bucket, s.sensor, m.n::bigint AS n, m.min, m.max, m.sum / m.n AS mean, m.last, m.worst_flag
FROM lifeline.rollup_5m m JOIN lifeline.sensors s USING (sensor_id)
WHERE m.bucket < s.raw_from OR m.bucket NOT IN (SELECT bucket FROM lifeline.dirty(5))
UNION ALL
SELECT d.bucket, s.sensor, count(*), min(r.value), max(r.value), avg(r.value),
       (array_agg(r.value ORDER BY r.time DESC))[1], max(r.flag)
FROM lifeline.dirty(5) d
JOIN lifeline.readings r ON r.time >= d.bucket AND r.time < d.bucket + interval '5 minutes'
JOIN lifeline.sensors s USING (sensor_id)
WHERE d.bucket >= s.raw_from
GROUP BY d.bucket, s.sensor;

CREATE OR REPLACE VIEW city.readings_1h AS
SELECT m.bucket, s.sensor, m.n::bigint AS n, m.min, m.max, m.sum / m.n AS mean, m.last, m.worst_flag
FROM lifeline.rollup_1h m JOIN lifeline.sensors s USING (sensor_id)
WHERE m.bucket < s.raw_from OR m.bucket NOT IN (SELECT bucket FROM lifeline.dirty(60))
UNION ALL
SELECT p.bucket, p.sensor, sum(p.n)::bigint, min(p.min), max(p.max), sum(p.sum) / sum(p.n),
       (array_agg(p.last ORDER BY p.last_time DESC))[1], max(p.worst_flag)
FROM (
    SELECT d.bucket, s.sensor, m.n, m.sum, m.min, m.max, m.last, m.last_time, m.worst_flag
    FROM lifeline.dirty(60) d
    JOIN lifeline.rollup_5m m ON m.bucket >= d.bucket AND m.bucket < d.bucket + interval '1 hour'
    JOIN lifeline.sensors s USING (sensor_id)
    WHERE d.bucket >= s.raw_from AND m.bucket NOT IN (SELECT bucket FROM lifeline.dirty(5))
    UNION ALL
    SELECT date_bin('1 hour', d.bucket, '2000-01-01 00:00:00+00'), s.sensor, 1, r.value, r.value, r.value, r.value,
           r.time, r.flag
    FROM lifeline.dirty(5) d
    JOIN lifeline.readings r ON r.time >= d.bucket AND r.time < d.bucket + interval '5 minutes'
    JOIN lifeline.sensors s USING (sensor_id)
    WHERE d.bucket >= s.raw_from
) p
GROUP BY p.bucket, p.sensor;

CREATE OR REPLACE VIEW city.readings_1d AS
SELECT m.bucket, s.sensor, m.n::bigint AS n, m.min, m.max, m.sum / m.n AS mean, m.last, m.worst_flag
FROM lifeline.rollup_1d m JOIN lifeline.sensors s USING (sensor_id)
WHERE m.bucket < s.raw_from OR m.bucket NOT IN (SELECT bucket FROM lifeline.dirty(1440))
UNION ALL
SELECT p.bucket, p.sensor, sum(p.n)::bigint, min(p.min), max(p.max), sum(p.sum) / sum(p.n),
       (array_agg(p.last ORDER BY p.last_time DESC))[1], max(p.worst_flag)
FROM (
    SELECT d.bucket, s.sensor, m.n, m.sum, m.min, m.max, m.last, m.last_time, m.worst_flag
    FROM lifeline.dirty(1440) d
    JOIN lifeline.rollup_1h m ON m.bucket >= d.bucket AND m.bucket < d.bucket + interval '1 day'
    JOIN lifeline.sensors s USING (sensor_id)
    WHERE d.bucket >= s.raw_from AND m.bucket NOT IN (SELECT bucket FROM lifeline.dirty(60))
    UNION ALL
    SELECT date_bin('1 day', d.bucket, '2000-01-01 00:00:00+00'), s.sensor, m.n, m.sum, m.min, m.max, m.last,
           m.last_time, m.worst_flag
    FROM lifeline.dirty(60) d
    JOIN lifeline.rollup_5m m ON m.bucket >= d.bucket AND m.bucket < d.bucket + interval '1 hour'
    JOIN lifeline.sensors s USING (sensor_id)
    WHERE d.bucket >= s.raw_from AND m.bucket NOT IN (SELECT bucket FROM lifeline.dirty(5))
    UNION ALL
    SELECT date_bin('1 day', d.bucket, '2000-01-01 00:00:00+00'), s.sensor, 1, r.value, r.value, r.value, r.value,
           r.time, r.flag
    FROM lifeline.dirty(5) d
    JOIN lifeline.readings r ON r.time >= d.bucket AND r.time < d.bucket + interval '5 minutes'
    JOIN lifeline.sensors s USING (sensor_id)
    WHERE d.bucket >= s.raw_from
) p
GROUP BY p.bucket, p.sensor;
