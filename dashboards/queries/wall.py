"""The SQL of the city wall."""

from __future__ import annotations

from city.levels import COLOURS
from city.quantity import DOMAINS
from dashboards.queries.common import EXERCISE, HERE, REAL, age, district, name, number, standing

TIMELINE_ROWS = 16
INCIDENT_ROWS = 50
SPECIAL_ROWS = 12


def counts() -> str:
    """Alarms that stand and are told of, per level: one row, one column each."""
    levels = ",\n       ".join(
        f"count(*) FILTER (WHERE level = '{level.word}' AND hold = '') AS {level.word}" for level in reversed(COLOURS)
    )
    return f"""\
SELECT {levels}
FROM city.alarms
WHERE {REAL} AND district = {HERE}"""  # noqa: S608 - built from constants of this room


# Alarms that stand and of which nobody is told, by why.
HELD_BACK = f"""\
SELECT count(*) FILTER (WHERE hold = 'shelved') AS shelved,
       count(*) FILTER (WHERE hold = 'suppressed' AND hold_reason NOT LIKE 'maintenance %') AS suppressed,
       count(*) FILTER (WHERE hold = 'out_of_service') AS out_of_service,
       count(*) FILTER (WHERE hold = 'suppressed' AND hold_reason LIKE 'maintenance %') AS maintenance
FROM city.alarms
WHERE {REAL} AND hold <> '' AND district = {HERE}"""  # noqa: S608 - built from constants of this room

# What nobody can see: sensors gone quiet, those of them behind a gateway that is silent, and such gateways.
UNSEEN = f"""\
SELECT (SELECT count(*) FROM city.heard WHERE stale AND district = {HERE}) AS stale,
       (SELECT count(*) FROM city.gateways WHERE district = {HERE} AND (
            online IS FALSE OR last_seen IS NULL
            OR (SELECT city.now()) - last_seen > greatest(3 * interval_s, 300) * interval '1 second')) AS gateways"""  # noqa: S608


def domains() -> str:
    """The worst standing level per domain; -1 when more than half of its sensors are silent and nothing stands."""
    columns = ",\n       ".join(f"max(state) FILTER (WHERE domain = '{d}') AS {d}" for d in DOMAINS)
    return f"""\
WITH silence AS (
    SELECT domain, CASE WHEN 2 * count(*) FILTER (WHERE stale) > count(*) THEN -1 ELSE 0 END AS state
    FROM city.heard WHERE district = {HERE} GROUP BY 1
), alarm AS (
    SELECT a.domain, max({standing("a")}) AS state
    FROM city.alarms a WHERE {REAL} AND a.level <> 'none' AND a.district = {HERE} GROUP BY 1
), worst AS (
    SELECT domain, CASE WHEN a.state >= 1 OR s.state IS NULL OR s.state = 0 THEN coalesce(a.state, s.state)
                   ELSE s.state END AS state
    FROM silence s FULL JOIN alarm a USING (domain)
)
SELECT {columns}
FROM worst"""  # noqa: S608 - built from constants of this room


# No least() or greatest() around the newest message's age: they would turn "nothing yet" into a comfortable 0.
PLATFORM = f"""\
SELECT (SELECT count(*) FROM city.health WHERE state <> 'ok') AS faults,
       (SELECT count(*) FROM city.notices
        WHERE NOT drill AND (state = 'failed' AND created_at > city.now() - interval '1 day'
           OR state IN ('queued', 'sending') AND created_at < city.now() - interval '1 minute')) AS undelivered,
       (SELECT extract(epoch FROM city.now() - max(last_seen))::float8 FROM city.gateways
        WHERE district = {HERE}) AS newest"""  # noqa: S608 - built from constants of this room


def places(language: str, blind: bool) -> str:
    """One row per site with its worst sensor, the worst last to be drawn on top.

    `blind`: the sites all of whose sensors are silent and where no alarm is told of, which are drawn otherwise.
    """
    which = "coalesce(n.silent, false) AND coalesce(a.level, 0) < 1"
    return f"""\
WITH silence AS (
    SELECT site, bool_and(stale) AS silent, count(*) AS sensors, min(sensor) AS sensor
    FROM city.heard WHERE district = {HERE} GROUP BY 1
), alarm AS (
    SELECT a.site, max({standing("a")}) AS level,
           (array_agg(sensor ORDER BY {standing("a")} DESC, sensor) FILTER (WHERE sensor IS NOT NULL))[1] AS sensor
    FROM city.alarms a WHERE {REAL} AND a.level <> 'none' GROUP BY 1
)
SELECT t.lat AS latitude, t.lon AS longitude, {name("t", language)} AS name, t.site, t.kind,
       {district("t", language)} AS district,
       coalesce(n.sensors, 0) AS sensors, coalesce(a.sensor, n.sensor, '') AS sensor,
       {"-1" if blind else "coalesce(a.level, 0)"}::float8 AS level,
       {"2" if blind else "coalesce(a.level, 0)"}::float8 AS size
FROM city.sites t LEFT JOIN silence n USING (site) LEFT JOIN alarm a USING (site)
WHERE t.district = {HERE} AND {"" if blind else "NOT "}({which})
ORDER BY size, level, site"""  # noqa: S608 - built from constants of this room


def incidents(language: str, domain: str = "") -> str:
    """Open incidents, worst first, exercises after all that is real; of one domain only, where one is given."""
    theirs = f"EXISTS (SELECT FROM city.alarms m WHERE m.incident = i.incident AND m.domain = '{domain}')"
    only = f" AND {theirs}" if domain else ""
    return f"""\
SELECT {number("i.level")} + CASE WHEN i.drill THEN {EXERCISE} ELSE 0 END AS level,
       {name("i", language, "title")} AS title,
       coalesce({name("t", language)}, i.site) AS site, {district("i", language)} AS district, i.stage,
       CASE WHEN i.acknowledged THEN 1 ELSE 0 END AS acknowledged,
       {age("i.opened_at")} AS age, f.scope AS first_out, i.incident
FROM city.incidents i LEFT JOIN city.sites t USING (site) LEFT JOIN city.alarms f ON f.alarm = i.first_alarm
WHERE i.closed_at IS NULL AND i.district = {HERE}{only}
ORDER BY i.drill, {number("i.level")} DESC, acknowledged, i.opened_at DESC, i.incident
LIMIT {INCIDENT_ROWS}"""  # noqa: S608 - built from constants of this room


def special(language: str) -> str:
    """What is not as usual: floods of alarms, exercises, maintenance; each with since when and until when."""
    title = "coalesce(title_zh, title)" if language == "zh" else "title"
    return f"""\
SELECT kind, title, since, until, page FROM (
    SELECT 'flood' AS kind, desk AS title, {age("started_at")} AS since, NULL::float8 AS until, 'floods' AS page,
           1 AS place
    FROM city.floods WHERE ended_at IS NULL AND drill = ''
    UNION ALL
    SELECT 'drill', {title}, {age("started_at")}, {_left("until")}, 'operations', 2
    FROM city.drills WHERE state = 'running'
    UNION ALL
    SELECT 'maintenance', {title}, {age("starts_at")}, {_left("ends_at")}, 'maintenance', 3
    FROM city.maintenance WHERE running
) s
ORDER BY place, since
LIMIT {SPECIAL_ROWS}"""  # noqa: S608 - built from constants of this room


def _left(column: str) -> str:
    return f"greatest(0, extract(epoch FROM {column} - city.now()))::float8"


def timeline(language: str, domain: str = "") -> str:
    """The level of each sensor that had an alarm in the range; half a level more when it stands but cannot be seen.

    Alarm events become stretches of one level; each of at most 300 steps of the range takes the worst stretch that
    touches it, so that the state from before the range is there, a short alarm is never lost, and a calm sensor says
    so. (Rows of changes alone are wrong here: other sensors' rows would cut the bars.) What is held back counts as
    that, below every level.
    """
    only = f" AND a.domain = '{domain}'" if domain else ""
    return f"""\
WITH range AS (
    SELECT $__timeFrom()::timestamptz AS first, least($__timeTo()::timestamptz, city.now()) AS last
), step AS (
    SELECT greatest(interval '10 seconds', (last - first) / 300) AS width FROM range
), had AS (
    SELECT a.alarm, a.scope, a.site, {number("a.peak_level")} AS peak, a.raised_at FROM city.alarms a, range
    WHERE a.raised_at <= range.last AND coalesce(a.cleared_at, 'infinity') >= range.first AND a.drill = ''
      AND a.district = {HERE}{only}
), shown AS (
    SELECT scope, min(site) AS site FROM had
    GROUP BY scope ORDER BY max(peak) DESC, max(raised_at) DESC, scope LIMIT {TIMELINE_ROWS}
), stretch AS (
    SELECT h.scope, e.time AS begins,
           coalesce(lead(e.time) OVER following, 'infinity') AS ends,
           CASE WHEN e.to_hold <> '' THEN 0.25
                ELSE {number("e.to_level")} + CASE WHEN e.to_condition = 'unknown' THEN 0.5 ELSE 0 END END AS level,
           e.to_condition IN ('normal', 'retracted') OR e.kind = 'closed' AS over
    FROM had h JOIN shown USING (scope) JOIN city.alarm_events e USING (alarm)
    WINDOW following AS (PARTITION BY e.alarm ORDER BY e.time, e.recorded_at, e.event)
), moment AS (
    SELECT generate_series(first, last, width) AS at, width FROM range, step
)
SELECT m.at AS time, coalesce({name("t", language)} || ' · ', '') || s.scope AS metric,
       coalesce(max(x.level) FILTER (WHERE NOT x.over), 0)::float8 AS value
FROM moment m CROSS JOIN shown s LEFT JOIN city.sites t USING (site)
LEFT JOIN stretch x ON x.scope = s.scope AND x.begins < m.at + m.width AND x.ends > m.at
GROUP BY 1, 2
ORDER BY 1, 2"""  # noqa: S608 - built from constants of this room


# At most 1000 windows of whole ten minutes; windows without an alarm are there too.
RATE = f"""\
WITH range AS (
    SELECT $__timeFrom()::timestamptz AS first, $__timeTo()::timestamptz AS last
), step AS (
    SELECT 600 * greatest(1, ceil(extract(epoch FROM last - first) / 600000)) AS width_s FROM range
), grid AS (
    SELECT date_bin('10 minutes', first, '2000-01-01 00:00:00+00') AS first, last, width_s,
           width_s * interval '1 second' AS width
    FROM range, step
), moment AS (
    SELECT generate_series(first, last, width) AS at, width_s FROM grid
), raised AS (
    SELECT date_bin(g.width, a.raised_at, g.first) AS at, count(*) AS alarms
    FROM grid g JOIN city.alarms a ON a.raised_at >= g.first AND a.raised_at < g.last + g.width
    WHERE a.drill = '' AND a.district = {HERE} GROUP BY 1
)
SELECT m.at AS time, (coalesce(r.alarms, 0) * 600 / m.width_s)::float8 AS rate
FROM moment m LEFT JOIN raised r USING (at)
ORDER BY 1"""  # noqa: S608 - built from constants of this room
