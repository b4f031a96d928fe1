-- name: states
-- How these drills stand; those that never began have no row.
SELECT drill, state FROM lifeline.drills WHERE drill = ANY(%s)

-- name: listed
-- Drills, the newest first.
SELECT drill, scenario, title, title_zh, started_at, ended_at, by, state, until, ended_why, people, sensors, districts,
       report IS NOT NULL AS reported
FROM city.drills WHERE started_at < coalesce(%(before)s::timestamptz, 'infinity') ORDER BY started_at DESC, drill LIMIT %(limit)s

-- name: one
-- One drill, with what its scenario expects and its report.
SELECT drill, state, scenario, digest, title, by, people, sensors, districts, wishes, seq, started_at, until, ended_at,
       ended_why, report
FROM lifeline.drills WHERE drill = %s

-- name: running
-- The drills that run, the first first.
SELECT drill FROM lifeline.drills WHERE state = 'running' ORDER BY seq

-- name: report
-- Its response times as they are now.
UPDATE lifeline.drills SET report = %(report)s WHERE drill = %(drill)s
