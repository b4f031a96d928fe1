-- name: begin
-- One picture of everything, however long the writing takes.
BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY

-- name: sensors
-- Every sensor that ever was, by what one may choose it.
SELECT s.sensor, s.domain, t.district FROM lifeline.sensors s JOIN lifeline.sites t USING (site)

-- name: districts
-- Every district that ever was.
SELECT district FROM lifeline.districts

-- name: units
-- The unit of each quantity in this city.
SELECT DISTINCT quantity, unit FROM lifeline.sensors ORDER BY quantity, unit

-- name: span
-- The first and last instant of any reading, by which an export without bounds is cut into days.
SELECT min(time), max(time) FROM city.readings

-- name: readings
-- A day or less at a time, so that no sort is larger than that. Also of sensors that have left the register.
SELECT r.time, r.sensor, s.site, t.district, s.domain, s.quantity, r.value, s.unit, r.flag, r.received_at, r.late
FROM city.readings r JOIN lifeline.sensors s USING (sensor) JOIN lifeline.sites t USING (site)
WHERE r.time >= %(first)s AND r.time < %(past)s AND (%(sensors)s::text[] IS NULL OR r.sensor = ANY (%(sensors)s))
ORDER BY r.time, r.sensor

-- name: findings
-- What detectors found.
SELECT f.time, f.sensor, s.site, t.district, s.domain, f.detector, f.channel, f.verdict, f.score,
       f.return_period_years, f.direction, f.expected, f.low, f.high, s.unit, f.reason
FROM city.findings f JOIN lifeline.sensors s USING (sensor) JOIN lifeline.sites t USING (site)
WHERE f.time >= %(first)s AND f.time < %(past)s AND (%(sensors)s::text[] IS NULL OR f.sensor = ANY (%(sensors)s))
ORDER BY f.time, f.sensor, f.detector, f.channel

-- name: alarms
-- By when they were raised; those of a gateway have no sensor and are chosen by district and domain.
SELECT a.alarm, a.rule, a.rule_version, a.scope, a.sensor, a.site, a.district, a.domain, a.level, a.peak_level,
       a.condition, a.acknowledged, a.hold, a.latched, a.raised_at, a.cleared_at, a.late, a.incident, a.title, a.title_zh,
       a.drill
FROM city.alarms a
WHERE a.raised_at >= %(first)s AND a.raised_at < %(past)s
  AND (%(sensors)s::text[] IS NULL OR a.sensor = ANY (%(sensors)s)
       OR a.sensor IS NULL AND NOT %(named)s
          AND (%(district)s::text IS NULL OR a.district = %(district)s)
          AND (%(domain)s::text IS NULL OR a.domain = %(domain)s))
ORDER BY a.raised_at, a.alarm

-- name: incidents
-- By when they were opened; by domain and sensor when one of their alarms is of it.
SELECT i.incident, i.site, i.district, i.level, i.peak_level, i.stage, i.acknowledged, i.opened_at, i.closed_at,
       i.title, i.title_zh, i.first_alarm, i.drill
FROM city.incidents i
WHERE i.opened_at >= %(first)s AND i.opened_at < %(past)s
  AND (%(district)s::text IS NULL OR i.district = %(district)s)
  AND (%(domain)s::text IS NULL AND NOT %(named)s OR EXISTS (
      SELECT FROM city.alarms a WHERE a.incident = i.incident
      AND (%(domain)s::text IS NULL OR a.domain = %(domain)s) AND (NOT %(named)s OR a.sensor = ANY (%(sensors)s))))
ORDER BY i.opened_at, i.incident
