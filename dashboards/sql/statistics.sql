-- name: range
-- The span that is counted: not before the first city folder was applied, not after now.
range AS (
    SELECT greatest($__timeFrom()::timestamptz, coalesce((SELECT min(applied_at) FROM city.bundles), '-infinity')) AS first,
           least($__timeTo()::timestamptz, city.now()) AS last
), span AS (
    SELECT first, last, nullif(greatest(extract(epoch FROM last - first), 0), 0) AS span_s FROM range
)

-- name: raised
-- What was told at the chosen desks in the span: neither diagnostic nor held, and no exercise.
raised AS (
    SELECT n.at, a.rule || '/' || a.scope AS key, a.peak_level AS level, a.cleared_at, a.sensor, {a.title} AS title,
           row_number() OVER (ORDER BY n.at, a.rule || '/' || a.scope COLLATE "C", n.annunciation) AS number
    FROM span s, city.annunciations n JOIN city.alarms a USING (alarm)
    WHERE n.counted AND n.drill = '' AND n.at >= s.first AND n.at < s.last
      AND n.desk = ANY(ARRAY[${desk:sqlstring}]::text[]) AND n.district = ANY(ARRAY[${district:sqlstring}]::text[])
)

-- name: desks
-- Desks that were told of anything.
SELECT DISTINCT desk AS __text, desk AS __value FROM city.annunciations WHERE drill = '' ORDER BY 1

-- name: districts
-- Districts of the register, and those of alarms from before it changed.
SELECT district AS __text, district AS __value FROM city.sites
UNION SELECT district, district FROM city.gateways
UNION SELECT district, district FROM city.incidents
UNION SELECT district, district FROM city.annunciations
ORDER BY 1

-- name: rate
-- Alarms an hour and in ten minutes, the most in one bin of ten minutes, and the share of bins with more than ten.
WITH {range}, {raised}, bin AS (
    SELECT count(*) AS n FROM raised, span GROUP BY floor(extract(epoch FROM at - first) / 600)
)
SELECT (SELECT count(*) FROM raised) AS raises,
       ((SELECT count(*) FROM raised) * 3600 / span_s)::float8 AS per_hour,
       ((SELECT count(*) FROM raised) * 600 / span_s)::float8 AS per_bin,
       coalesce((SELECT max(n) FROM bin), 0) AS peak,
       ((SELECT count(*) FROM bin WHERE n > 10) / greatest(1, ceil(span_s / 600)))::float8 AS bins_over
FROM span

-- name: floods
-- Time in flood: from the eleventh alarm within ten minutes until fewer than five are left of them.
WITH {range}, {raised}, told AS (
    SELECT at, number, lag(at, 4) OVER known AS fifth,
           coalesce(at >= lag(at, 5) OVER known + interval '10 minutes', false) AS ebbed,
           coalesce(at < lag(at, 10) OVER known + interval '10 minutes', false) AS flooded,
           count(*) OVER (ORDER BY at RANGE BETWEEN interval '599.999999 seconds' PRECEDING AND CURRENT ROW) AS within
    FROM raised WINDOW known AS (ORDER BY number)
), part AS (
    SELECT *, count(*) FILTER (WHERE ebbed) OVER (ORDER BY number) AS part FROM told
), flood AS (
    SELECT min(at) FILTER (WHERE flooded) AS begins, max(within) AS peak,
           least((array_agg(fifth ORDER BY number DESC))[1] + interval '10 minutes', (SELECT last FROM span)) AS ends
    FROM part GROUP BY part HAVING bool_or(flooded)
)
SELECT (coalesce(sum(extract(epoch FROM ends - begins)), 0) / (SELECT span_s FROM span))::float8 AS flood_share,
       count(*) AS floods, coalesce(max(extract(epoch FROM ends - begins)), 0)::float8 AS longest,
       coalesce(max(peak), 0) AS flood_peak
FROM flood

-- name: frequent
-- The share of the ten most frequent, how many chatter (three times within a minute), and how many were over at once.
WITH {range}, {raised}, key AS (
    SELECT key, count(*) AS n FROM raised GROUP BY key ORDER BY n DESC, key COLLATE "C" LIMIT 10
), near AS (
    SELECT key, at, cleared_at, lag(at, 2) OVER same AS third, lead(at) OVER same AS again FROM raised
    WINDOW same AS (PARTITION BY key ORDER BY at, number)
)
SELECT (SELECT sum(n) FROM key)::float8 / (SELECT count(*) FROM raised) AS top_share,
       count(DISTINCT key) FILTER (WHERE at - third <= interval '60 seconds') AS chattering,
       count(*) FILTER (WHERE cleared_at - at < interval '10 seconds'
           AND (again IS NULL OR again - at > interval '60 seconds')) AS fleeting
FROM near

-- name: stale
-- How many of the span's alarms stood longer than a day, the most of them at one time, and what stands now.
WITH {range}, {raised}, long AS (
    SELECT at + interval '24 hours' AS since, least(coalesce(cleared_at, last), last) AS until FROM raised, span
    WHERE least(coalesce(cleared_at, last), last) > at + interval '24 hours'
), change AS (
    SELECT since AS at, 1 AS by FROM long UNION ALL SELECT until, -1 FROM long
), together AS (
    SELECT sum(by) OVER (ORDER BY at, by ROWS UNBOUNDED PRECEDING) AS n FROM change
), standing AS (
    SELECT extract(epoch FROM city.now() - raised_at) AS age_s FROM city.alarms a
    WHERE cleared_at IS NULL AND domain <> 'platform' AND drill = ''
      AND district = ANY(ARRAY[${district:sqlstring}]::text[]) AND EXISTS (
          SELECT FROM city.annunciations n WHERE n.alarm = a.alarm AND n.desk = ANY(ARRAY[${desk:sqlstring}]::text[]))
)
SELECT (SELECT count(*) FROM long) AS stale, coalesce((SELECT max(n) FROM together), 0) AS stale_peak,
       count(*) AS standing, count(*) FILTER (WHERE age_s > 86400) AS standing_stale
FROM standing

-- name: standing
-- What stands now, longest first: what it is, since when, and whether anybody holds it back.
SELECT array_position(ARRAY['none', 'blue', 'yellow', 'orange', 'red'], a.level) - 1 AS level, {a.title} AS title,
       coalesce({t.name}, a.site) AS site, greatest(0, extract(epoch FROM city.now() - a.raised_at))::float8 AS age,
       a.state, coalesce(a.sensor, a.scope) AS sensor, coalesce(a.incident, '') AS incident
FROM city.alarms a LEFT JOIN city.sites t USING (site)
WHERE a.cleared_at IS NULL AND a.domain <> 'platform' AND a.drill = ''
  AND a.district = ANY(ARRAY[${district:sqlstring}]::text[]) AND EXISTS (
      SELECT FROM city.annunciations n WHERE n.alarm = a.alarm AND n.desk = ANY(ARRAY[${desk:sqlstring}]::text[]))
ORDER BY a.raised_at, a.alarm LIMIT 50

-- name: rate_over_time
-- Alarms told in each ten minutes; in a long range the average per ten minutes, of at most 300 steps. Quiet ones are 0.
WITH {range}, {raised}, step AS (
    SELECT first, last, 600 * greatest(1, ceil(span_s / 180000)) AS width_s FROM span WHERE span_s IS NOT NULL
), told AS (
    SELECT floor(extract(epoch FROM at - first) / width_s)::bigint AS step, count(*) AS n FROM raised, step GROUP BY 1
)
SELECT s.first + g.step * s.width_s::float8 * interval '1 second' AS time,
       (coalesce(t.n, 0) * 600 / s.width_s)::float8 AS rate
FROM step s, LATERAL generate_series(0, ceil(extract(epoch FROM s.last - s.first) / s.width_s)::bigint - 1) AS g (step)
LEFT JOIN told t USING (step)
ORDER BY 1

-- name: top
-- The ten most frequent, with their share of all and whether they chatter.
WITH {range}, {raised}, near AS (
    SELECT *, at - lag(at, 2) OVER (PARTITION BY key ORDER BY at, number) <= interval '60 seconds' AS chatter FROM raised
)
SELECT (array_agg(title ORDER BY at DESC))[1] AS title, coalesce(max(sensor), '') AS sensor, key, count(*) AS n,
       (count(*) / sum(count(*)) OVER ())::float8 AS share, CASE WHEN bool_or(chatter) THEN 1 ELSE 0 END AS chatters
FROM near GROUP BY key
ORDER BY n DESC, key COLLATE "C" LIMIT 10

-- name: mix
-- The share of each level, beside its target; off: more than 15 points away.
WITH {range}, {raised}, target (number, level, target) AS (
    VALUES (4, 'red', 0.01), (3, 'orange', 0.05), (2, 'yellow', 0.15), (1, 'blue', 0.80)
), whole AS (
    SELECT nullif(count(*), 0) AS n FROM raised
), counted AS (
    SELECT t.number AS level, count(r.key) AS n, (count(r.key)::numeric / (SELECT n FROM whole)) AS share, t.target
    FROM target t LEFT JOIN raised r USING (level) GROUP BY t.number, t.target
)
SELECT level, n, share::float8 AS share, target::float8 AS target,
       CASE WHEN share IS NULL THEN -1 WHEN abs(share - target) > 0.15 THEN 2 ELSE 0 END AS rating
FROM counted ORDER BY level DESC

-- name: suppression
-- What holds alarms back now, and the shelves of the span: how long, beyond their cap, without a person.
WITH {range}, place AS (
    SELECT sensor AS scope FROM city.sensors WHERE district = ANY(ARRAY[${district:sqlstring}]::text[])
    UNION SELECT gateway FROM city.gateways WHERE district = ANY(ARRAY[${district:sqlstring}]::text[])
    UNION SELECT site FROM city.sites WHERE district = ANY(ARRAY[${district:sqlstring}]::text[])
), held AS (
    SELECT h.kind, h.ended_at IS NULL AS now, h.since >= s.first AND h.since < s.last AS ours,
           extract(epoch FROM least(coalesce(h.ended_at, s.last), s.last) - h.since)::float8 AS long_s,
           extract(epoch FROM coalesce(h.ended_at, city.now()) - h.since) > 60 + 3600
               * (ARRAY[24, 24, 8, 1, 0.25])[array_position(ARRAY['none', 'blue', 'yellow', 'orange', 'red'], h.level)]
               AS over_limit,
           h.by = '' OR NOT EXISTS (SELECT FROM city.hold_events e WHERE e.key = h.key AND e.time = h.since
                                    AND e.actor <> '') AS unsigned
    FROM span s, city.shelf_history h JOIN place USING (scope)
    WHERE h.ended_at IS NULL OR h.since >= s.first AND h.since < s.last
)
SELECT count(*) FILTER (WHERE kind = 'shelved' AND now) AS shelved,
       count(*) FILTER (WHERE kind = 'out_of_service' AND now) AS out_of_service,
       (SELECT count(*) FROM city.alarms WHERE cleared_at IS NULL AND hold = 'suppressed' AND drill = ''
        AND district = ANY(ARRAY[${district:sqlstring}]::text[])) AS inhibited,
       avg(long_s) FILTER (WHERE kind = 'shelved' AND ours) AS mean_shelf,
       count(*) FILTER (WHERE kind = 'shelved' AND ours AND over_limit) AS over_limit,
       count(*) FILTER (WHERE ours AND unsigned) AS unauthorised
FROM held

-- name: answered
-- Each incident of the span with the seconds until people first did each thing.
answered AS (
    SELECT i.incident, i.peak_level AS level, i.opened_at, a.sensor, p.*
    FROM span s, city.incidents i LEFT JOIN city.alarms a ON a.alarm = i.first_alarm
    LEFT JOIN LATERAL (
        SELECT min(s) FILTER (WHERE kind = 'acknowledge') AS acknowledge,
               min(s) FILTER (WHERE kind = 'confirm') AS confirm, min(s) FILTER (WHERE kind = 'dispatch') AS dispatch,
               min(s) FILTER (WHERE kind = 'on_site') AS on_site, min(s) FILTER (WHERE kind = 'close') AS close,
               min(s) FILTER (WHERE kind IN ('confirm', 'false_alarm', 'analyse', 'dispatch', 'on_site', 'report'))
                   AS acted,
               coalesce(bool_or(kind = 'false_alarm'), false) AS false_alarm,
               coalesce(bool_or(kind = 'confirm'), false) AS confirmed
        FROM (SELECT e.kind, greatest(0, extract(epoch FROM e.time - i.opened_at))::float8 AS s
              FROM city.incident_events e WHERE e.incident = i.incident AND e.actor <> '') AS said) p ON true
    WHERE NOT i.drill AND i.opened_at >= s.first AND i.opened_at < s.last AND coalesce(a.domain, '') <> 'platform'
      AND i.district = ANY(ARRAY[${district:sqlstring}]::text[]) AND EXISTS (
          SELECT FROM city.annunciations n
          WHERE n.incident = i.incident AND n.desk = ANY(ARRAY[${desk:sqlstring}]::text[]))
)

-- name: people
-- How people did: their mean response, acknowledged without anything done, escalated past the first step, false alarms;
-- how long before the incident a detector had seen signs (half of them), what was only found in late data, and what
-- rules nearly raised.
WITH {range}, {answered}
SELECT count(*) AS incidents, avg(acted) AS mean_response,
       (count(*) FILTER (WHERE acknowledge IS NOT NULL AND acted IS NULL))::float8
           / nullif(count(acknowledge), 0) AS idle,
       (count(*) FILTER (WHERE EXISTS (SELECT FROM city.escalations e WHERE e.incident = w.incident
           AND e.state = 'fired' AND (e.step > 0 OR e.repeat > 0))))::float8 / nullif(count(*), 0) AS escalated,
       (count(*) FILTER (WHERE false_alarm))::float8
           / nullif(count(*) FILTER (WHERE false_alarm OR confirmed), 0) AS false_share,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY (
           SELECT extract(epoch FROM w.opened_at - min(f.time))::float8 FROM city.findings f
           WHERE f.sensor = w.sensor AND f.verdict = 'abnormal' AND f.channel <> 'late_detected'
             AND f.time <= w.opened_at AND f.time > w.opened_at - interval '24 hours')) AS lead,
       (SELECT count(*) FROM span s, city.findings f JOIN city.sensors n USING (sensor)
        WHERE f.channel = 'late_detected' AND f.time >= s.first AND f.time < s.last
          AND n.district = ANY(ARRAY[${district:sqlstring}]::text[])) AS late_detected,
       (SELECT count(*) FROM span s, city.findings f JOIN city.sensors n USING (sensor)
        WHERE f.channel = 'near_miss' AND f.time >= s.first AND f.time < s.last
          AND n.district = ANY(ARRAY[${district:sqlstring}]::text[])) AS near_misses
FROM answered w

-- name: responses
-- For each level and step: how soon half and nine in ten were done, what the clock allowed, and the share in time.
WITH {range}, {answered}, done AS (
    SELECT w.level, k.step, k.place, k.s FROM answered w, LATERAL (
        VALUES (1, 'acknowledge', acknowledge), (2, 'confirm', confirm), (3, 'dispatch', dispatch),
               (4, 'on_site', on_site), (5, 'close', close)) AS k (place, step, s)
), spread AS (
    SELECT level, step, place, count(s) AS n, percentile_disc(0.5) WITHIN GROUP (ORDER BY s) AS p50,
           percentile_disc(0.9) WITHIN GROUP (ORDER BY s) AS p90
    FROM done GROUP BY level, step, place
), clock AS (
    SELECT c.level, c.clock AS step,
           percentile_disc(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM c.due_at - c.began_at)::float8) AS allowed,
           (count(*) FILTER (WHERE c.state = 'met'))::float8
               / nullif(count(*) FILTER (WHERE c.state IN ('met', 'missed')), 0) AS met
    FROM span s, city.incident_clocks c JOIN answered USING (incident)
    WHERE c.due_at >= s.first AND c.due_at < s.last GROUP BY c.level, c.clock
)
SELECT array_position(ARRAY['none', 'blue', 'yellow', 'orange', 'red'], level) - 1 AS level, step, n, p50, p90,
       allowed, met
FROM spread LEFT JOIN clock USING (level, step) WHERE n > 0 OR allowed IS NOT NULL
ORDER BY level DESC, place

-- name: deliveries
-- First notices by channel: how soon they were accepted (half, 19 in 20), from the event and from its arrival here;
-- and of all notices the share that failed, that took over from another channel, and how many came twice.
WITH {range}, ours AS (
    SELECT n.*, i.opened_at, i.first_alarm FROM span s, city.notices n LEFT JOIN city.incidents i USING (incident)
    WHERE NOT n.drill AND n.state <> 'superseded' AND n.created_at >= s.first AND n.created_at < s.last
      AND (i.incident IS NULL OR i.district = ANY(ARRAY[${district:sqlstring}]::text[]))
), timed AS (
    SELECT o.notice, extract(epoch FROM o.sent_at - o.opened_at)::float8 AS event_s,
           extract(epoch FROM o.sent_at - e.recorded_at)::float8 AS ingest_s
    FROM ours o JOIN LATERAL (SELECT min(v.recorded_at) AS recorded_at FROM city.alarm_events v
                              WHERE v.alarm = o.first_alarm AND v.kind = 'raised') e ON true
    WHERE o.kind = 'raise' AND o.round = 1 AND o.step = 0 AND o.fallback_of IS NULL AND o.sent_at IS NOT NULL
)
SELECT channel, count(*) AS n, percentile_disc(0.5) WITHIN GROUP (ORDER BY event_s) AS event_p50,
       percentile_disc(0.95) WITHIN GROUP (ORDER BY event_s) AS event_p95,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY ingest_s) AS ingest_p50,
       percentile_disc(0.95) WITHIN GROUP (ORDER BY ingest_s) AS ingest_p95,
       (count(*) FILTER (WHERE state = 'failed'))::float8 / count(*) AS failed,
       count(fallback_of)::float8 / count(*) AS fallback, count(*) - count(DISTINCT idempotency_key) AS twice
FROM ours LEFT JOIN timed USING (notice)
GROUP BY channel ORDER BY channel
