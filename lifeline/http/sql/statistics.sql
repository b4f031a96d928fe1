-- name: raises
-- What was annunciated in a span: raised, or raised again by a higher level or at the end of a hold; not held at that
-- moment, not a diagnostic, not a drill.
SELECT a.rule || '/' || a.scope AS key, e.to_level AS level, e.time AS at, a.cleared_at, a.alarm, a.district, a.domain,
       coalesce(i.chain, '') AS chain
FROM city.alarm_events e JOIN city.alarms a USING (alarm) LEFT JOIN lifeline.incidents i ON i.incident = a.incident
WHERE e.kind IN ('raised', 'rose', 'lost_after', 'released') AND e.to_hold = '' AND e.to_level <> 'none'
  AND a.domain <> 'platform' AND a.drill = ''
  AND e.time >= %(since)s AND e.time < %(until)s ORDER BY e.time LIMIT %(limit)s
