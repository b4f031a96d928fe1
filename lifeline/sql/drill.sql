-- name: incidents
-- What a drill opened, in order.
SELECT incident, title, title_zh, site, district, level, peak_level, stage, opened_at, closed_at
FROM city.incidents WHERE drill_id = %s ORDER BY opened_at, incident

-- name: alarms
-- What it raised, with the time at which each level was reached.
SELECT a.alarm, a.rule || '/' || a.scope AS key, a.peak_level AS level, a.incident, a.raised_at, e.level AS reached,
       min(e.recorded_at) AS at
FROM city.alarms a
JOIN (SELECT alarm, to_level AS level, recorded_at FROM city.alarm_events
      WHERE kind IN ('raised', 'rose', 'lost_after') AND to_level <> from_level) e USING (alarm)
WHERE a.drill = %s
GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY at, key

-- name: events
-- What happened to its incidents, in order.
SELECT e.time, e.incident, e.kind, e.actor, e.person, e.note, e.event FROM city.incident_events e
JOIN city.incidents i USING (incident) WHERE i.drill_id = %s ORDER BY e.time, length(e.event), e.event

-- name: notices
-- Whom it told, in order.
SELECT n.notice, n.incident, n.kind, n.level, n.target, n.channel, n.via, n.state, n.created_at, n.sent_at,
       n.delivered_at, n.answer
FROM city.notices n JOIN city.incidents i USING (incident) WHERE i.drill_id = %s ORDER BY n.created_at, n.target

-- name: clocks
-- The clocks of its incidents.
SELECT c.incident, c.clock, c.level, c.due_at, c.state, c.settled_at FROM city.incident_clocks c
JOIN city.incidents i USING (incident) WHERE i.drill_id = %s ORDER BY c.due_at, c.clock

-- name: unsettled
-- How many of its notices are still on their way.
SELECT count(*) FROM city.notices n JOIN city.incidents i USING (incident)
WHERE i.drill_id = %s AND n.state IN ('queued', 'sending')
