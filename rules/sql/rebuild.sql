-- name: one_picture
-- Everything that follows sees the database as it is now.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ

-- name: checkpoint_at
-- How far the watcher's effects are committed, and when it got there.
SELECT seq, updated_at FROM lifeline.followers WHERE follower = %s

-- name: first_row
-- The oldest row the journal still has.
SELECT coalesce(min(seq), 0) FROM lifeline.journal

-- name: readings
-- Readings by event time: number of the sensor, times in microseconds, value and flag.
SELECT sensor_id, (extract(epoch FROM time) * 1000000)::bigint, (extract(epoch FROM received_at) * 1000000)::bigint,
       value, flag
FROM lifeline.measured WHERE time > %s ORDER BY time

-- name: latest
-- The newest reading of sensors that have been away for longer.
SELECT sensor_id, (extract(epoch FROM time) * 1000000)::bigint, (extract(epoch FROM received_at) * 1000000)::bigint,
       value, flag
FROM lifeline.latest WHERE time <= %s

-- name: alarms
-- Alarms that stand, are latched, belong to an open incident, or were told lately or in a flood that goes on: with the last evidence, when the level last moved, and
-- whether the data of an alarm that stood were lost.
SELECT a.alarm, a.rule, a.rule_version, a.scope, a.sensor, a.site, a.district, a.domain, a.title, a.raised_at, a.level,
       a.peak_level, a.late, a.condition, a.acknowledged, a.cleared_at, coalesce(a.incident, '') AS incident, a.hold,
       a.hold_reason, a.latched, a.gateway, coalesce(seen.evidence, '[]') AS evidence,
       coalesce(moved.time, a.raised_at) AS moved_at, coalesce(lost.is_lost, false) AS lost
FROM lifeline.alarms a
LEFT JOIN LATERAL (
    SELECT evidence FROM lifeline.alarm_events e WHERE e.alarm = a.alarm AND jsonb_array_length(evidence) > 0
    ORDER BY recorded_at DESC, time DESC LIMIT 1
) seen ON true
LEFT JOIN LATERAL (
    SELECT max(time) AS time FROM lifeline.alarm_events e
    WHERE e.alarm = a.alarm AND kind IN ('raised', 'rose', 'fell', 'revised', 'rule_changed')
) moved ON true
LEFT JOIN LATERAL (
    SELECT kind = 'lost_after' AS is_lost FROM lifeline.alarm_events e
    WHERE e.alarm = a.alarm AND kind IN ('lost_after', 'data_back') ORDER BY recorded_at DESC, time DESC LIMIT 1
) lost ON true
WHERE a.drill = '' AND (a.cleared_at IS NULL OR a.latched OR EXISTS (
    SELECT FROM lifeline.incidents i WHERE i.incident = a.incident AND i.closed_at IS NULL)
   OR a.alarm IN (
    SELECT alarm FROM lifeline.annunciations WHERE drill = ''
       AND at >= least((SELECT max(at) FROM lifeline.annunciations) - interval '10 minutes',
                       (SELECT min(since) FROM lifeline.floods WHERE ended_at IS NULL AND drill = ''))))
ORDER BY a.raised_at, a.alarm

-- name: incidents
-- Incidents that are open or have an alarm that stands: with the last command, and whether somebody is still to be told
-- that all is clear.
SELECT i.*, coalesce(said.time, i.opened_at) AS said_at, coalesce(told.owes, false) AS owes_clear,
       coalesce((SELECT max(round) FROM lifeline.escalations e WHERE e.incident = i.incident), 0) AS round
FROM lifeline.incidents i
LEFT JOIN LATERAL (
    SELECT max(time) AS time FROM lifeline.incident_events e
    WHERE e.incident = i.incident AND actor <> '' AND kind NOT LIKE 'refused%%'
) said ON true
LEFT JOIN LATERAL (
    SELECT kind <> 'clear' AS owes FROM lifeline.notices n
    WHERE n.incident = i.incident AND kind IN ('raise', 'repeat', 'clear')
    ORDER BY created_at DESC, (kind = 'clear') DESC LIMIT 1
) told ON true
WHERE NOT i.drill AND (i.closed_at IS NULL
   OR EXISTS (SELECT FROM lifeline.alarms a WHERE a.incident = i.incident AND a.cleared_at IS NULL))
ORDER BY i.opened_at, i.incident

-- name: due
-- Escalation steps that wait.
SELECT incident, round, step, repeat, due_at FROM lifeline.escalations WHERE state = 'due' ORDER BY due_at, step

-- name: clocks
-- Clocks that run.
SELECT incident, clock, number, level, began_at, due_at FROM lifeline.incident_clocks WHERE state = 'running'
ORDER BY incident, number, clock

-- name: went
-- Who said that they go, are there, or have been (of incidents without a memory of their own).
SELECT e.incident, e.kind, e.actor FROM lifeline.incident_events e JOIN lifeline.incidents i USING (incident)
WHERE e.kind IN ('dispatch', 'on_site', 'report') AND e.actor <> '' AND i.closed_at IS NULL AND i.memory = '{}'
ORDER BY e.time, e.event

-- name: told
-- Who was told of each incident last, by which channel, as whom (of incidents without a memory of their own).
SELECT DISTINCT ON (incident, target) incident, target, channel, via FROM lifeline.notices
JOIN lifeline.incidents i USING (incident)
WHERE kind IN ('raise', 'repeat') AND i.memory = '{}' ORDER BY incident, target, created_at DESC

-- name: shelves
-- What people hold.
SELECT shelf, hold, target, level, since, until, one_shot, by, reason, via FROM lifeline.shelves WHERE ended_at IS NULL

-- name: in_force
-- The city folder that was in force at a follower's checkpoint.
SELECT convert_from(payload, 'UTF8')::jsonb ->> 'bundle' FROM lifeline.hearing
WHERE kind = 'bundle' AND seq <= (SELECT seq FROM lifeline.followers WHERE follower = %s) ORDER BY seq DESC LIMIT 1

-- name: first_drill
-- The row that began the first of the drills that run.
SELECT min(seq) FROM lifeline.drills WHERE state = 'running' AND seq <= %s
