-- name: incident_list
-- A page of incidents, the most urgent first, each with its first alarm, that sensor's value and what stands.
WITH clock AS MATERIALIZED (
    SELECT incident, bool_or(state = 'missed') AS missed, min(due_at) FILTER (WHERE state = 'running') AS due_at
    FROM city.incident_clocks WHERE state = 'running'
        OR (state = 'missed' AND incident IN (SELECT incident FROM city.incidents WHERE closed_at IS NULL))
    GROUP BY incident),
found AS (
    SELECT i.incident, f.domain, f.alarm AS first_alarm_id, f.rule AS first_rule, f.scope AS first_scope,
           f.sensor AS first_sensor, f.raised_at AS first_at, count(*) OVER () AS total,
           row_number() OVER (ORDER BY (i.closed_at IS NOT NULL),
               CASE WHEN i.closed_at IS NULL
                    THEN array_position(ARRAY['red', 'orange', 'yellow', 'blue', 'none'], i.level) END,
               i.drill, CASE WHEN i.closed_at IS NULL THEN i.acknowledged END,
               CASE WHEN i.closed_at IS NULL THEN NOT coalesce(c.missed, false) END,
               CASE WHEN i.closed_at IS NULL THEN c.due_at END NULLS LAST,
               CASE WHEN i.closed_at IS NULL THEN i.opened_at END, i.opened_at DESC, i.incident) AS place
    FROM city.incidents i LEFT JOIN city.alarms f ON f.alarm = i.first_alarm
    LEFT JOIN clock c ON c.incident = i.incident
    WHERE (%(open)s::boolean IS NULL OR (i.closed_at IS NULL) = %(open)s)
      AND (%(district)s::text IS NULL OR i.district = %(district)s)
      AND (%(level)s::text IS NULL OR i.level = %(level)s)
      AND (%(domain)s::text IS NULL OR f.domain = %(domain)s)
      AND (%(words)s::text IS NULL OR strpos(lower(concat_ws(' ', i.incident, i.site, i.title, i.title_zh, f.scope)),
                                             lower(%(words)s)) > 0)
      AND (%(mine)s::text[] IS NULL
           OR EXISTS (SELECT FROM city.notices n WHERE n.incident = i.incident AND n.target = ANY (%(mine)s))
           OR EXISTS (SELECT FROM city.incident_events e WHERE e.incident = i.incident AND e.actor = ANY (%(mine)s)))
      AND (%(desk)s::text IS NULL OR coalesce((
            SELECT d.id FROM jsonb_to_recordset(%(desks)s::jsonb)
                AS d (n integer, id text, districts jsonb, domains jsonb, chains jsonb)
            WHERE (d.districts = '[]' OR d.districts ? i.district) AND (d.domains = '[]' OR d.domains ? f.domain)
              AND (d.chains = '[]' OR d.chains ? i.chain)
            ORDER BY d.n LIMIT 1), 'city') = %(desk)s)
    ORDER BY place LIMIT %(limit)s OFFSET %(offset)s)
SELECT i.*, p.total, p.domain, p.first_rule, p.first_scope, p.first_sensor, p.first_at,
       s.name AS site_name, s.name_zh AS site_name_zh, s.kind AS site_kind,
       coalesce(d.name ->> 'en', i.district) AS district_name, d.name ->> 'zh' AS district_name_zh,
       n.alarms, n.standing, n.blind, n.late, n.held, l.value, l.age_s, l.stale, t.unit
FROM found p JOIN city.incidents i USING (incident) LEFT JOIN city.sites s USING (site)
LEFT JOIN lifeline.districts d ON d.district = i.district
LEFT JOIN city.latest l ON l.sensor = p.first_sensor AND NOT i.drill
LEFT JOIN city.sensors t ON t.sensor = p.first_sensor
LEFT JOIN LATERAL (
    SELECT count(*) AS alarms, count(*) FILTER (WHERE a.cleared_at IS NULL) AS standing,
           bool_or(a.condition = 'unknown' AND a.cleared_at IS NULL) AS blind, bool_or(a.late) AS late,
           count(*) FILTER (WHERE a.cleared_at IS NULL AND a.hold <> '') AS held
    FROM city.alarms a WHERE a.incident = i.incident) n ON true
ORDER BY p.place

-- name: clocks_of
-- The clocks of the newest beginning of these incidents that run, or were missed and still ask for something; the
-- missed ones first.
SELECT incident, clock, level, due_at, state, settled_at FROM (
    SELECT c.*, max(number) OVER (PARTITION BY incident) AS newest,
           CASE clock WHEN 'acknowledge' THEN i.acknowledged OR i.stage <> 'raised'
           ELSE i.stage = 'false_alarm' OR array_position(k.stages, i.stage) >= array_position(k.clocks, clock) END AS done
    FROM city.incident_clocks c JOIN city.incidents i USING (incident), (VALUES (
        ARRAY['raised', 'confirmed', 'analysed', 'dispatched', 'on_site', 'reported', 'closed'],
        ARRAY['', 'confirm', '', 'dispatch', 'on_site', 'report', 'close'])) AS k (stages, clocks)
    WHERE incident = ANY (%(incidents)s)) AS c
WHERE number = newest AND (state = 'running' OR state = 'missed' AND NOT done)
ORDER BY incident, (state <> 'missed'), due_at, clock

-- name: all_clocks
-- All clocks of an incident, newest beginning first.
SELECT clock, level, due_at, state, settled_at, number, began_at, reason FROM city.incident_clocks
WHERE incident = %(incident)s ORDER BY number DESC, due_at, clock LIMIT 60

-- name: chain_steps
-- The steps of an incident's chain in their order, with whom each tells.
SELECT round, step, repeat, due_at, state, reason, settled_at, notify, via FROM city.escalations
WHERE incident = %(incident)s ORDER BY round DESC, due_at, step, repeat LIMIT 200

-- name: attachments
-- Photos that crews sent, newest first.
SELECT attachment, person, at, width, height FROM city.attachments WHERE incident = %(incident)s ORDER BY at DESC LIMIT 40

-- name: cap_drafts
-- CAP messages of an incident, newest first.
SELECT identifier, msg_type, status, state, level, made_at, released_at, released_by FROM city.cap
WHERE incident = %(incident)s ORDER BY made_at DESC LIMIT 20

-- name: told
-- Who was told of these incidents last, singly or in a digest, and what became of it.
SELECT DISTINCT ON (t.incident, t.target) t.incident, t.target, n.state, n.kind, n.created_at, n.channel,
       coalesce(l.content -> 'to' ->> 'name', t.target) AS target_name
FROM (
    SELECT incident, target, notice FROM city.notices WHERE incident = ANY (%(incidents)s)
    UNION
    SELECT incident, target, digest FROM city.digest_entries WHERE incident = ANY (%(incidents)s)
) AS t JOIN city.notices n USING (notice) JOIN lifeline.notices l USING (notice)
WHERE n.state <> 'superseded'
ORDER BY t.incident, t.target, n.created_at DESC

-- name: districts
-- Districts for filters.
SELECT district, coalesce(name ->> 'en', district) AS name, name ->> 'zh' AS name_zh FROM lifeline.districts ORDER BY district

-- name: domains
-- The domains sensors belong to.
SELECT DISTINCT domain FROM city.sensors ORDER BY domain

-- name: sites_around
-- Sites in a window of the map, the nearest first.
SELECT site, name, name_zh, kind, lon, lat FROM city.sites
WHERE lon BETWEEN %(west)s AND %(east)s AND lat BETWEEN %(south)s AND %(north)s
ORDER BY (lon - %(lon)s) ^ 2 + (lat - %(lat)s) ^ 2, site LIMIT %(limit)s

-- name: sensors_around
-- Sensors in a window of the map, the nearest first, with what stands there.
SELECT s.sensor, s.site, s.quantity, s.lon, s.lat, l.level, l.stale FROM city.sensors s JOIN city.latest l USING (sensor)
WHERE s.lon BETWEEN %(west)s AND %(east)s AND s.lat BETWEEN %(south)s AND %(north)s
ORDER BY (s.lon - %(lon)s) ^ 2 + (s.lat - %(lat)s) ^ 2, s.sensor LIMIT %(limit)s

-- name: raises_at
-- When a sensor's alarms were raised and cleared in a span.
SELECT alarm, raised_at, cleared_at, peak_level AS level, late FROM city.alarms
WHERE drill = '' AND sensor = %(sensor)s AND raised_at < %(until)s AND coalesce(cleared_at, %(until)s) >= %(since)s
ORDER BY raised_at DESC LIMIT 60

-- name: guidance
-- What the newest notice of an incident advised, in the visitor's language if there is one.
SELECT content -> 'facts' ->> 'guidance' AS guidance FROM lifeline.notices
WHERE incident = %(incident)s AND content -> 'facts' ->> 'guidance' <> ''
ORDER BY (content ->> 'language' = %(language)s) DESC, created_at DESC LIMIT 1
