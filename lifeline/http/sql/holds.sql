-- name: held_alarms
-- Standing alarms nobody is told of, by what holds them.
SELECT a.alarm, a.rule, a.scope, a.sensor, a.site, a.hold, a.hold_reason, a.level, a.raised_at, a.incident, a.title,
       a.title_zh, s.name AS site_name, s.name_zh AS site_name_zh
FROM city.alarms a LEFT JOIN city.sites s USING (site) WHERE a.cleared_at IS NULL AND a.hold <> ''
ORDER BY array_position(ARRAY['red', 'orange', 'yellow', 'blue', 'none'], a.level), a.raised_at, a.alarm LIMIT %(limit)s

-- name: asked
-- Who asked to hold a red alarm lately and waits for a second person (what was decided since answers it).
SELECT e.time, e.key, e.kind, e.actor, e.note FROM city.hold_events e
WHERE e.kind LIKE 'asked\_%%' AND e.time > city.now() - interval '15 minutes'
  AND NOT EXISTS (SELECT FROM city.hold_events later
                  WHERE later.key = e.key AND later.time >= e.time AND later.kind = substr(e.kind, 7))
ORDER BY e.time DESC LIMIT 50

-- name: alarm_to_hold
-- One alarm as the shelf form shows it.
SELECT alarm, rule, scope, sensor, site, level, peak_level, title, title_zh, cleared_at, incident, hold FROM city.alarms
WHERE alarm = %(alarm)s

-- name: maintenance
-- Maintenance that runs or comes next.
SELECT * FROM city.maintenance ORDER BY running DESC, starts_at, "window" LIMIT %(limit)s
