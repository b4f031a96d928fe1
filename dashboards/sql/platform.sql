-- name: health
-- Everything the platform knows about itself, what is wrong first, with what to do about it.
SELECT CASE state WHEN 'fault' THEN 2 WHEN 'warning' THEN 1 ELSE 0 END AS state, name, coalesce(nullif(text, ''), '') AS text,
       advice, greatest(0, age_s) AS age
FROM city.health ORDER BY 1 DESC, name

-- name: faults
-- How many of the platform's checks are at fault, how many warn, of how many.
SELECT count(*) FILTER (WHERE state = 'fault') AS faults, count(*) FILTER (WHERE state = 'warning') AS warnings,
       count(*) AS checks
FROM city.health

-- name: roles
-- Each role's last sign of life, in seconds of the wall's clock, and how long it runs.
SELECT role, age_s AS beat, running_s AS running FROM city.roles ORDER BY role

-- name: lags
-- How far behind the platform is: storing, deciding and telling; and how much waits where.
SELECT (SELECT (detail ->> 'rate_per_s')::float8 FROM city.roles WHERE role = 'recorder') AS rate,
       (SELECT (detail ->> 'lag_s')::float8 FROM city.roles WHERE role = 'recorder') AS ingest,
       (SELECT value FROM city.health WHERE name = 'journal_oldest') AS journal,
       (SELECT (detail ->> 'lag_s')::float8 FROM city.roles WHERE role = 'watcher') AS deciding,
       (SELECT extract(epoch FROM city.now() - min(created_at))::float8 FROM city.notices
        WHERE state IN ('queued', 'sending')) AS outbox,
       (SELECT value FROM city.health WHERE name = 'rollup_lag') AS rollups

-- name: room
-- How large the database is, how it grows, and how long its disk lasts; errors of the database's own jobs.
SELECT max(value) FILTER (WHERE name = 'store_size') AS size, max(value) FILTER (WHERE name = 'store_growth') AS growth,
       max(value) FILTER (WHERE name = 'store_days_left') AS days_left,
       max(value) FILTER (WHERE name = 'store_jobs') AS job_errors
FROM city.health

-- name: watchdog
-- How long ago the outside was last told that the platform lives, whether it is told nothing, and how old the rules in
-- force are.
SELECT (SELECT extract(epoch FROM city.now() - CASE WHEN state = 'ok' THEN reported_at ELSE since END)::float8
        FROM city.health WHERE name = 'heartbeat') AS heartbeat,
       (SELECT count(*) FROM city.health WHERE name = 'heartbeat' AND state <> 'ok') AS silent,
       (SELECT extract(epoch FROM city.now() - applied_at)::float8 FROM city.bundles WHERE in_force) AS bundle

-- name: ingest
-- Readings stored a second, by five minutes, hours or days as the range asks.
WITH stored AS (
    SELECT bucket, n, 300 AS width_s FROM city.readings_5m
    WHERE bucket >= $__timeFrom()::timestamptz AND bucket < $__timeTo()::timestamptz
      AND $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= interval '1 hour'
    UNION ALL
    SELECT bucket, n, 3600 FROM city.readings_1h
    WHERE bucket >= $__timeFrom()::timestamptz AND bucket < $__timeTo()::timestamptz
      AND $__timeTo()::timestamptz - $__timeFrom()::timestamptz > interval '1 hour'
      AND $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= interval '26 hours'
    UNION ALL
    SELECT bucket, n, 86400 FROM city.readings_1d
    WHERE bucket >= $__timeFrom()::timestamptz AND bucket < $__timeTo()::timestamptz
      AND $__timeTo()::timestamptz - $__timeFrom()::timestamptz > interval '26 hours'
)
SELECT bucket AS time, sum(n)::float8
       / greatest(1, least(max(width_s), date_part('epoch', city.now() - bucket))) AS rate
FROM stored WHERE bucket < city.now() GROUP BY 1 ORDER BY 1

-- name: sizes
-- How large the database was, by the hour (of at most 500 points the newest in each).
WITH step AS (
    SELECT greatest(3600, ceil(extract(epoch FROM $__timeTo()::timestamptz - $__timeFrom()::timestamptz) / 500))::float8
        * interval '1 second' AS width
)
SELECT date_bin(width, hour, '2000-01-01 00:00:00+00') AS time, max(bytes)::float8 AS size FROM city.sizes, step
WHERE hour >= $__timeFrom()::timestamptz AND hour <= $__timeTo()::timestamptz GROUP BY 1 ORDER BY 1

-- name: outbox
-- Notices of the last day by channel: waiting, accepted, arrived, failed, the oldest that waits, and those lost: failed on
-- every channel, or waiting for more than four hours. Exercises too: they go the same way.
SELECT channel, count(*) FILTER (WHERE state IN ('queued', 'sending')) AS waiting,
       extract(epoch FROM city.now() - min(created_at) FILTER (WHERE state IN ('queued', 'sending')))::float8 AS oldest,
       count(*) FILTER (WHERE state = 'sent') AS sent, count(*) FILTER (WHERE state = 'delivered') AS delivered,
       count(*) FILTER (WHERE state = 'failed') AS failed,
       count(*) FILTER (WHERE state = 'failed' AND NOT EXISTS (
               SELECT FROM city.notices o WHERE o.root = n.root AND o.state IN ('sent', 'delivered', 'queued', 'sending'))
           OR state IN ('queued', 'sending') AND created_at < city.now() - interval '4 hours') AS lost
FROM city.notices n
WHERE created_at > city.now() - interval '1 day' OR state IN ('queued', 'sending')
GROUP BY channel ORDER BY waiting DESC, channel

-- name: delivery
-- Notices made and failed in the range, in at most 200 steps.
WITH step AS (
    SELECT $__timeFrom()::timestamptz AS first, $__timeTo()::timestamptz AS last,
           greatest(60, ceil(extract(epoch FROM $__timeTo()::timestamptz - $__timeFrom()::timestamptz) / 200))::float8
               * interval '1 second' AS width
), made AS (
    SELECT date_bin(s.width, n.created_at, s.first) AS at, count(*) AS made,
           count(*) FILTER (WHERE n.state = 'failed') AS failed
    FROM step s, city.notices n WHERE n.created_at >= s.first AND n.created_at < s.last GROUP BY 1
)
SELECT s.first + k.step * s.width AS time, coalesce(m.made, 0)::float8 AS made, coalesce(m.failed, 0)::float8 AS failed
FROM step s CROSS JOIN generate_series(0, 199) AS k (step)
LEFT JOIN made m ON m.at = s.first + k.step * s.width
WHERE s.first + k.step * s.width < s.last
ORDER BY 1
