-- name: readings
-- What sensors measured in a span, with when it arrived.
SELECT sensor, time, value, flag, received_at FROM city.readings
WHERE sensor = ANY (%(sensors)s) AND time BETWEEN %(from)s AND %(to)s
ORDER BY received_at, time

-- name: events
-- What was recorded about the alarms of one rule on one scope in a span, in the order of the record.
SELECT e.recorded_at, e.time, e.kind, e.from_level, e.to_level, e.from_condition, e.to_condition, e.reason, a.alarm
FROM city.alarm_events e JOIN city.alarms a USING (alarm)
WHERE a.rule = %(rule)s AND a.scope = %(scope)s AND e.recorded_at BETWEEN %(from)s AND %(to)s
ORDER BY e.recorded_at, e.time
