-- name: notice
-- The notice behind a link.
SELECT notice, incident, kind, target, level, content, created_at, drill, late FROM lifeline.notices WHERE notice = %(notice)s

-- name: incident
-- One incident and its place.
SELECT i.*, s.name AS site_name, s.name_zh AS site_name_zh, s.lon, s.lat,
       coalesce(d.name ->> 'en', i.district) AS district_name, d.name ->> 'zh' AS district_name_zh
FROM city.incidents i LEFT JOIN city.sites s USING (site) LEFT JOIN lifeline.districts d ON d.district = i.district
WHERE i.incident = %(incident)s

-- name: some_incidents
-- Several incidents: what waits first, the highest level, the longest open.
SELECT i.*, s.name AS site_name, s.name_zh AS site_name_zh,
       EXISTS (SELECT FROM city.incident_events e
               WHERE e.incident = i.incident AND e.kind = 'acknowledge'
                     AND %(person)s IN (e.actor, e.person)) AS mine
FROM city.incidents i LEFT JOIN city.sites s USING (site) WHERE i.incident = ANY (%(incidents)s)
ORDER BY (i.closed_at IS NOT NULL), i.acknowledged,
         array_position(ARRAY['red', 'orange', 'yellow', 'blue', 'none'], i.level), i.opened_at, i.incident

-- name: events
-- What happened to an incident, newest first, and what its notices call who did it.
-- Who spoke by an account of the console is the same person, where that is known.
SELECT e.time, e.kind, p.person AS actor, e.note, e.event, coalesce(
    (SELECT n.content -> 'to' ->> 'name' FROM lifeline.notices n
     WHERE n.incident = e.incident AND n.target = p.person ORDER BY n.created_at DESC LIMIT 1), e.actor) AS name
FROM city.incident_events e, LATERAL (SELECT coalesce(nullif(e.person, ''), e.actor)) AS p (person)
WHERE e.incident = %(incident)s
ORDER BY time DESC, split_part(event, '.', 1) DESC, event DESC LIMIT 200

-- name: alarms
-- Its alarms with the newest value of each, what stands highest first.
SELECT a.alarm, a.level, a.peak_level, a.cleared_at, a.sensor, a.scope, a.title, a.title_zh, a.late, l.value, l.age_s,
       l.stale, s.unit
FROM city.alarms a LEFT JOIN city.latest l ON l.sensor = a.sensor AND a.drill = ''
LEFT JOIN city.sensors s ON s.sensor = a.sensor
WHERE a.incident = %(incident)s
ORDER BY (a.cleared_at IS NOT NULL), array_position(ARRAY['red', 'orange', 'yellow', 'blue', 'none'], a.level),
         a.raised_at, a.alarm LIMIT 21

-- name: trend
-- How fast a sensor's value moves, in its unit per 10 minutes, over the half hour before its newest reading.
SELECT regr_slope(r.value, extract(epoch FROM r.time)::float8) * 600 AS per_10_min, count(*) AS n
FROM lifeline.measured r JOIN lifeline.sensors s USING (sensor_id) JOIN lifeline.latest l USING (sensor_id)
WHERE s.sensor = %(sensor)s AND r.time > l.time - interval '30 minutes' AND r.time <= l.time AND r.flag IN (1, 2, 3)

-- name: told
-- Who was told of an incident, whether any message came through, and what each is called.
SELECT target, (array_agg(coalesce(content -> 'to' ->> 'name', target) ORDER BY created_at DESC))[1] AS name,
       bool_or(state IN ('sent', 'delivered')) AS reached, bool_and(state = 'failed') AS failed
FROM lifeline.notices WHERE incident = %(incident)s GROUP BY target ORDER BY min(created_at), target LIMIT 30

-- name: photos
-- The photos of an incident, oldest first.
SELECT attachment, person, at, width, height FROM city.attachments WHERE incident = %(incident)s ORDER BY at, attachment

-- name: guidance
-- What to do, as the newest notice of an incident in a language has it.
SELECT content -> 'facts' ->> 'guidance' AS guidance FROM lifeline.notices
WHERE incident = %(incident)s AND content ->> 'language' = %(language)s AND content -> 'facts' ->> 'guidance' <> ''
ORDER BY created_at DESC LIMIT 1
