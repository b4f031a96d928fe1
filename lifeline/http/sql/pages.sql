-- name: now
-- The city's time, and when the newest reading arrived.
SELECT city.now() AS now, (SELECT max(received_at) FROM lifeline.latest) AS newest,
       (SELECT count(*) FROM city.sensors) AS sensors, (SELECT count(*) FROM city.gateways) AS gateways

-- name: standing
-- Standing alarms and open incidents of each level; exercises apart.
SELECT w.level, w.rank,
       (SELECT count(*) FROM city.alarms a WHERE a.cleared_at IS NULL AND a.level = w.level AND a.drill = '') AS alarms,
       (SELECT count(*) FROM city.incidents i WHERE i.closed_at IS NULL AND i.level = w.level AND NOT i.drill) AS incidents,
       (SELECT count(*) FROM city.incidents i
        WHERE i.closed_at IS NULL AND i.level = w.level AND NOT i.drill AND NOT i.acknowledged) AS waiting
FROM (VALUES ('red', 4), ('orange', 3), ('yellow', 2), ('blue', 1), ('none', 0)) AS w (level, rank) ORDER BY w.rank DESC

-- name: incidents
-- Incidents, the most urgent first: highest level, not acknowledged, longest open.
SELECT i.*, s.name AS site_name, s.name_zh AS site_name_zh, s.lon, s.lat, s.kind AS site_kind,
       coalesce(d.name ->> 'en', i.district) AS district_name, d.name ->> 'zh' AS district_name_zh,
       (SELECT count(*) FROM city.alarms a WHERE a.incident = i.incident) AS alarms,
       (SELECT count(*) FROM city.alarms a WHERE a.incident = i.incident AND a.cleared_at IS NULL) AS standing,
       (SELECT bool_or(a.condition = 'unknown') FROM city.alarms a
        WHERE a.incident = i.incident AND a.cleared_at IS NULL) AS blind,
       (SELECT bool_or(a.late) FROM city.alarms a WHERE a.incident = i.incident) AS late
FROM city.incidents i LEFT JOIN city.sites s USING (site)
LEFT JOIN lifeline.districts d ON d.district = i.district
WHERE (%(open)s::boolean IS NULL OR (i.closed_at IS NULL) = %(open)s)
  AND (%(district)s::text IS NULL OR i.district = %(district)s)
  AND (%(level)s::text IS NULL OR i.level = %(level)s)
  AND (%(before)s::timestamptz IS NULL OR i.opened_at < %(before)s)
ORDER BY (i.closed_at IS NOT NULL), array_position(ARRAY['red', 'orange', 'yellow', 'blue', 'none'], i.level),
         i.acknowledged, CASE WHEN i.closed_at IS NULL THEN i.opened_at END, i.opened_at DESC, i.incident
LIMIT %(limit)s

-- name: incident
-- One incident and its place.
SELECT i.*, s.name AS site_name, s.name_zh AS site_name_zh, s.lon, s.lat, s.kind AS site_kind, s.owner,
       coalesce(d.name ->> 'en', i.district) AS district_name, d.name ->> 'zh' AS district_name_zh
FROM city.incidents i LEFT JOIN city.sites s USING (site) LEFT JOIN lifeline.districts d ON d.district = i.district
WHERE i.incident = %(incident)s

-- name: incident_events
-- What happened to an incident, newest first.
SELECT time, kind, actor, note, event FROM city.incident_events WHERE incident = %(incident)s
ORDER BY time DESC, split_part(event, '.', 1) DESC, event DESC LIMIT 300

-- name: command_outcome
-- What the engine made of the command in a journal row: its events carry the row's number, a drill's behind its name.
SELECT kind, actor, note FROM city.incident_events
WHERE incident = %(incident)s AND regexp_replace(event, '^D-[^.]*[.]', '') LIKE %(seq)s || '.%%' ORDER BY event LIMIT 1

-- name: is_closed
-- A row when an incident is closed.
SELECT incident FROM city.incidents WHERE incident = %(incident)s AND closed_at IS NOT NULL

-- name: alarm
-- One alarm.
SELECT alarm, rule, scope FROM city.alarms WHERE alarm = %(alarm)s

-- name: hold_outcome
-- What the engine made of the command in a journal row: its events carry the row's number.
SELECT kind, actor, note FROM city.hold_events WHERE event LIKE %(seq)s || '.%%' ORDER BY event LIMIT 1

-- name: shelves
-- What people hold now.
SELECT * FROM city.shelves ORDER BY until, key LIMIT %(limit)s

-- name: hold_events
-- Decisions about holds, newest first.
SELECT * FROM city.hold_events WHERE (%(key)s::text IS NULL OR key = %(key)s)
  AND (%(before)s::timestamptz IS NULL OR time < %(before)s)
ORDER BY time DESC, event DESC LIMIT %(limit)s

-- name: blind
-- Sensors behind silent gateways.
SELECT * FROM city.blind WHERE (%(gateway)s::text IS NULL OR gateway = %(gateway)s) ORDER BY gateway, sensor
LIMIT %(limit)s

-- name: alarms
-- Alarms, the highest standing ones first, then those that wait for a reset (both count as open).
SELECT a.*, l.value, l.time AS value_time, l.age_s, l.stale, s.unit, s.quantity, t.name AS site_name,
       t.name_zh AS site_name_zh
FROM city.alarms a LEFT JOIN city.latest l ON l.sensor = a.sensor AND a.drill = ''
LEFT JOIN city.sensors s ON s.sensor = a.sensor
LEFT JOIN city.sites t ON t.site = a.site
WHERE (%(open)s::boolean IS NULL OR (a.cleared_at IS NULL OR a.latched) = %(open)s)
  AND (%(incident)s::text IS NULL OR a.incident = %(incident)s)
  AND (%(sensor)s::text IS NULL OR a.sensor = %(sensor)s)
  AND (%(level)s::text IS NULL OR a.level = %(level)s)
  AND (%(before)s::timestamptz IS NULL OR a.raised_at < %(before)s)
ORDER BY (a.cleared_at IS NOT NULL), NOT a.latched,
         array_position(ARRAY['red', 'orange', 'yellow', 'blue', 'none'], a.level), a.raised_at DESC, a.alarm
LIMIT %(limit)s

-- name: alarm_events
-- What happened to the alarms of an incident, with the evidence, newest first.
SELECT e.* FROM city.alarm_events e JOIN city.alarms a USING (alarm) WHERE a.incident = %(incident)s
ORDER BY e.recorded_at DESC, e.time DESC, e.event DESC LIMIT 300

-- name: sensor_evidence
-- What a sensor's values were held against lately.
SELECT e.to_level, e.evidence FROM city.alarm_events e JOIN city.alarms a USING (alarm) WHERE a.sensor = %(sensor)s
ORDER BY e.recorded_at DESC LIMIT 50

-- name: notices
-- Notices, newest first.
SELECT n.*, coalesce(l.content -> 'to' ->> 'name', n.target) AS target_name
FROM city.notices n JOIN lifeline.notices l USING (notice)
WHERE (%(incident)s::text IS NULL OR n.incident = %(incident)s) AND (%(state)s::text IS NULL OR n.state = %(state)s)
  AND (%(before)s::timestamptz IS NULL OR n.created_at < %(before)s)
ORDER BY n.created_at DESC, n.notice LIMIT %(limit)s

-- name: notice
-- One notice with its content.
SELECT notice, incident, target, level, content, created_at, drill, late FROM lifeline.notices WHERE notice = %(notice)s

-- name: names
-- People's names, as the notices of an incident know them.
SELECT DISTINCT ON (target) target, coalesce(content -> 'to' ->> 'name', target) AS name FROM lifeline.notices
WHERE incident = %(incident)s ORDER BY target, created_at DESC

-- name: escalations
-- The steps of an incident's chain in their order.
SELECT round, step, repeat, due_at, state, reason FROM lifeline.escalations WHERE incident = %(incident)s
ORDER BY round DESC, due_at, step, repeat LIMIT 200

-- name: sensors
-- Sensors with their newest value.
SELECT s.*, l.time, l.value, l.flag, l.level, l.stale, l.age_s FROM city.sensors s JOIN city.latest l USING (sensor)
WHERE (%(site)s::text IS NULL OR s.site = %(site)s) AND (%(district)s::text IS NULL OR s.district = %(district)s)
  AND (%(quantity)s::text IS NULL OR s.quantity = %(quantity)s) AND (%(stale)s::boolean IS NULL OR l.stale = %(stale)s)
  AND (%(after)s::text IS NULL OR s.sensor > %(after)s)
ORDER BY s.sensor LIMIT %(limit)s

-- name: sensor
-- One sensor with its newest value and its place.
SELECT s.*, l.time, l.value, l.flag, l.level, l.stale, l.age_s, t.name AS site_name, t.name_zh AS site_name_zh
FROM city.sensors s JOIN city.latest l USING (sensor) LEFT JOIN city.sites t USING (site) WHERE s.sensor = %(sensor)s

-- name: stale
-- Sensors nothing fresh is known of, those with a standing alarm first; and how many there are in all.
SELECT s.sensor, s.site, s.quantity, s.unit, s.gateway, l.time, l.value, l.age_s, l.level, count(*) OVER () AS total
FROM city.latest l JOIN city.sensors s USING (sensor) WHERE l.stale
ORDER BY array_position(ARRAY['red', 'orange', 'yellow', 'blue', 'none'], l.level), l.age_s DESC NULLS FIRST, s.sensor
LIMIT 20

-- name: readings
-- Readings of a sensor, newest first.
SELECT time, value, flag, received_at, late FROM city.readings
WHERE sensor = %(sensor)s AND time >= %(since)s AND time < %(until)s ORDER BY time DESC LIMIT %(limit)s

-- name: findings
-- Detectors' verdicts, newest first.
SELECT * FROM city.findings WHERE (%(sensor)s::text IS NULL OR sensor = %(sensor)s)
  AND (%(before)s::timestamptz IS NULL OR time < %(before)s) ORDER BY time DESC, sensor LIMIT %(limit)s

-- name: gateways
-- Gateways; silent: nothing for three of its intervals (at least five minutes), or said to be offline.
SELECT g.*, extract(epoch FROM city.now() - g.last_seen)::float8 AS age_s,
       coalesce(NOT g.online, false) OR g.last_seen IS NULL
           OR city.now() - g.last_seen > greatest(3 * g.interval_s, 300) * interval '1 second' AS silent,
       (SELECT count(*) FROM city.sensors s WHERE s.gateway = g.gateway) AS sensors
FROM city.gateways g ORDER BY silent DESC, g.gateway

-- name: roles
-- The processes, and how long ago each gave a sign of life (real seconds).
SELECT role, pid, started_at, beat_at, heard_until, detail, extract(epoch FROM now() - beat_at)::float8 AS age_s,
       extract(epoch FROM city.now() - heard_until)::float8 AS heard_age_s
FROM lifeline.roles ORDER BY role

-- name: health
-- What is not as it should be first.
SELECT * FROM city.health ORDER BY array_position(ARRAY['fault', 'warning', 'ok'], state), name

-- name: rejections
-- What was refused, newest first.
SELECT rejection, received_at, gateway, topic, sensor, time, reason, detail, substring(payload FROM 1 FOR 400) AS payload
FROM city.rejections WHERE (%(reason)s::text IS NULL OR reason = %(reason)s) ORDER BY rejection DESC LIMIT %(limit)s

-- name: rejection_reasons
-- How often each reason occurred among the newest ten thousand.
SELECT reason, count(*) AS n, max(received_at) AS last
FROM (SELECT reason, received_at FROM city.rejections ORDER BY rejection DESC LIMIT 10000) AS newest
GROUP BY reason ORDER BY n DESC, reason

-- name: notice_states
-- Notices by state.
SELECT state, count(*) AS n FROM lifeline.notices GROUP BY state ORDER BY state

-- name: ledger
-- Totals over all gateways.
SELECT sum(published)::bigint AS published, sum(received)::bigint AS received, sum(stored)::bigint AS stored,
       sum(repeated)::bigint AS repeated, sum(rejected)::bigint AS rejected, sum(missing)::bigint AS missing
FROM city.gateways

-- name: ping
-- Whether the database answers and has been migrated.
SELECT count(*) FROM lifeline.current_bundle
