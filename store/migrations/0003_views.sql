-- The public views: what dashboards, GIS and auditors read. Columns may be added, never renamed or dropped.

CREATE VIEW city.sensors AS
SELECT s.sensor, s.gateway, s.site, t.kind AS site_kind, t.district, s.quantity, s.domain, s.unit, s.interval_s,
       s.name, s.lon, s.lat, s.range_min, s.range_max
FROM lifeline.sensors s JOIN lifeline.sites t USING (site) WHERE s.in_register;

CREATE VIEW city.sites AS
SELECT site, kind, coalesce(name ->> 'en', site) AS name, name ->> 'zh' AS name_zh, district, lon, lat, along, owner
FROM lifeline.sites WHERE in_register;

CREATE VIEW city.gateways AS
SELECT g.gateway, g.district, g.name, g.interval_s, g.lon, g.lat, l.online, l.last_seen, l.skew_s,
       coalesce(l.published, 0) AS published, coalesce(l.received, 0) AS received, coalesce(l.stored, 0) AS stored,
       coalesce(l.repeated, 0) AS repeated, coalesce(l.rejected, 0) AS rejected, coalesce(l.missing, 0) AS missing,
       coalesce(l.buffered, 0) AS buffered, l.version
FROM lifeline.gateways g LEFT JOIN lifeline.gateway_ledger l USING (gateway) WHERE g.in_register;

-- late: it came later than three of its sensor's intervals (at least two minutes) after its own time.
CREATE VIEW city.readings AS
SELECT r.time, s.sensor, r.value, r.flag, r.received_at,
       r.received_at - r.time > greatest(3 * s.interval_s, 120) * interval '1 second' AS late
FROM lifeline.readings r JOIN lifeline.sensors s USING (sensor_id);

-- Roll-ups are computed from the readings when asked: always right, also after late data, on every tier.
CREATE VIEW city.readings_5m AS
SELECT date_bin('5 minutes', r.time, '2000-01-01 00:00:00+00') AS bucket, s.sensor, count(*) AS n, min(r.value) AS min,
       max(r.value) AS max, avg(r.value) AS mean, (array_agg(r.value ORDER BY r.time DESC))[1] AS last,
       max(r.flag) AS worst_flag
FROM lifeline.readings r JOIN lifeline.sensors s USING (sensor_id) GROUP BY 1, 2;

CREATE VIEW city.readings_1h AS
SELECT date_bin('1 hour', r.time, '2000-01-01 00:00:00+00') AS bucket, s.sensor, count(*) AS n, min(r.value) AS min,
       max(r.value) AS max, avg(r.value) AS mean, (array_agg(r.value ORDER BY r.time DESC))[1] AS last,
       max(r.flag) AS worst_flag
FROM lifeline.readings r JOIN lifeline.sensors s USING (sensor_id) GROUP BY 1, 2;

CREATE VIEW city.readings_1d AS
SELECT date_bin('1 day', r.time, '2000-01-01 00:00:00+00') AS bucket, s.sensor, count(*) AS n, min(r.value) AS min,
       max(r.value) AS max, avg(r.value) AS mean, (array_agg(r.value ORDER BY r.time DESC))[1] AS last,
       max(r.flag) AS worst_flag
FROM lifeline.readings r JOIN lifeline.sensors s USING (sensor_id) GROUP BY 1, 2;

CREATE VIEW city.latest AS
SELECT s.sensor, l.time, l.value, l.flag,
       lifeline.level_word(coalesce(a.level, 0)) AS level,
       l.time IS NULL OR city.now() - l.received_at > greatest(3 * s.interval_s, 300) * interval '1 second' AS stale,
       extract(epoch FROM city.now() - l.time)::float8 AS age_s
FROM lifeline.sensors s
LEFT JOIN lifeline.latest l USING (sensor_id)
LEFT JOIN (SELECT sensor, max(level)::integer AS level FROM lifeline.alarms WHERE cleared_at IS NULL GROUP BY sensor) a
       ON a.sensor = s.sensor
WHERE s.in_register;

CREATE VIEW city.findings AS
SELECT time, sensor, detector, channel, verdict, score, return_period_years, direction, expected, low, high, reason
FROM lifeline.findings;

CREATE VIEW city.alarms AS
SELECT alarm, rule, rule_version, scope, sensor, site, district, domain, lifeline.level_word(level) AS level,
       lifeline.level_word(peak_level) AS peak_level, condition, acknowledged, hold, latched, raised_at, cleared_at, late,
       incident, coalesce(title ->> 'en', rule) AS title, title ->> 'zh' AS title_zh
FROM lifeline.alarms;

CREATE VIEW city.alarm_events AS
SELECT time, recorded_at, alarm, kind, lifeline.level_word(from_level) AS from_level,
       lifeline.level_word(to_level) AS to_level, from_condition, to_condition, reason, evidence, event
FROM lifeline.alarm_events;

CREATE VIEW city.incidents AS
SELECT incident, site, district, lifeline.level_word(level) AS level, lifeline.level_word(peak_level) AS peak_level,
       stage, acknowledged, opened_at, closed_at, coalesce(title ->> 'en', incident) AS title, title ->> 'zh' AS title_zh,
       first_alarm, drill
FROM lifeline.incidents;

CREATE VIEW city.incident_events AS
SELECT time, incident, kind, actor, note, event FROM lifeline.incident_events;

CREATE VIEW city.notices AS
SELECT notice, incident, step, target, channel, state, notice AS idempotency_key, created_at, sent_at, attempts, late,
       drill, kind, round, via, lifeline.level_word(level) AS level, content ->> 'subject' AS subject, answer
FROM lifeline.notices;

CREATE VIEW city.rejections AS
SELECT received_at, gateway, topic, sensor, time, reason, detail, payload, rejection FROM lifeline.rejections;

CREATE VIEW city.health AS
SELECT name, value, unit, state, since, advice FROM lifeline.health
UNION ALL
SELECT 'role_' || role, extract(epoch FROM now() - beat_at)::float8, 's',
       CASE WHEN now() - beat_at > interval '30 seconds' THEN 'fault' ELSE 'ok' END, beat_at,
       CASE WHEN now() - beat_at > interval '30 seconds'
            THEN 'this role has not beaten for a while: see its log, start it again' ELSE '' END
FROM lifeline.roles;
