"""The SQL of one sensor's page; which one stands in the variable `sensor`."""

from __future__ import annotations

from dashboards.queries.common import HERE, REAL, district, name, number, standing, unit
from dashboards.queries.trend import RAW_BELOW_MS, chosen

THIS = chosen("sensor")
NEIGHBOURS, NEAR_M, ROWS = 12, 2000, 50


def sensors(language: str) -> str:
    """Every sensor of the chosen districts."""
    return f"""\
SELECT s.sensor || ' · ' || coalesce({name("t", language)}, s.site) AS __text, s.sensor AS __value
FROM city.sensors s LEFT JOIN city.sites t USING (site) WHERE s.district = {HERE}
ORDER BY 1, 2"""  # noqa: S608 - built from constants of this room


def now(language: str) -> str:
    """The sensor as it is: level, newest value with its age, share of the first limit, flag, where it stands."""
    return f"""\
SELECT coalesce((SELECT max({standing("a")}) FROM city.alarms a
                 WHERE a.{REAL} AND a.level <> 'none' AND a.sensor = s.sensor),
                CASE WHEN l.stale THEN -1 ELSE 0 END)::float8 AS level,
       s.sensor, l.value, {unit("s", language)} AS unit, l.age_s AS age, l.flag,
       (SELECT string_agg(DISTINCT CASE k.side WHEN 'high' THEN '≥ ' ELSE '≤ ' END || k.value, ', ')
        FROM city.limits k WHERE k.sensor = s.sensor) AS limits,
       s.range_min, s.range_max, s.quantity, coalesce({name("t", language)}, s.site) AS site,
       {district("s", language)} AS district,
       s.gateway, s.interval_s::float8 AS every
FROM city.sensors s JOIN city.latest l USING (sensor) LEFT JOIN city.sites t USING (site)
WHERE s.sensor = {THIS}
ORDER BY 2"""  # noqa: S608 - built from constants of this room


# What was expected beside what came: kept every half hour for a week, and at every finding; so it is drawn in steps.
EXPECTED = f"""\
SELECT time, min(low) AS expected_low, max(high) AS expected_high
FROM (
    SELECT time, low, high FROM city.bands WHERE sensor = {THIS} AND $__timeFilter(time)
    UNION ALL
    SELECT time, low, high FROM city.findings
    WHERE sensor = {THIS} AND $__timeFilter(time) AND low IS NOT NULL AND high IS NOT NULL
) told
GROUP BY 1
ORDER BY 1
LIMIT 5000"""  # noqa: S608 - built from constants of this room

FINDINGS = f"""\
SELECT time, detector, channel, verdict, direction, return_period_years AS years, score, expected, low AS expected_low,
       high AS expected_high, reason, sensor
FROM city.findings WHERE sensor = {THIS} AND $__timeFilter(time)
ORDER BY time DESC
LIMIT {ROWS}"""  # noqa: S608 - built from constants of this room

# The worst flag of each step, 9 where nothing came for three intervals, and whether any came late. The first step also
# looks back before the range, so that it says how things stood.
FLAGS = f"""\
WITH range AS (
    SELECT $__timeFrom()::timestamptz AS first, least($__timeTo()::timestamptz, city.now()) AS last
), step AS (
    SELECT greatest((last - first) / 300, interval '1 second') AS width FROM range
), asked AS (
    SELECT sensor, greatest(3 * interval_s, 60) * interval '1 second' AS patience
    FROM city.sensors WHERE sensor = {THIS}
), came AS (
    SELECT r.sensor, r.time, r.flag::integer AS flag, r.late, interval '0' AS lasts
    FROM city.readings r, range, asked a
    WHERE r.sensor = {THIS} AND r.time BETWEEN range.first - a.patience AND range.last
      AND $__interval_ms < {RAW_BELOW_MS}
    UNION ALL
    SELECT r.sensor, r.bucket, r.worst_flag::integer, false, interval '1 hour' FROM city.readings_1h r, range
    WHERE r.sensor = {THIS} AND r.bucket BETWEEN range.first - interval '1 hour' AND range.last
      AND $__interval_ms >= {RAW_BELOW_MS}
), moment AS (
    SELECT a.sensor, a.patience, generate_series(first, last, width) AS at, width FROM range, step, asked a
), spread AS (
    SELECT m.sensor, m.at, max(c.flag) AS flag, bool_or(c.late) AS late
    FROM moment m LEFT JOIN came c
      ON c.sensor = m.sensor AND c.time < m.at + m.width AND c.time + c.lasts + m.patience > m.at
    GROUP BY 1, 2
)
SELECT at AS time, 'flag' AS metric, coalesce(flag, 9)::float8 AS value FROM spread
UNION ALL
SELECT at, 'late', CASE WHEN late THEN 11 ELSE 10 END::float8 FROM spread
ORDER BY 1, 2"""  # noqa: S608 - built from constants of this room


def neighbours(language: str) -> str:
    """Sensors of the same place and those within two kilometres, the nearest first."""
    return f"""\
WITH this AS (
    SELECT sensor AS itself, site AS place, lat AS lat0, lon AS lon0 FROM city.sensors WHERE sensor = {THIS}
), near AS (
    SELECT s.*, t.place,
           (111320 * sqrt((s.lat - lat0) ^ 2 + ((s.lon - lon0) * cos(radians(lat0))) ^ 2))::float8 AS away
    FROM city.sensors s, this t
    WHERE s.sensor <> t.itself AND s.lat BETWEEN lat0 - 0.02 AND lat0 + 0.02
      AND s.lon BETWEEN lon0 - 0.05 AND lon0 + 0.05
)
SELECT CASE WHEN l.stale AND l.level = 'none' THEN -1 ELSE {number("l.level")} END::float8 AS level, n.sensor,
       coalesce({name("p", language)}, n.site) AS site, n.quantity, l.value,
       {unit("n", language)} AS unit, l.age_s AS age, n.away
FROM near n JOIN city.latest l USING (sensor) LEFT JOIN city.sites p USING (site)
WHERE n.away <= {NEAR_M}
ORDER BY n.site <> n.place, n.away, n.sensor
LIMIT {NEIGHBOURS}"""  # noqa: S608 - built from constants of this room


# The newest readings of the range, with how long each was on its way.
READINGS = f"""\
SELECT r.time, r.value, r.flag::integer AS flag, CASE WHEN r.late THEN 1 ELSE 0 END AS late, r.received_at AS arrived,
       greatest(0, extract(epoch FROM r.received_at - r.time))::float8 AS way, r.sensor
FROM city.readings r WHERE r.sensor = {THIS} AND $__timeFilter(r.time)
ORDER BY r.time DESC
LIMIT {ROWS}"""  # noqa: S608 - built from constants of this room


def alarms(language: str) -> str:
    """The sensor's alarms of the range and those that stand, newest first."""
    return f"""\
SELECT ({number("CASE WHEN a.cleared_at IS NULL THEN a.level ELSE 'none' END")}
        + CASE WHEN a.drill <> '' THEN 10 ELSE 0 END)::float8 AS level,
       ({number("a.peak_level")})::float8 AS peak, {name("a", language, "title")} AS title, a.state, a.raised_at,
       a.cleared_at, CASE WHEN a.late THEN 1 ELSE 0 END AS late, a.rule, coalesce(a.incident, '') AS incident, a.sensor
FROM city.alarms a
WHERE a.sensor = {THIS} AND (a.cleared_at IS NULL
   OR a.raised_at <= $__timeTo()::timestamptz AND a.cleared_at >= $__timeFrom()::timestamptz)
ORDER BY a.cleared_at IS NOT NULL, a.raised_at DESC
LIMIT {ROWS}"""  # noqa: S608 - built from constants of this room


def raised(language: str) -> str:
    """From raise to clear, for marks over the trend."""
    return f"""\
SELECT a.raised_at AS time, coalesce(a.cleared_at, city.now()) AS timeend,
       {name("a", language, "title")} AS text, a.peak_level || ',' || a.rule AS tags
FROM city.alarms a
WHERE a.sensor = {THIS} AND a.drill = '' AND a.raised_at <= $__timeTo()::timestamptz
  AND coalesce(a.cleared_at, 'infinity') >= $__timeFrom()::timestamptz
ORDER BY 1
LIMIT 200"""  # noqa: S608 - built from constants of this room
