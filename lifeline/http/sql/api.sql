-- name: scope_seen
-- Whether a rule's scope is something that who asks may see.
SELECT 1 FROM city.sensors WHERE sensor = %(scope)s UNION ALL SELECT 1 FROM city.gateways WHERE gateway = %(scope)s
UNION ALL SELECT 1 FROM city.sites WHERE site = %(scope)s LIMIT 1

-- name: api_incidents
-- Incidents, the most urgent first: open ones by level, then those nobody has acknowledged, then the longest open.
SELECT i.*, s.name AS site_name, s.name_zh AS site_name_zh, s.lon, s.lat,
       jsonb_build_array((i.closed_at IS NOT NULL)::integer,
           CASE WHEN i.closed_at IS NULL
                THEN array_position(ARRAY['red', 'orange', 'yellow', 'blue', 'none'], i.level) ELSE 0 END,
           CASE WHEN i.closed_at IS NULL THEN i.acknowledged::integer ELSE 0 END,
           (extract(epoch FROM i.opened_at) * CASE WHEN i.closed_at IS NULL THEN 1000000 ELSE -1000000 END)::bigint,
           i.incident) AS page_key
FROM city.incidents i LEFT JOIN city.sites s USING (site)
WHERE (%(open)s::boolean IS NULL OR (i.closed_at IS NULL) = %(open)s)
  AND (%(district)s::text IS NULL OR i.district = %(district)s)
  AND (%(level)s::text IS NULL OR i.level = %(level)s)
  AND (%(stage)s::text IS NULL OR i.stage = %(stage)s)
  AND (%(drill)s::boolean IS NULL OR i.drill = %(drill)s)
  AND (%(since)s::timestamptz IS NULL OR i.opened_at >= %(since)s)
  AND (%(before)s::timestamptz IS NULL OR i.opened_at < %(before)s)

-- name: api_incident
-- One incident with its place.
SELECT i.*, s.name AS site_name, s.name_zh AS site_name_zh, s.lon, s.lat
FROM city.incidents i LEFT JOIN city.sites s USING (site) WHERE i.incident = %(incident)s

-- name: api_alarms
-- Alarms, the highest standing ones first, then those that wait for a reset (both count as open), then the newest.
SELECT a.*, l.value, l.time AS value_time, l.age_s, l.stale, s.unit, s.quantity,
       jsonb_build_array((a.cleared_at IS NOT NULL)::integer, (NOT a.latched)::integer,
           array_position(ARRAY['red', 'orange', 'yellow', 'blue', 'none'], a.level),
           (extract(epoch FROM a.raised_at) * -1000000)::bigint, a.alarm) AS page_key
FROM city.alarms a LEFT JOIN city.latest l ON l.sensor = a.sensor AND a.drill = ''
LEFT JOIN city.sensors s ON s.sensor = a.sensor
WHERE (%(open)s::boolean IS NULL OR (a.cleared_at IS NULL OR a.latched) = %(open)s)
  AND (%(incident)s::text IS NULL OR a.incident = %(incident)s)
  AND (%(sensor)s::text IS NULL OR a.sensor = %(sensor)s)
  AND (%(level)s::text IS NULL OR a.level = %(level)s)
  AND (%(district)s::text IS NULL OR a.district = %(district)s)
  AND (%(before)s::timestamptz IS NULL OR a.raised_at < %(before)s)

-- name: api_alarm
-- One alarm.
SELECT a.*, l.value, l.time AS value_time, l.age_s, l.stale, s.unit, s.quantity
FROM city.alarms a LEFT JOIN city.latest l ON l.sensor = a.sensor AND a.drill = ''
LEFT JOIN city.sensors s ON s.sensor = a.sensor
WHERE a.alarm = %(alarm)s

-- name: api_alarm_events
-- What happened to an alarm, or to the alarms of an incident, newest first.
SELECT e.*, jsonb_build_array((extract(epoch FROM e.recorded_at) * -1000000)::bigint, e.event) AS page_key
FROM city.alarm_events e JOIN city.alarms a USING (alarm)
WHERE (%(alarm)s::text IS NULL OR e.alarm = %(alarm)s) AND (%(incident)s::text IS NULL OR a.incident = %(incident)s)

-- name: api_incident_events
-- What happened to an incident, newest first.
SELECT *, jsonb_build_array((extract(epoch FROM time) * -1000000)::bigint, event) AS page_key
FROM city.incident_events WHERE incident = %(incident)s

-- name: api_notices
-- Notices, newest first.
SELECT n.*, jsonb_build_array((extract(epoch FROM n.created_at) * -1000000)::bigint, n.notice) AS page_key
FROM city.notices n
WHERE (%(incident)s::text IS NULL OR n.incident = %(incident)s) AND (%(state)s::text IS NULL OR n.state = %(state)s)
  AND (%(target)s::text IS NULL OR n.target = %(target)s)
  AND (%(before)s::timestamptz IS NULL OR n.created_at < %(before)s)

-- name: api_notice
-- One notice.
SELECT * FROM city.notices WHERE notice = %(notice)s

-- name: api_escalation
-- The steps of an incident's chain.
SELECT *, jsonb_build_array(-round, (extract(epoch FROM due_at) * 1000000)::bigint, step, repeat) AS page_key
FROM city.escalations WHERE incident = %(incident)s

-- name: api_clocks
-- Clocks of incidents, what is due first at the top.
SELECT c.*, jsonb_build_array((extract(epoch FROM c.due_at) * 1000000)::bigint, c.incident, c.number, c.clock) AS page_key
FROM city.incident_clocks c
WHERE (%(incident)s::text IS NULL OR c.incident = %(incident)s) AND (%(state)s::text IS NULL OR c.state = %(state)s)

-- name: api_sensors
-- Sensors with their newest value.
SELECT s.*, l.time, l.value, l.flag, l.level, l.stale, l.age_s, jsonb_build_array(s.sensor) AS page_key
FROM city.sensors s JOIN city.latest l USING (sensor)
WHERE (%(site)s::text IS NULL OR s.site = %(site)s) AND (%(district)s::text IS NULL OR s.district = %(district)s)
  AND (%(quantity)s::text IS NULL OR s.quantity = %(quantity)s) AND (%(stale)s::boolean IS NULL OR l.stale = %(stale)s)
  AND (%(gateway)s::text IS NULL OR s.gateway = %(gateway)s)

-- name: api_sensor
-- One sensor with its newest value.
SELECT s.*, l.time, l.value, l.flag, l.level, l.stale, l.age_s
FROM city.sensors s JOIN city.latest l USING (sensor) WHERE s.sensor = %(sensor)s

-- name: api_readings
-- Readings of a sensor, newest first.
SELECT time, value, flag, received_at, late FROM city.readings
WHERE sensor = %(sensor)s AND time >= %(since)s AND time < %(until)s ORDER BY time DESC LIMIT %(limit)s

-- name: api_findings
-- Detectors' verdicts, newest first.
SELECT *, jsonb_build_array((extract(epoch FROM time) * -1000000)::bigint, sensor, detector, channel) AS page_key
FROM city.findings
WHERE (%(sensor)s::text IS NULL OR sensor = %(sensor)s) AND time >= %(since)s AND time < %(until)s

-- name: api_sites
-- Places.
SELECT *, jsonb_build_array(site) AS page_key FROM city.sites
WHERE (%(district)s::text IS NULL OR district = %(district)s) AND (%(kind)s::text IS NULL OR kind = %(kind)s)

-- name: api_gateways
-- Gateways and what they sent.
SELECT *, jsonb_build_array(gateway) AS page_key FROM city.gateways
WHERE (%(district)s::text IS NULL OR district = %(district)s)

-- name: api_rejections
-- What was refused, newest first; of the payload the beginning, as far as it is text.
SELECT rejection, received_at, gateway, topic, sensor, time, reason, detail,
       encode(substring(payload FROM 1 FOR 200), 'escape') AS payload, jsonb_build_array(-rejection) AS page_key
FROM city.rejections
WHERE (%(reason)s::text IS NULL OR reason = %(reason)s) AND (%(gateway)s::text IS NULL OR gateway = %(gateway)s)

-- name: api_shelves
-- What people hold now, what ends first at the top.
SELECT *, jsonb_build_array((extract(epoch FROM until) * 1000000)::bigint, shelf) AS page_key FROM city.shelves

-- name: api_hold_events
-- Decisions about holds, newest first.
SELECT *, jsonb_build_array((extract(epoch FROM time) * -1000000)::bigint, event) AS page_key FROM city.hold_events
WHERE (%(key)s::text IS NULL OR key = %(key)s) AND (%(before)s::timestamptz IS NULL OR time < %(before)s)

-- name: api_blind
-- Sensors behind silent gateways.
SELECT *, jsonb_build_array(gateway, sensor) AS page_key FROM city.blind
WHERE (%(gateway)s::text IS NULL OR gateway = %(gateway)s)

-- name: api_maintenance
-- Windows that run or come, the earliest first.
SELECT *, jsonb_build_array((extract(epoch FROM starts_at) * 1000000)::bigint, kind, "window") AS page_key
FROM city.maintenance WHERE (%(running)s::boolean IS NULL OR running = %(running)s)

-- name: api_floods
-- Floods of desks, newest first.
SELECT *, jsonb_build_array((extract(epoch FROM started_at) * -1000000)::bigint, flood) AS page_key FROM city.floods
WHERE (%(desk)s::text IS NULL OR desk = %(desk)s) AND (%(running)s::boolean IS NULL OR (ended_at IS NULL) = %(running)s)

-- name: api_flood_alarms
-- What came in a flood, in the order in which it was told.
SELECT *, jsonb_build_array((extract(epoch FROM told_at) * 1000000)::bigint, alarm) AS page_key FROM city.flood_alarms
WHERE flood = %(flood)s

-- name: api_flood
-- Whether there is such a flood.
SELECT flood FROM city.floods WHERE flood = %(flood)s

-- name: api_health
-- How Lifeline itself is, faults first.
SELECT *, jsonb_build_array(array_position(ARRAY['fault', 'warning', 'ok'], state), name) AS page_key FROM city.health
