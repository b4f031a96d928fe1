-- name: hurry
-- A picture is worth no more than this.
SET LOCAL statement_timeout = '2s'

-- name: sensor
-- What a sensor measures in, and how often it speaks (s).
SELECT unit, interval_s FROM city.sensors WHERE sensor = %(sensor)s

-- name: readings
-- Each reading of a span that did not fail.
SELECT time, value, value AS low, value AS high FROM city.readings
WHERE sensor = %(sensor)s AND time > %(since)s AND time <= %(until)s AND flag NOT IN (4, 9)
ORDER BY time DESC LIMIT 3000

-- name: rollups
-- The same in five minutes at a time.
SELECT bucket AS time, mean AS value, min AS low, max AS high FROM city.readings_5m
WHERE sensor = %(sensor)s AND bucket > %(since)s AND bucket <= %(until)s
ORDER BY bucket DESC LIMIT 3000

-- name: thresholds
-- What the sensor's alarms in an incident passed so far, and the level that was.
SELECT DISTINCT seen ->> 'test', e.to_level
FROM lifeline.alarms a JOIN lifeline.alarm_events e USING (alarm), jsonb_array_elements(e.evidence) AS seen
WHERE a.incident = %(incident)s AND e.to_level > e.from_level AND seen ->> 'sensor' = %(sensor)s

-- name: limits
-- The limits in force of the rules that raised the sensor's alarms in an incident.
SELECT DISTINCT l.value, l.level
FROM lifeline.alarms a JOIN lifeline.limits l USING (rule, sensor)
WHERE a.incident = %(incident)s AND a.sensor = %(sensor)s
