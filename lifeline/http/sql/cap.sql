-- name: only_one
-- Let one process at a time draft; another one goes on with its work.
SELECT pg_try_advisory_xact_lock(7234017283807667212)

-- name: changes
-- Changes of incidents that nobody has looked at yet, oldest first, with the incident as it is now.
SELECT e.event, e.time, e.kind, e.note, e.incident, i.level, i.peak_level
FROM lifeline.incident_events e JOIN lifeline.incidents i USING (incident)
WHERE e.kind IN ('level', 'close', 'false_alarm', 'reopened') AND e.time > %(since)s
  AND NOT EXISTS (SELECT FROM lifeline.cap_changes c WHERE c.change = e.event)
ORDER BY e.time, e.event LIMIT %(limit)s

-- name: looked_at
-- A change was looked at.
INSERT INTO lifeline.cap_changes (change, at) VALUES (%(change)s, %(at)s) ON CONFLICT DO NOTHING

-- name: lock_incident
-- Draft and release one after the other.
SELECT pg_advisory_xact_lock(hashtextextended(%(incident)s, 45))

-- name: standing
-- The released messages that no released Cancel took back, oldest first.
SELECT identifier, xml FROM lifeline.cap_messages m
WHERE incident = %(incident)s AND state = 'released' AND msg_type <> 'Cancel'
  AND NOT EXISTS (SELECT FROM lifeline.cap_messages c WHERE c.incident = m.incident AND c.state = 'released'
                  AND c.msg_type = 'Cancel' AND (c.released_at, c.changed_at) > (m.released_at, m.changed_at))
ORDER BY released_at, changed_at

-- name: facts
-- What is known of an incident and of its gravest alarm, with the newest evidence.
SELECT i.incident, i.district, i.title, i.drill, i.opened_at, coalesce(s.name, '{}') AS site_name, i.site,
       coalesce(d.name, '{}') AS district_name, coalesce(s.lon, g.lon) AS lon, coalesce(s.lat, g.lat) AS lat,
       a.alarm, a.rule, a.scope, a.domain, a.raised_at, a.late, a.condition, a.title AS alarm_title, e.evidence,
       (SELECT jsonb_object_agg(said.language, said.guidance) FROM (
            SELECT DISTINCT ON (n.content ->> 'language') n.content ->> 'language' AS language,
                   n.content -> 'facts' ->> 'guidance' AS guidance
            FROM lifeline.notices n
            WHERE n.incident = i.incident AND n.content -> 'facts' ->> 'guidance' <> ''
                  AND n.content ->> 'language' IS NOT NULL
            ORDER BY n.content ->> 'language', n.created_at DESC) AS said) AS guidance
FROM lifeline.incidents i
LEFT JOIN lifeline.sites s ON s.site = i.site
LEFT JOIN lifeline.gateways g ON g.gateway = i.site
LEFT JOIN lifeline.districts d ON d.district = i.district
LEFT JOIN LATERAL (
    SELECT * FROM lifeline.alarms a WHERE a.incident = i.incident
    ORDER BY (a.cleared_at IS NULL) DESC, a.level DESC, a.peak_level DESC, a.raised_at, a.alarm LIMIT 1) a ON true
LEFT JOIN LATERAL (
    SELECT e.evidence FROM lifeline.alarm_events e WHERE e.alarm = a.alarm AND e.evidence <> '[]'
    ORDER BY e.recorded_at DESC, e.event DESC LIMIT 1) e ON true
WHERE i.incident = %(incident)s

-- name: overtake
-- A later change makes the draft before it useless.
UPDATE lifeline.cap_messages SET state = %(state)s, note = %(note)s
WHERE incident = %(incident)s AND state = 'draft' RETURNING identifier

-- name: draft
-- A message waits for a person.
INSERT INTO lifeline.cap_messages
    (identifier, incident, change, msg_type, status, state, level, made_at, refers_to, facts, xml, changed_at)
VALUES (%(identifier)s, %(incident)s, %(change)s, %(msg_type)s, %(status)s, 'draft', %(level)s, %(made_at)s,
        %(refers_to)s, %(facts)s, %(xml)s, %(changed_at)s)
ON CONFLICT DO NOTHING

-- name: to_release
-- A message as it stands, for whoever releases it.
SELECT m.identifier, m.incident, m.msg_type, m.state, m.facts, m.level, m.made_at, i.district
FROM lifeline.cap_messages m JOIN lifeline.incidents i USING (incident) WHERE m.identifier = %(identifier)s

-- name: release
-- A person lets it go out.
UPDATE lifeline.cap_messages SET state = 'released', released_at = %(at)s, released_by = %(by)s, note = %(note)s,
       refers_to = %(refers_to)s, xml = %(xml)s
WHERE identifier = %(identifier)s AND state = 'draft' RETURNING identifier

-- name: visible
-- One message, if who asks may see it.
SELECT * FROM city.cap WHERE identifier = %(identifier)s

-- name: of_incident
-- The messages of an incident, newest first.
SELECT * FROM city.cap WHERE incident = %(incident)s
ORDER BY changed_at DESC, change DESC LIMIT 100

-- name: feed
-- Released messages, newest first.
SELECT identifier, incident, msg_type, status, level, released_at, released_by, note, refers_to, xml FROM city.cap
WHERE state = 'released' ORDER BY released_at DESC, changed_at DESC, identifier LIMIT %(limit)s

-- name: drafts
-- What waits for a person, the gravest first.
SELECT c.identifier, c.incident, c.msg_type, c.status, c.state, c.level, c.made_at, i.title, i.title_zh
FROM city.cap c JOIN city.incidents i USING (incident) WHERE c.state = 'draft'
ORDER BY array_position(ARRAY['red', 'orange', 'yellow', 'blue', 'none'], c.level), c.made_at, c.identifier LIMIT 200

-- name: reminders
-- Incidents that are over while a released message still stands.
SELECT DISTINCT i.incident, i.title, i.title_zh, i.level, i.closed_at FROM city.cap c JOIN city.incidents i USING (incident)
WHERE c.state = 'released' AND c.msg_type <> 'Cancel' AND (i.closed_at IS NOT NULL OR i.stage = 'false_alarm')
  AND NOT EXISTS (SELECT FROM city.cap x WHERE x.incident = c.incident AND x.state = 'released'
                  AND x.msg_type = 'Cancel' AND (x.released_at, x.changed_at) > (c.released_at, c.changed_at))
ORDER BY i.closed_at, i.incident LIMIT 200

-- name: incident
-- One incident, if who asks may see it.
SELECT incident, district, level, stage, title, title_zh, closed_at, drill FROM city.incidents WHERE incident = %(incident)s
