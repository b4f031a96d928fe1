-- name: gateway
-- One gateway, as in the list.
SELECT g.*, extract(epoch FROM city.now() - g.last_seen)::float8 AS age_s,
       coalesce(NOT g.online, false) OR g.last_seen IS NULL
           OR city.now() - g.last_seen > greatest(3 * g.interval_s, 300) * interval '1 second' AS silent
FROM city.gateways g WHERE g.gateway = %(gateway)s

-- name: gateway_sensors
-- A gateway's sensors, stale ones first.
SELECT s.sensor, s.site, s.quantity, s.unit, t.name AS site_name, t.name_zh AS site_name_zh, l.time, l.value, l.flag,
       l.level, l.stale, l.age_s
FROM city.sensors s JOIN city.latest l USING (sensor) LEFT JOIN city.sites t USING (site)
WHERE s.gateway = %(gateway)s ORDER BY l.stale DESC, s.sensor LIMIT %(limit)s

-- name: gateway_alarms
-- What the platform says of a gateway and of its sensors' silence.
SELECT alarm, scope, sensor, level, peak_level, condition, raised_at, cleared_at, incident, title, title_zh, hold, hold_reason
FROM city.alarms WHERE domain = 'platform' AND gateway = %(gateway)s
ORDER BY (cleared_at IS NOT NULL), raised_at DESC LIMIT %(limit)s

-- name: gateway_rejections
-- What was refused of a gateway, newest first.
SELECT received_at, sensor, time, reason, detail FROM city.rejections WHERE gateway = %(gateway)s
ORDER BY rejection DESC LIMIT %(limit)s

-- name: rejections_page
-- What was refused, newest first.
SELECT rejection, received_at, gateway, topic, sensor, time, reason, detail, replayed_at,
       substring(payload FROM 1 FOR 400) AS payload
FROM city.rejections
WHERE (%(reason)s::text IS NULL OR reason = %(reason)s) AND (%(gateway)s::text IS NULL OR gateway = %(gateway)s)
  AND (%(sensor)s::text IS NULL OR sensor = %(sensor)s) AND (%(before)s::bigint IS NULL OR rejection < %(before)s)
ORDER BY rejection DESC LIMIT %(limit)s

-- name: sensor_list
-- Sensors by words, stale ones and those with a standing alarm first.
SELECT s.sensor, s.site, s.quantity, s.unit, s.gateway, s.domain, s.name, t.name AS site_name, t.name_zh AS site_name_zh,
       l.time, l.value, l.flag, l.level, l.stale, l.age_s, count(*) OVER () AS total
FROM city.sensors s JOIN city.latest l USING (sensor) LEFT JOIN city.sites t USING (site)
WHERE (%(words)s::text IS NULL OR strpos(lower(concat_ws(' ', s.sensor, s.name, s.site, t.name, t.name_zh, s.gateway)),
                                         lower(%(words)s)) > 0)
  AND (%(district)s::text IS NULL OR s.district = %(district)s) AND (%(domain)s::text IS NULL OR s.domain = %(domain)s)
  AND (%(stale)s::boolean IS NULL OR l.stale = %(stale)s)
ORDER BY array_position(ARRAY['red', 'orange', 'yellow', 'blue', 'none'], l.level), l.stale DESC, s.sensor
LIMIT %(limit)s OFFSET %(offset)s

-- name: band
-- What early signs expected of a sensor, oldest first; kept for a week.
SELECT time, low, high FROM city.bands WHERE sensor = %(sensor)s AND time >= %(since)s AND time < %(until)s
ORDER BY time

-- name: heard_since
-- Since which day a sensor that early signs watch has been heard; no row for one that nobody watches.
SELECT least(min(b.time), (SELECT min(bucket) FROM city.readings_1d WHERE sensor = %(sensor)s)) AS since
FROM city.bands b WHERE b.sensor = %(sensor)s HAVING count(*) > 0

-- name: readings_binned
-- Lowest and highest of each slice of time, where there are more readings than a plot can show.
WITH bins AS (
    SELECT date_bin(%(width)s, time, %(since)s) AS bucket, max(flag) FILTER (WHERE flag <> 4) AS flag,
           bool_or(late) AS late, (array_agg(time ORDER BY value, time))[1] AS low_at, min(value) AS low,
           (array_agg(time ORDER BY value DESC, time))[1] AS high_at, max(value) AS high
    FROM city.readings WHERE sensor = %(sensor)s AND time >= %(since)s AND time < %(until)s AND flag <> 4 GROUP BY 1
    UNION ALL
    SELECT time, flag, late, time, value, time, value FROM (
        SELECT time, flag, late, value FROM city.readings
        WHERE sensor = %(sensor)s AND time >= %(since)s AND time < %(until)s AND flag = 4
        ORDER BY time DESC LIMIT 200) AS failed)
SELECT low_at AS time, low AS value, flag, late FROM bins
UNION
SELECT high_at, high, flag, late FROM bins ORDER BY time
