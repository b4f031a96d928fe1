-- What was highest and lowest in each district, domain and quantity, by the hour and by the day: a page of a month asks a
-- few thousand rows instead of one for every sensor and hour. Kept from the roll-ups of sensors, in the transaction that
-- computes those; a sensor counts where the register has it when its bucket is computed.

CREATE TABLE lifeline.domain_rollups (
    minutes     smallint NOT NULL,                 -- width: 60, 1440
    bucket      timestamptz NOT NULL,
    district    text NOT NULL,
    domain      text NOT NULL,
    quantity    text NOT NULL,
    n           bigint NOT NULL,
    sum         float8 NOT NULL,
    min         float8 NOT NULL,
    max         float8 NOT NULL,
    worst_flag  smallint NOT NULL,
    PRIMARY KEY (minutes, bucket, district, domain, quantity)
);
ALTER TABLE lifeline.domain_rollups ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.domain_rollups USING (
    (SELECT lifeline.sees_all(current_user)) OR district = ANY ((SELECT lifeline.seen_districts(current_user))::text[]));

-- Bounds are constants, so that whole pieces are left out; by the BRIN, for the reason that `refresh_bucket` had.
CREATE FUNCTION lifeline.group_buckets(width integer, first timestamptz, past timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
SET enable_nestloop = off SET enable_indexscan = off SET enable_indexonlyscan = off SET enable_seqscan = off
SET random_page_cost = 1.1 AS $$
BEGIN
    DELETE FROM lifeline.domain_rollups WHERE minutes = width AND bucket >= first AND bucket < past;
    EXECUTE format($sql$
        INSERT INTO lifeline.domain_rollups (minutes, bucket, district, domain, quantity, n, sum, min, max, worst_flag)
        SELECT %L, m.bucket, t.district, s.domain, s.quantity, sum(m.n), sum(m.sum), min(m.min), max(m.max),
               max(m.worst_flag)
        FROM lifeline.%I m JOIN lifeline.sensors s USING (sensor_id) JOIN lifeline.sites t USING (site)
        WHERE m.bucket >= %L AND m.bucket < %L GROUP BY 2, 3, 4, 5
    $sql$, width, CASE width WHEN 60 THEN 'rollup_1h' ELSE 'rollup_1d' END, first, past);
END $$;

-- Whoever computes a bucket of sensors computes its sums by domain, too, also a program of before.
ALTER FUNCTION lifeline.refresh_bucket(integer, timestamptz) RENAME TO compute_bucket;
CREATE FUNCTION lifeline.refresh_bucket(width integer, at timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changed integer := lifeline.compute_bucket(width, at);
BEGIN
    IF changed > 0 AND width > 5 THEN
        PERFORM lifeline.group_buckets(width, at, at + make_interval(mins => width));
    END IF;
    RETURN changed;
END $$;

-- Dirty buckets are made from what they consist of, as in the views by sensor. Behind the edge of retention the kept row
-- stands until the keeper has computed it anew: what it was made of may be gone.
CREATE VIEW city.domains_1h AS
SELECT g.bucket, g.district, g.domain, g.quantity, g.n, g.min, g.max, g.sum / g.n AS mean, g.worst_flag
FROM lifeline.domain_rollups g
WHERE g.minutes = 60 AND (g.bucket NOT IN (SELECT bucket FROM lifeline.dirty(60))
                          OR g.bucket < (SELECT max(raw_from) FROM lifeline.sensors))
UNION ALL
SELECT p.bucket, t.district, s.domain, s.quantity, sum(p.n)::bigint, min(p.min), max(p.max), sum(p.sum) / sum(p.n),
       max(p.worst_flag)
FROM (
    SELECT d.bucket, m.sensor_id, m.n, m.sum, m.min, m.max, m.worst_flag
    FROM lifeline.dirty(60) d
    JOIN lifeline.rollup_5m m ON m.bucket >= d.bucket AND m.bucket < d.bucket + interval '1 hour'
    WHERE m.bucket NOT IN (SELECT bucket FROM lifeline.dirty(5))
    UNION ALL
    SELECT date_bin('1 hour', d.bucket, '2000-01-01 00:00:00+00'), r.sensor_id, 1, r.value, r.value, r.value, r.flag
    FROM lifeline.dirty(5) d
    JOIN lifeline.readings r ON r.time >= d.bucket AND r.time < d.bucket + interval '5 minutes'
) p
JOIN lifeline.sensors s USING (sensor_id) JOIN lifeline.sites t USING (site)
WHERE p.bucket >= (SELECT max(raw_from) FROM lifeline.sensors)
GROUP BY p.bucket, t.district, s.domain, s.quantity;

CREATE VIEW city.domains_1d AS
SELECT g.bucket, g.district, g.domain, g.quantity, g.n, g.min, g.max, g.sum / g.n AS mean, g.worst_flag
FROM lifeline.domain_rollups g
WHERE g.minutes = 1440 AND (g.bucket NOT IN (SELECT bucket FROM lifeline.dirty(1440))
                            OR g.bucket < (SELECT max(raw_from) FROM lifeline.sensors))
UNION ALL
SELECT q.bucket, q.district, q.domain, q.quantity, sum(q.n)::bigint, min(q.min), max(q.max), sum(q.sum) / sum(q.n),
       max(q.worst_flag)
FROM (
    SELECT d.bucket, g.district, g.domain, g.quantity, g.n, g.sum, g.min, g.max, g.worst_flag
    FROM lifeline.dirty(1440) d
    JOIN lifeline.domain_rollups g
      ON g.minutes = 60 AND g.bucket >= d.bucket AND g.bucket < d.bucket + interval '1 day'
    WHERE g.bucket NOT IN (SELECT bucket FROM lifeline.dirty(60))
    UNION ALL
    SELECT p.bucket, t.district, s.domain, s.quantity, p.n, p.sum, p.min, p.max, p.worst_flag
    FROM (
        SELECT date_bin('1 day', d.bucket, '2000-01-01 00:00:00+00') AS bucket, m.sensor_id, m.n, m.sum, m.min, m.max,
               m.worst_flag
        FROM lifeline.dirty(60) d
        JOIN lifeline.rollup_5m m ON m.bucket >= d.bucket AND m.bucket < d.bucket + interval '1 hour'
        WHERE m.bucket NOT IN (SELECT bucket FROM lifeline.dirty(5))
        UNION ALL
        SELECT date_bin('1 day', d.bucket, '2000-01-01 00:00:00+00'), r.sensor_id, 1, r.value, r.value, r.value, r.flag
        FROM lifeline.dirty(5) d
        JOIN lifeline.readings r ON r.time >= d.bucket AND r.time < d.bucket + interval '5 minutes'
    ) p
    JOIN lifeline.sensors s USING (sensor_id) JOIN lifeline.sites t USING (site)
) q
WHERE q.bucket >= (SELECT max(raw_from) FROM lifeline.sensors)
GROUP BY q.bucket, q.district, q.domain, q.quantity;
