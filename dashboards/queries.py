"""The SQL of the wall, on the public `city.*` views only.

How these are written, because Grafana rewrites them first (`proof.py` does the same for the tests):

- A variable always stands as `${name:sqlstring}` inside `ARRAY[…]::text[]`: right quoting on every version, and an
  empty choice is an empty array instead of a syntax error.
- A macro's arguments end at the first closing parenthesis, so none has a parenthesis inside.
- A `time_series` query has a column named `time`, in ascending order.
- Exercises count nowhere; only the list of incidents shows them, marked.
- Age is measured by `city.now()`, for a city may live on a faster clock; no column is an `interval`.
- Every query without rows in the city still returns what its panel needs to say so.
"""

from __future__ import annotations

from city.levels import COLOURS
from city.quantity import DOMAINS

HERE = "ANY(ARRAY[${district:sqlstring}]::text[])"
TIMELINE_ROWS = 16
INCIDENT_ROWS = 50

# Alarms may stand in a district that has left the register: it stays selectable until they are gone.
DISTRICTS = """\
SELECT district AS __text, district AS __value FROM city.sites
UNION SELECT district, district FROM city.gateways
UNION SELECT district, district FROM city.alarms WHERE cleared_at IS NULL
UNION SELECT district, district FROM city.incidents WHERE closed_at IS NULL
ORDER BY 1"""


def _number(level: str) -> str:
    """A level's word as the number 0 to 4."""
    return f"array_position(ARRAY['none', 'blue', 'yellow', 'orange', 'red'], {level}) - 1"


def _name(table: str, language: str, column: str = "name") -> str:
    """A name or title in the reader's language; English when it has none."""
    return f"coalesce({table}.{column}_zh, {table}.{column})" if language == "zh" else f"{table}.{column}"


def standing() -> str:
    """Alarms standing per level, and silent sensors: one row, one column each."""
    levels = ",\n       ".join(
        f"count(*) FILTER (WHERE level = '{level.word}') AS {level.word}" for level in reversed(COLOURS)
    )
    return f"""\
SELECT {levels},
       (SELECT count(*) FROM city.latest l JOIN city.sensors s USING (sensor)
        WHERE l.stale AND s.district = {HERE}) AS stale
FROM city.alarms
WHERE cleared_at IS NULL AND drill = '' AND district = {HERE}"""  # noqa: S608 - built from constants of this file


def domains() -> str:
    """The worst standing level per domain, -1 when calm only because more than half of its sensors are silent."""
    columns = ",\n       ".join(f"max(state) FILTER (WHERE domain = '{d}') AS {d}" for d in DOMAINS)
    return f"""\
WITH silence AS (
    SELECT s.domain, CASE WHEN 2 * count(*) FILTER (WHERE l.stale) > count(*) THEN -1 ELSE 0 END AS state
    FROM city.latest l JOIN city.sensors s USING (sensor) WHERE s.district = {HERE} GROUP BY 1
), alarm AS (
    SELECT domain, max({_number("level")}) AS state
    FROM city.alarms WHERE cleared_at IS NULL AND drill = '' AND level <> 'none' AND district = {HERE} GROUP BY 1
), worst AS (
    SELECT domain, coalesce(a.state, s.state) AS state FROM silence s FULL JOIN alarm a USING (domain)
)
SELECT {columns}
FROM worst"""  # noqa: S608 - built from constants of this file


PLATFORM = """\
SELECT (SELECT count(*) FROM city.health WHERE state <> 'ok') AS faults,
       (SELECT count(*) FROM city.notices
        WHERE state = 'failed' AND created_at > city.now() - interval '1 day'
           OR state IN ('queued', 'sending') AND created_at < city.now() - interval '1 minute') AS undelivered"""


def places(language: str) -> str:
    """One row per site with its worst sensor, worst site last to be drawn on top; level -1 when all are silent."""
    return f"""\
WITH silence AS (
    SELECT s.site, bool_and(l.stale) AS silent, count(*) AS sensors, min(sensor) AS sensor
    FROM city.latest l JOIN city.sensors s USING (sensor) GROUP BY 1
), alarm AS (
    SELECT site, max({_number("level")}) AS level,
           (array_agg(sensor ORDER BY {_number("level")} DESC, sensor) FILTER (WHERE sensor IS NOT NULL))[1] AS sensor
    FROM city.alarms WHERE cleared_at IS NULL AND drill = '' AND level <> 'none' GROUP BY 1
)
SELECT t.lat AS latitude, t.lon AS longitude, {_name("t", language)} AS name, t.site, t.kind, t.district,
       coalesce(n.sensors, 0) AS sensors, coalesce(a.sensor, n.sensor, '') AS sensor,
       coalesce(a.level, CASE WHEN n.silent THEN -1 ELSE 0 END) AS level,
       CASE WHEN a.level IS NULL THEN 0 ELSE a.level END AS size
FROM city.sites t LEFT JOIN silence n USING (site) LEFT JOIN alarm a USING (site)
WHERE t.district = {HERE}
ORDER BY size, level, site"""  # noqa: S608 - built from constants of this file


def incidents(language: str, exercise: str) -> str:
    """Open incidents, worst first; `exercise` is the word put before the title of a drill."""
    return f"""\
SELECT {_number("i.level")} AS level,
       CASE WHEN i.drill THEN '{exercise} ' ELSE '' END || {_name("i", language, "title")} AS title,
       coalesce({_name("t", language)}, i.site) AS site, i.district, i.stage,
       CASE WHEN i.acknowledged THEN 1 ELSE 0 END AS acknowledged,
       greatest(0, extract(epoch FROM city.now() - i.opened_at))::float8 AS age, i.incident
FROM city.incidents i LEFT JOIN city.sites t USING (site)
WHERE i.closed_at IS NULL AND i.district = {HERE}
ORDER BY level DESC, acknowledged, i.opened_at DESC, i.incident
LIMIT {INCIDENT_ROWS}"""  # noqa: S608 - built from constants of this file


def timeline(language: str) -> str:
    """The level of each sensor that had an alarm in the range; half a level more when it stands but cannot be seen.

    Alarm events become stretches of one level; each of at most 300 steps of the range takes the worst stretch that
    touches it, so that the state from before the range is there, a short alarm is never lost, and a calm sensor says
    so. (Rows of changes alone are wrong here: other sensors' rows would cut the bars.)
    """
    return f"""\
WITH range AS (
    SELECT $__timeFrom()::timestamptz AS first, least($__timeTo()::timestamptz, city.now()) AS last
), step AS (
    SELECT greatest(interval '10 seconds', (last - first) / 300) AS width FROM range
), had AS (
    SELECT a.alarm, a.scope, a.site, {_number("a.peak_level")} AS peak, a.raised_at FROM city.alarms a, range
    WHERE a.raised_at <= range.last AND coalesce(a.cleared_at, 'infinity') >= range.first AND a.drill = ''
      AND a.district = {HERE}
), shown AS (
    SELECT scope, min(site) AS site FROM had
    GROUP BY scope ORDER BY max(peak) DESC, max(raised_at) DESC, scope LIMIT {TIMELINE_ROWS}
), stretch AS (
    SELECT h.scope, e.time AS begins,
           coalesce(lead(e.time) OVER following, 'infinity') AS ends,
           {_number("e.to_level")} + CASE WHEN e.to_condition = 'unknown' THEN 0.5 ELSE 0 END AS level,
           e.to_condition IN ('normal', 'retracted') OR e.kind = 'closed' AS over
    FROM had h JOIN shown USING (scope) JOIN city.alarm_events e USING (alarm)
    WINDOW following AS (PARTITION BY e.alarm ORDER BY e.time, e.recorded_at, e.event)
), moment AS (
    SELECT generate_series(first, last, width) AS at, width FROM range, step
)
SELECT m.at AS time, coalesce({_name("t", language)} || ' · ', '') || s.scope AS metric,
       coalesce(max(x.level) FILTER (WHERE NOT x.over), 0)::float8 AS value
FROM moment m CROSS JOIN shown s LEFT JOIN city.sites t USING (site)
LEFT JOIN stretch x ON x.scope = s.scope AND x.begins < m.at + m.width AND x.ends > m.at
GROUP BY 1, 2
ORDER BY 1, 2"""  # noqa: S608 - built from constants of this file


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
ORDER BY 1"""  # noqa: S608 - built from constants of this file

GATEWAYS = f"""\
SELECT count(*) FILTER (WHERE online IS FALSE OR last_seen IS NULL
           OR city.now() - last_seen > greatest(3 * interval_s, 300) * interval '1 second') AS silent,
       count(*) AS registered
FROM city.gateways WHERE district = {HERE}"""  # noqa: S608 - built from constants of this file

# No least() or greatest() around these: they would turn "nothing yet" into a comfortable 0.
INGEST = f"""\
SELECT extract(epoch FROM city.now() - max(last_seen))::float8 AS newest,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY skew_s) FILTER (WHERE online) AS transit
FROM city.gateways WHERE district = {HERE}"""  # noqa: S608 - built from constants of this file
