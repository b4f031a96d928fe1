-- name: pieces
-- Readings by sensor in whole hours, or in whole days when the range is longer than one (and two hours); each piece as far as it
-- has passed, less a minute for what is still on its way. Sensors that are out of service owe nothing.
range AS (
    SELECT least($__timeTo()::timestamptz, city.now()) AS last,
           CASE WHEN $__timeTo()::timestamptz - $__timeFrom()::timestamptz > interval '26 hours' THEN 86400 ELSE 3600 END
               AS width_s
), ours AS (
    SELECT s.sensor, s.domain, s.interval_s, s.range_min, s.range_max FROM city.sensors s
    WHERE s.district = ANY(ARRAY[${district:sqlstring}]::text[])
      AND s.sensor NOT IN (SELECT key FROM city.shelves WHERE kind = 'out_of_service')
), piece AS (
    SELECT b AS bucket, least(width_s, extract(epoch FROM last - b) - 60)::float8 AS passed_s
    FROM range, generate_series(
        date_bin(make_interval(secs => width_s), $__timeFrom()::timestamptz, '2000-01-01 00:00:00+00'),
        last - interval '2 minutes', make_interval(secs => width_s)) AS b
), stored AS (
    SELECT bucket, sensor, n, min, max, worst_flag FROM city.readings_1h
    WHERE bucket > $__timeFrom()::timestamptz - interval '1 hour' AND bucket < $__timeTo()::timestamptz
      AND $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= interval '26 hours'
    UNION ALL
    SELECT bucket, sensor, n, min, max, worst_flag FROM city.readings_1d
    WHERE bucket > $__timeFrom()::timestamptz - interval '1 day' AND bucket < $__timeTo()::timestamptz
      AND $__timeTo()::timestamptz - $__timeFrom()::timestamptz > interval '26 hours'
)

-- name: districts
-- Districts of the register.
SELECT district AS __text, district AS __value FROM city.sites
UNION SELECT district, district FROM city.gateways
ORDER BY 1

-- name: whole
-- Of all readings that were due in the range, the share that is there; and sensors that are silent now, of how many.
WITH {pieces}, due AS (
    SELECT sum(o.interval_s ^ -1) * (SELECT sum(passed_s) FROM piece) AS readings FROM ours o
), come AS (
    SELECT sum(least(t.n, p.passed_s / o.interval_s)) AS readings
    FROM stored t JOIN piece p USING (bucket) JOIN ours o USING (sensor)
)
SELECT (SELECT readings FROM come) / nullif((SELECT readings FROM due), 0) AS complete,
       (SELECT count(*) FROM city.latest l JOIN ours USING (sensor) WHERE l.stale) AS stale,
       (SELECT count(*) FROM ours) AS sensors

-- name: completeness
-- The percentage of readings that came, of those due, by domain and piece.
WITH {pieces}, due AS (
    SELECT domain, sum(interval_s ^ -1) AS per_s FROM ours GROUP BY 1
), come AS (
    SELECT p.bucket, o.domain, sum(least(t.n, p.passed_s / o.interval_s)) AS readings
    FROM stored t JOIN piece p USING (bucket) JOIN ours o USING (sensor) GROUP BY 1, 2
)
SELECT p.bucket AS time, {domains.d} AS metric, round((100 * coalesce(c.readings, 0) / (p.passed_s * d.per_s))::numeric)::float8 AS complete
FROM piece p CROSS JOIN due d LEFT JOIN come c ON c.bucket = p.bucket AND c.domain = d.domain
ORDER BY 1, 2

-- name: least_complete
-- The twenty sensors that miss the most, by piece.
WITH {pieces}, come AS MATERIALIZED (
    SELECT t.sensor, t.bucket, t.n / (p.passed_s / o.interval_s) AS share
    FROM stored t JOIN piece p USING (bucket) JOIN ours o USING (sensor)
), summed AS (
    SELECT sensor, sum(least(share, 1)) AS shares FROM come GROUP BY sensor
), ranked AS (
    SELECT o.sensor, coalesce(c.shares, 0) AS shares FROM ours o LEFT JOIN summed c USING (sensor)
    ORDER BY shares, o.sensor LIMIT 20
)
SELECT p.bucket AS time, r.sensor AS metric, round(least(coalesce(c.share, 0), 1)::numeric * 100)::float8 AS complete
FROM piece p CROSS JOIN ranked r LEFT JOIN come c ON c.sensor = r.sensor AND c.bucket = p.bucket
ORDER BY 1, r.shares, 2

-- name: stale
-- Sensors in service that are silent, longest first; never heard before all others.
SELECT s.sensor, coalesce({t.name}, s.site) AS site, s.gateway, s.domain, CASE WHEN l.age_s < 0 THEN 0 ELSE l.age_s END AS age,
       s.interval_s, CASE WHEN EXISTS (SELECT FROM city.blind b WHERE b.sensor = s.sensor) THEN 1 ELSE 0 END AS blind
FROM city.latest l JOIN city.sensors s USING (sensor) LEFT JOIN city.sites t USING (site)
WHERE l.stale AND s.district = ANY(ARRAY[${district:sqlstring}]::text[])
  AND s.sensor NOT IN (SELECT key FROM city.shelves WHERE kind = 'out_of_service')
ORDER BY l.age_s DESC NULLS FIRST, s.sensor LIMIT 100

-- name: gateways
-- Each gateway's clock and what became of what it sent, those with something wrong first: all since it was registered.
SELECT g.gateway, g.district, g.skew_s AS skew, extract(epoch FROM city.now() - g.last_seen)::float8 AS age,
       CASE WHEN g.online IS FALSE OR g.last_seen IS NULL
            OR city.now() - g.last_seen > greatest(3 * g.interval_s, 300) * interval '1 second' THEN 1 ELSE 0 END AS silent,
       g.published, g.stored, g.repeated, g.rejected, g.published - g.stored - g.repeated - g.rejected AS lost, g.missing
FROM city.gateways g WHERE g.district = ANY(ARRAY[${district:sqlstring}]::text[])
ORDER BY abs(g.skew_s) > 60 DESC NULLS LAST, silent DESC, abs(g.published - g.stored - g.repeated - g.rejected) DESC,
         g.missing DESC, g.gateway
LIMIT 100

-- name: ledger
-- What was published, stored, repeated and refused, whether it adds up, and messages that never came; clocks that are off.
SELECT coalesce(sum(published), 0)::float8 AS published, coalesce(sum(stored), 0)::float8 AS stored,
       coalesce(sum(repeated), 0)::float8 AS repeated, coalesce(sum(rejected), 0)::float8 AS rejected,
       coalesce(sum(abs(published - stored - repeated - rejected)), 0)::float8 AS lost,
       coalesce(sum(missing), 0)::float8 AS missing, count(*) FILTER (WHERE abs(skew_s) > 60) AS skewed
FROM city.gateways WHERE district = ANY(ARRAY[${district:sqlstring}]::text[])

-- name: rejections
-- What was refused, by reason, in at most 40 steps of the range; what names no gateway of ours is shown with every choice.
WITH step AS (
    SELECT $__timeFrom()::timestamptz AS first, $__timeTo()::timestamptz AS last,
           greatest(60, ceil(extract(epoch FROM $__timeTo()::timestamptz - $__timeFrom()::timestamptz) / 40))::float8
               * interval '1 second' AS width
), refused AS (
    SELECT date_bin(s.width, r.received_at, s.first) AS at, r.reason, count(*) AS n
    FROM step s, city.rejections r LEFT JOIN city.gateways g USING (gateway)
    WHERE r.received_at >= s.first AND r.received_at < s.last
      AND (g.district IS NULL OR g.district = ANY(ARRAY[${district:sqlstring}]::text[])) GROUP BY 1, 2
), reason AS (
    SELECT reason FROM refused GROUP BY 1 ORDER BY sum(n) DESC, 1 LIMIT 8
)
SELECT s.first + k.step * s.width AS time, w.reason AS metric, coalesce(r.n, 0)::float8 AS refused
FROM step s CROSS JOIN generate_series(0, 39) AS k (step) CROSS JOIN reason w
LEFT JOIN refused r ON r.at = s.first + k.step * s.width AND r.reason = w.reason
WHERE s.first + k.step * s.width < s.last
ORDER BY 1, 2

-- name: flags
-- Of the pieces (a sensor's hour or day) in which anything came, the share with a doubtful and with a bad reading in it.
WITH {pieces}
SELECT p.bucket AS time, t.suspect, t.failed
FROM piece p LEFT JOIN (
    SELECT bucket, (count(*) FILTER (WHERE worst_flag = 3))::float8 / count(*) AS suspect,
           (count(*) FILTER (WHERE worst_flag >= 4))::float8 / count(*) AS failed
    FROM stored JOIN ours USING (sensor) GROUP BY bucket) t USING (bucket)
ORDER BY 1

-- name: suspicious
-- Sensors that said the same number to the last digit through the whole range (a dry zero is none), or one outside what
-- they can measure; with how many of their pieces.
WITH {pieces}, judged AS (
    SELECT sensor, count(*) AS pieces, sum(n) AS n, min(min) AS low, max(max) AS high,
           count(*) FILTER (WHERE min < o.range_min OR max > o.range_max) AS outside
    FROM stored t JOIN ours o USING (sensor) GROUP BY sensor
), odd AS (
    SELECT *, low = high AND low <> 0 AND n >= 10 AND pieces >= 6 AS flat FROM judged
)
SELECT j.sensor, coalesce({t.name}, s.site) AS site, s.quantity, {units.s} AS unit, CASE WHEN flat THEN 1 ELSE 0 END AS flat,
       (outside::float8 / pieces) AS outside, low, high, s.range_min, s.range_max
FROM odd j JOIN city.sensors s USING (sensor) LEFT JOIN city.sites t USING (site)
WHERE flat OR outside > 0
ORDER BY outside DESC, j.sensor LIMIT 100

-- name: late
-- Sensors whose newest reading came later than three of their intervals after its own time, by district: right now.
SELECT count(*) FILTER (WHERE l.age_s > greatest(3 * s.interval_s, 120) AND NOT l.stale) AS late,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY g.skew_s) FILTER (WHERE g.online) AS skew,
       max(abs(g.skew_s)) AS worst_skew
FROM city.latest l JOIN city.sensors s USING (sensor) LEFT JOIN city.gateways g USING (gateway)
WHERE s.district = ANY(ARRAY[${district:sqlstring}]::text[])

-- name: deaf
-- Spans in which Lifeline itself heard nothing: readings from them came late, if at all.
SELECT coalesce(from_time, $__timeFrom()::timestamptz) AS time, to_time AS timeend, {words.deaf} AS text, 'gap' AS tags
FROM city.deafness
WHERE to_time >= $__timeFrom()::timestamptz AND from_time < $__timeTo()::timestamptz
ORDER BY 1
