-- name: first_known
-- Since when there is anything to count: the first city folder that was applied.
SELECT min(applied_at) AS at, (SELECT bundle FROM lifeline.current_bundle) AS bundle,
       (SELECT applied_at FROM lifeline.bundles JOIN lifeline.current_bundle USING (bundle)) AS applied_at
FROM lifeline.bundles

-- name: desks
-- Desks that were told of anything.
SELECT DISTINCT desk FROM lifeline.annunciations WHERE drill = '' ORDER BY desk

-- name: raises
-- What was annunciated in a span: told at a desk, so not held; neither diagnostics nor drills.
SELECT a.rule || '/' || a.scope AS key, a.peak_level AS level, n.at, a.cleared_at, a.sensor, a.title, a.title_zh
FROM lifeline.annunciations n JOIN city.alarms a USING (alarm)
WHERE n.counted AND n.drill = '' AND n.at >= %(since)s AND n.at < %(until)s
  AND (%(desk)s::text IS NULL OR n.desk = %(desk)s) AND (%(district)s::text IS NULL OR n.district = %(district)s)
ORDER BY n.at LIMIT %(limit)s

-- name: standing_ages
-- Alarms that stand now, by how long: diagnostics and drills apart.
SELECT count(*) AS n, count(*) FILTER (WHERE age < interval '1 hour') AS hour,
       count(*) FILTER (WHERE age >= interval '1 hour' AND age < interval '8 hours') AS shift,
       count(*) FILTER (WHERE age >= interval '8 hours' AND age < interval '24 hours') AS day,
       count(*) FILTER (WHERE age >= interval '24 hours' AND age < interval '7 days') AS week,
       count(*) FILTER (WHERE age >= interval '7 days') AS longer
FROM (SELECT city.now() - raised_at AS age FROM city.alarms a
      WHERE cleared_at IS NULL AND domain <> 'platform' AND drill = ''
        AND (%(district)s::text IS NULL OR district = %(district)s)
        AND (%(desk)s::text IS NULL OR EXISTS (
            SELECT FROM lifeline.annunciations n WHERE n.alarm = a.alarm AND n.desk = %(desk)s))) AS standing

-- name: suppression
-- What holds alarms back now, and the shelves of the span: how long, how many beyond their cap, how many without a person.
SELECT (SELECT count(*) FROM city.shelves WHERE kind = 'shelved') AS shelved,
       (SELECT count(*) FROM city.shelves WHERE kind = 'out_of_service') AS out_of_service,
       (SELECT count(*) FROM city.alarms WHERE cleared_at IS NULL AND hold = 'suppressed' AND drill = '') AS inhibited,
       count(*) FILTER (WHERE hold = 'shelved') AS shelves,
       (avg(extract(epoch FROM least(coalesce(ended_at, city.now()), %(until)s) - since))
           FILTER (WHERE hold = 'shelved'))::float8 AS mean_s,
       count(*) FILTER (WHERE hold = 'shelved' AND coalesce(ended_at, city.now()) - since
           > (ARRAY[24, 24, 8, 1, 0.25])[level + 1] * interval '1 hour' + interval '1 minute') AS over_limit,
       count(*) FILTER (WHERE by = '' OR NOT EXISTS (
           SELECT FROM lifeline.hold_events e WHERE e.target = s.target AND e.time = s.since AND e.actor <> ''))
           AS unauthorised
FROM lifeline.shelves s WHERE s.since >= %(since)s AND s.since < %(until)s

-- name: responses
-- Each incident of the span: seconds from its opening to what people did first of each kind.
SELECT i.incident, i.peak_level AS level, i.stage, i.closed_at IS NOT NULL AS closed,
       p.acknowledge, p.confirm, p.dispatch, p.on_site, p.close, p.acted, p.false_alarm, p.confirmed,
       EXISTS (SELECT FROM lifeline.escalations e WHERE e.incident = i.incident AND e.state = 'fired'
               AND (e.step > 0 OR e.repeat > 0)) AS escalated,
       (SELECT extract(epoch FROM i.opened_at - min(f.time))::float8 FROM city.findings f
        WHERE f.sensor = a.sensor AND f.verdict = 'abnormal' AND f.channel <> 'late_detected'
          AND f.time <= i.opened_at AND f.time > i.opened_at - interval '24 hours') AS lead_s
FROM city.incidents i LEFT JOIN city.alarms a ON a.alarm = i.first_alarm
LEFT JOIN LATERAL (
    SELECT min(s) FILTER (WHERE kind = 'acknowledge') AS acknowledge, min(s) FILTER (WHERE kind = 'confirm') AS confirm,
           min(s) FILTER (WHERE kind = 'dispatch') AS dispatch, min(s) FILTER (WHERE kind = 'on_site') AS on_site,
           min(s) FILTER (WHERE kind = 'close') AS close,
           min(s) FILTER (WHERE kind IN ('confirm', 'false_alarm', 'analyse', 'dispatch', 'on_site', 'report')) AS acted,
           coalesce(bool_or(kind = 'false_alarm'), false) AS false_alarm,
           coalesce(bool_or(kind = 'confirm'), false) AS confirmed
    FROM (SELECT e.kind, greatest(0, extract(epoch FROM e.time - i.opened_at))::float8 AS s
          FROM city.incident_events e WHERE e.incident = i.incident AND e.actor <> '') AS said) p ON true
WHERE NOT i.drill AND i.opened_at >= %(since)s AND i.opened_at < %(until)s
  AND coalesce(a.domain, '') <> 'platform' AND (%(district)s::text IS NULL OR i.district = %(district)s)
  AND (%(desk)s::text IS NULL OR EXISTS (
      SELECT FROM lifeline.annunciations n WHERE n.incident = i.incident AND n.desk = %(desk)s))
ORDER BY i.opened_at DESC LIMIT %(limit)s

-- name: clock_shares
-- Clocks that were due in the span, by level: how many were met in time.
SELECT c.level, c.clock, count(*) FILTER (WHERE c.state = 'met') AS met, count(*) AS due
FROM city.incident_clocks c JOIN city.incidents i USING (incident) LEFT JOIN city.alarms a ON a.alarm = i.first_alarm
WHERE c.state IN ('met', 'missed') AND c.due_at >= %(since)s AND c.due_at < %(until)s AND NOT i.drill
  AND coalesce(a.domain, '') <> 'platform' AND (%(district)s::text IS NULL OR i.district = %(district)s)
  AND (%(desk)s::text IS NULL OR EXISTS (
      SELECT FROM lifeline.annunciations n WHERE n.incident = i.incident AND n.desk = %(desk)s))
GROUP BY c.level, c.clock

-- name: late_and_near
-- What late data showed to have been alarms, too late for anybody to be told in order; and what rules nearly raised.
SELECT count(*) FILTER (WHERE channel = 'late_detected') AS late, count(*) FILTER (WHERE channel = 'near_miss') AS near
FROM city.findings WHERE channel IN ('late_detected', 'near_miss') AND time >= %(since)s AND time < %(until)s

-- name: deliveries
-- First notices of incidents in the span: seconds from the event, and from its arrival here, until they were accepted.
SELECT extract(epoch FROM n.sent_at - i.opened_at)::float8 AS from_event_s,
       extract(epoch FROM n.sent_at - e.recorded_at)::float8 AS from_ingest_s
FROM city.notices n JOIN city.incidents i USING (incident)
JOIN LATERAL (SELECT min(v.recorded_at) AS recorded_at FROM city.alarm_events v
              WHERE v.alarm = i.first_alarm AND v.kind = 'raised') e ON true
WHERE n.kind = 'raise' AND n.round = 1 AND n.step = 0 AND n.sent_at IS NOT NULL AND NOT n.drill AND n.fallback_of IS NULL
  AND n.created_at >= %(since)s AND n.created_at < %(until)s
  AND (%(district)s::text IS NULL OR i.district = %(district)s) LIMIT %(limit)s

-- name: channels
-- Notices of the span by channel: how many failed, how many took over from another channel, how many said it twice.
SELECT channel, count(*) AS n, count(*) FILTER (WHERE state = 'failed') AS failed,
       count(*) FILTER (WHERE fallback_of IS NOT NULL) AS fallback, count(*) - count(DISTINCT idempotency_key) AS twice
FROM city.notices WHERE NOT drill AND created_at >= %(since)s AND created_at < %(until)s AND state <> 'superseded'
GROUP BY channel ORDER BY channel

-- name: outbox
-- The oldest notice that waits, and those that reached nobody: failed on every channel, or waiting beyond their time.
SELECT extract(epoch FROM city.now() - min(created_at) FILTER (WHERE state IN ('queued', 'sending')))::float8 AS oldest_s,
       count(*) FILTER (WHERE (state = 'failed' AND NOT EXISTS (
               SELECT FROM city.notices o WHERE o.root = n.root AND o.state IN ('sent', 'delivered', 'queued', 'sending')))
           OR (state IN ('queued', 'sending') AND created_at < city.now() - interval '4 hours')) AS lost
FROM city.notices n WHERE NOT drill AND (state IN ('queued', 'sending') OR created_at >= %(since)s)

-- name: freshness
-- Sensors in service, how many of them are fresh, and gateways whose clock is more than a minute off.
SELECT count(*) AS in_service, count(*) FILTER (WHERE NOT l.stale) AS fresh,
       (SELECT count(*) FROM city.gateways WHERE abs(skew_s) > 60) AS skewed, (SELECT count(*) FROM city.gateways) AS gateways
FROM city.latest l WHERE NOT EXISTS (
    SELECT FROM city.shelves s WHERE s.kind = 'out_of_service' AND s.key = l.sensor)
