"""The SQL of one incident's page; which one stands in the variable `incident`."""

from __future__ import annotations

from dashboards.queries.common import EXERCISE, age, district, name, number, standing, unit
from dashboards.queries.trend import chosen

THIS = chosen("incident")
MEMBERS, EVENTS, LISTED = 8, 300, 50


def _level(table: str, column: str, drill: str) -> str:
    return f"({number(f'{table}.{column}')} + CASE WHEN {drill} THEN {EXERCISE} ELSE 0 END)::float8"


def header(language: str) -> str:
    """The incident as it stands."""
    return f"""\
SELECT {_level("i", "level", "i.drill")} AS level, {_level("i", "peak_level", "i.drill")} AS peak,
       {name("i", language, "title")} AS title, i.stage, CASE WHEN i.acknowledged THEN 1 ELSE 0 END AS acknowledged,
       coalesce({name("t", language)}, i.site) AS site,
       {district("i", language)} AS district, i.opened_at, i.closed_at,
       greatest(0, extract(epoch FROM coalesce(i.closed_at, city.now()) - i.opened_at))::float8 AS age,
       f.scope AS first_out, i.incident
FROM city.incidents i LEFT JOIN city.sites t USING (site) LEFT JOIN city.alarms f ON f.alarm = i.first_alarm
WHERE i.incident = {THIS}
ORDER BY i.incident"""  # noqa: S608 - built from constants of this room


# Those of the newest beginning: what is due next first. `left` is below 0 once the time is over.
CLOCKS = f"""\
SELECT clock, state, CASE WHEN state = 'running' THEN extract(epoch FROM due_at - city.now())::float8 END AS "left",
       due_at, settled_at, incident
FROM city.incident_clocks c
WHERE incident = {THIS} AND number = (SELECT max(number) FROM city.incident_clocks n WHERE n.incident = c.incident)
ORDER BY due_at, clock"""  # noqa: S608 - built from constants of this room


def _members() -> str:
    """Each sensor with an alarm of the incident: since when, and whether it was the first."""
    return f"""\
WITH member AS (
    SELECT a.sensor, min(a.raised_at) AS since, bool_or(a.alarm = i.first_alarm) AS first_out,
           max(CASE WHEN a.cleared_at IS NULL THEN {standing("a")} ELSE 0 END)::float8 AS level,
           max({number("a.peak_level")})::float8 AS peak
    FROM city.incidents i JOIN city.alarms a USING (incident)
    WHERE i.incident = {THIS} AND a.sensor IS NOT NULL GROUP BY 1
)"""  # noqa: S608 - built from constants of this room


def members(language: str, first_out: str) -> str:
    """The sensors whose trends are shown, the first-out first; `first_out` is the word put before it."""
    return f"""\
{_members()}
SELECT CASE WHEN m.first_out THEN '{first_out} · ' ELSE '' END || m.sensor
       || coalesce(' · ' || coalesce({name("t", language)}, s.site), '')
       || coalesce(' · ' || {unit("s", language)}, '') AS __text,
       m.sensor AS __value
FROM member m LEFT JOIN city.sensors s USING (sensor) LEFT JOIN city.sites t USING (site)
ORDER BY NOT m.first_out, m.since, m.sensor
LIMIT {MEMBERS}"""  # noqa: S608 - built from constants of this room


def places(language: str) -> str:
    """The member sensors on the map; the first-out is written on its marker."""
    return f"""\
{_members()}
SELECT s.lat AS latitude, s.lon AS longitude, m.sensor, coalesce({name("t", language)}, s.site) AS name,
       CASE WHEN m.first_out THEN '1' ELSE '' END AS mark, m.level, m.since, m.peak AS size
FROM member m JOIN city.sensors s USING (sensor) LEFT JOIN city.sites t USING (site)
ORDER BY m.level, m.sensor"""  # noqa: S608 - built from constants of this room


def alarms(language: str) -> str:
    """The incident's alarms in the order in which they were raised, the first-out marked."""
    return f"""\
SELECT CASE WHEN a.alarm = i.first_alarm THEN 1 ELSE 0 END AS first_out,
       {_level("a", "level", "i.drill")} AS level, {_level("a", "peak_level", "i.drill")} AS peak,
       {name("a", language, "title")} AS title, a.scope, a.state, a.raised_at, a.cleared_at,
       CASE WHEN a.late THEN 1 ELSE 0 END AS late, coalesce(a.sensor, '') AS sensor, i.incident
FROM city.incidents i JOIN city.alarms a USING (incident)
WHERE i.incident = {THIS}
ORDER BY first_out DESC, a.raised_at, a.alarm
LIMIT 100"""  # noqa: S608 - built from constants of this room


# What happened, newest first: alarms, people and the engine, notices, steps of the chain, clocks.
EVENTS_SQL = f"""\
SELECT time, what, who, note, incident FROM (
    SELECT e.time, 'move_' || e.kind AS what, a.scope AS who, e.reason AS note, a.incident
    FROM city.alarms a JOIN city.alarm_events e USING (alarm) WHERE a.incident = {THIS}
    UNION ALL
    SELECT time, 'event_' || kind, coalesce(nullif(person, ''), actor), note, incident
    FROM city.incident_events WHERE incident = {THIS}
    UNION ALL
    SELECT coalesce(delivered_at, sent_at, created_at), 'notice_kind_' || kind, target, channel || ': ' || state,
           incident
    FROM city.notices WHERE incident = {THIS}
    UNION ALL
    SELECT coalesce(settled_at, due_at), 'step_' || state, notify, reason, incident
    FROM city.escalations WHERE incident = {THIS} AND state <> 'due'
    UNION ALL
    SELECT coalesce(settled_at, due_at), 'clock_' || state, clock, reason, incident
    FROM city.incident_clocks WHERE incident = {THIS} AND state IN ('met', 'missed')
) e
ORDER BY time DESC, what, who
LIMIT {EVENTS}"""  # noqa: S608 - built from constants of this room

NOTICES = f"""\
SELECT created_at, kind, target, channel, state, attempts, sent_at, delivered_at, answer, incident
FROM city.notices WHERE incident = {THIS}
ORDER BY created_at DESC, notice
LIMIT 100"""  # noqa: S608 - built from constants of this room


def listed(language: str) -> str:
    """The incidents to choose from: open ones first, then the newest."""
    return f"""\
SELECT {_level("i", "level", "i.drill")} AS level, {name("i", language, "title")} AS title,
       coalesce({name("t", language)}, i.site) AS site,
       {district("i", language)} AS district, i.stage, i.opened_at, {age("i.opened_at")} AS age,
       i.incident
FROM city.incidents i LEFT JOIN city.sites t USING (site)
ORDER BY i.closed_at IS NOT NULL, i.opened_at DESC, i.incident
LIMIT {LISTED}"""  # noqa: S608 - built from constants of this room


# The one to look at first, for who shows the page and has chosen none.
FIRST_LISTED = """\
SELECT i.incident
FROM city.incidents i JOIN city.alarms a USING (incident) WHERE a.sensor IS NOT NULL
GROUP BY i.incident, i.closed_at, i.level, i.opened_at
ORDER BY i.closed_at IS NOT NULL, array_position(ARRAY['red', 'orange', 'yellow', 'blue', 'none'], i.level),
         count(*) DESC, i.opened_at DESC, i.incident
LIMIT 1"""

# The moments at which alarms of it were raised, for marks over the trends.
RAISED = f"""\
SELECT a.raised_at AS time, a.scope || ' · ' || a.title AS text,
       CASE WHEN a.alarm = i.first_alarm THEN 'first out,' ELSE '' END || a.peak_level AS tags
FROM city.incidents i JOIN city.alarms a USING (incident)
WHERE i.incident = {THIS} AND $__timeFilter(a.raised_at)
ORDER BY 1
LIMIT 200"""  # noqa: S608 - built from constants of this room
