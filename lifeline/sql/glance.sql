-- name: districts
-- One line per district: sensors, stale ones, standing alarms by level, gateways online.
SELECT d.district, d.name, s.sensors, s.stale, a.red, a.orange, a.yellow, a.blue, g.online, g.gateways
FROM lifeline.districts d
CROSS JOIN LATERAL (
    SELECT count(*) AS sensors, count(*) FILTER (WHERE l.stale) AS stale
    FROM city.sensors s JOIN city.latest l USING (sensor) WHERE s.district = d.district) s
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE level = 'red') AS red, count(*) FILTER (WHERE level = 'orange') AS orange,
           count(*) FILTER (WHERE level = 'yellow') AS yellow, count(*) FILTER (WHERE level = 'blue') AS blue
    FROM city.alarms a WHERE a.district = d.district AND a.cleared_at IS NULL AND a.drill = '') a
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE online) AS online, count(*) AS gateways
    FROM city.gateways g WHERE g.district = d.district) g
WHERE s.sensors > 0
ORDER BY d.district

-- name: incidents
-- Open incidents, worst and newest first; exercises say so.
SELECT i.incident, i.level, CASE WHEN i.drill THEN 'EXERCISE ' ELSE '' END || i.title AS title,
       CASE WHEN i.drill THEN '演习 ' ELSE '' END || i.title_zh AS title_zh, i.opened_at, i.stage, i.acknowledged
FROM city.incidents i
WHERE i.closed_at IS NULL
ORDER BY array_position(ARRAY['red', 'orange', 'yellow', 'blue', 'none'], i.level), i.opened_at DESC
LIMIT 8

-- name: notices
-- The latest notices.
SELECT created_at, level, target, channel, state, subject FROM city.notices ORDER BY created_at DESC, notice LIMIT 6

-- name: flow
-- Readings so far.
SELECT coalesce(sum(published), 0)::bigint, coalesce(sum(stored), 0)::bigint,
       (SELECT count(*) FROM city.rejections) FROM city.gateways

-- name: open_count
-- How many incidents are open.
SELECT count(*) FROM city.incidents WHERE closed_at IS NULL AND NOT drill

-- name: alarms
-- Alarms by their highest level.
SELECT peak_level, count(*) FROM city.alarms WHERE drill = '' GROUP BY 1

-- name: incident_counts
-- Incidents: all, still open, ever acknowledged, and the median seconds from opening to the first acknowledgement.
SELECT count(*), count(*) FILTER (WHERE i.closed_at IS NULL), count(e.first),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM e.first - i.opened_at)::float8)
FROM city.incidents i
LEFT JOIN LATERAL (
    SELECT min(time) AS first FROM city.incident_events WHERE incident = i.incident AND kind = 'acknowledge') e ON true
WHERE NOT i.drill

-- name: notice_counts
-- Notices: sent, all.
SELECT count(*) FILTER (WHERE state IN ('sent', 'delivered')), count(*) FROM city.notices WHERE NOT drill
