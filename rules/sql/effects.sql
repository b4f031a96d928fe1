-- name: alarm
-- An alarm's row is to be this; what was recorded first about it (rule, scope, place, journal row) stays.
INSERT INTO lifeline.alarms (alarm, rule, rule_version, scope, sensor, site, district, domain, level, peak_level,
                             condition, acknowledged, hold, hold_reason, latched, raised_at, cleared_at, late, incident,
                             title, gateway, drill, seq)
VALUES (%(alarm)s, %(rule)s, %(rule_version)s, %(scope)s, %(sensor)s, %(site)s, %(district)s, %(domain)s, %(level)s,
        %(peak_level)s, %(condition)s, %(acknowledged)s, %(hold)s, %(hold_reason)s, %(latched)s, %(raised_at)s,
        %(cleared_at)s, %(late)s, %(incident)s, %(title)s, %(gateway)s, %(drill)s, %(seq)s)
ON CONFLICT (alarm) DO UPDATE
SET rule_version = excluded.rule_version, level = excluded.level, peak_level = excluded.peak_level,
    condition = excluded.condition, acknowledged = excluded.acknowledged, hold = excluded.hold,
    hold_reason = excluded.hold_reason, latched = excluded.latched, raised_at = excluded.raised_at,
    cleared_at = excluded.cleared_at, late = excluded.late, incident = excluded.incident;

-- name: alarm_event
-- One thing that happened to an alarm.
INSERT INTO lifeline.alarm_events (event, time, recorded_at, alarm, kind, from_level, to_level, from_condition,
                                   to_condition, reason, evidence, from_hold, to_hold, rule_version)
VALUES (%(event)s, %(time)s, %(recorded_at)s, %(alarm)s, %(kind)s, %(from_level)s, %(to_level)s, %(from_condition)s,
        %(to_condition)s, %(reason)s, %(evidence)s, %(from_hold)s, %(to_hold)s, %(rule_version)s)
ON CONFLICT (event) DO NOTHING;

-- name: shelf_ended
-- What was held there is not held any more.
UPDATE lifeline.shelves SET ended_at = %(ended_at)s, ended_why = %(why)s
WHERE hold = %(hold)s AND target = %(target)s AND ended_at IS NULL;

-- name: shelf
-- People hold an alarm or a sensor from now on.
INSERT INTO lifeline.shelves (shelf, hold, target, rule, scope, level, one_shot, since, until, by, reason, via)
VALUES (%(shelf)s, %(hold)s, %(target)s, %(rule)s, %(scope)s, %(level)s, %(one_shot)s, %(since)s, %(until)s, %(by)s,
        %(reason)s, %(via)s)
ON CONFLICT (shelf) DO NOTHING;

-- name: maintenance
-- The row of a maintenance window's occurrence is to be this.
INSERT INTO lifeline.maintenance (occurrence, window_id, title, selector, districts, starts_at, ends_at, up_to, approver,
                                  reason, state)
VALUES (%(occurrence)s, %(window)s, %(title)s, %(selector)s, %(districts)s, %(starts_at)s, %(ends_at)s, %(up_to)s,
        %(approver)s, %(reason)s, %(state)s)
ON CONFLICT (occurrence) DO UPDATE
SET title = excluded.title, selector = excluded.selector, districts = excluded.districts, ends_at = excluded.ends_at,
    up_to = excluded.up_to, approver = excluded.approver, reason = excluded.reason, state = excluded.state;

-- name: maintenance_over
-- A maintenance window's occurrence is over, or will not come.
UPDATE lifeline.maintenance SET state = %(state)s WHERE occurrence = %(occurrence)s;

-- name: hold_event
-- What a person decided about an alarm or a sensor, or what became of it.
INSERT INTO lifeline.hold_events (event, time, target, kind, actor, note, via)
VALUES (%(event)s, %(time)s, %(target)s, %(kind)s, %(actor)s, %(note)s, %(via)s)
ON CONFLICT (event) DO NOTHING;

-- name: incident
-- An incident's row is to be this.
INSERT INTO lifeline.incidents (incident, site, district, level, peak_level, stage, acknowledged, opened_at, closed_at,
                                title, first_alarm, chain, chain_version, drill, drill_id, version, acknowledged_at,
                                falls_at, chain_copy, memory, seq)
VALUES (%(incident)s, %(site)s, %(district)s, %(level)s, %(peak_level)s, %(stage)s, %(acknowledged)s, %(opened_at)s,
        %(closed_at)s, %(title)s, %(first_alarm)s, %(chain)s, %(chain_version)s, %(drill)s, %(drill_id)s, %(version)s,
        %(acknowledged_at)s, %(falls_at)s, %(chain_copy)s, %(memory)s, %(seq)s)
ON CONFLICT (incident) DO UPDATE
SET level = excluded.level, peak_level = excluded.peak_level, stage = excluded.stage,
    acknowledged = excluded.acknowledged, closed_at = excluded.closed_at, title = excluded.title,
    chain = excluded.chain, chain_version = excluded.chain_version, version = excluded.version,
    acknowledged_at = excluded.acknowledged_at, falls_at = excluded.falls_at, chain_copy = excluded.chain_copy,
    memory = excluded.memory;

-- name: incident_event
-- One thing that happened to an incident.
INSERT INTO lifeline.incident_events (event, time, incident, kind, actor, note, person)
VALUES (%(event)s, %(time)s, %(incident)s, %(kind)s, %(actor)s, %(note)s, %(person)s)
ON CONFLICT (event) DO NOTHING;

-- name: escalation
-- An escalation step's row is to be this.
INSERT INTO lifeline.escalations (incident, round, step, repeat, due_at, state, reason, settled_at)
VALUES (%(incident)s, %(round)s, %(step)s, %(repeat)s, %(due_at)s, %(state)s, %(reason)s, %(settled_at)s)
ON CONFLICT (incident, round, step, repeat) DO UPDATE
SET due_at = excluded.due_at, state = excluded.state, reason = excluded.reason, settled_at = excluded.settled_at;

-- name: clock
-- An incident's clock's row is to be this.
INSERT INTO lifeline.incident_clocks (incident, number, clock, level, began_at, due_at, state, settled_at, reason)
VALUES (%(incident)s, %(number)s, %(clock)s, %(level)s, %(began_at)s, %(due_at)s, %(state)s, %(settled_at)s,
        %(reason)s)
ON CONFLICT (incident, number, clock) DO UPDATE
SET state = excluded.state, settled_at = excluded.settled_at, reason = excluded.reason;

-- name: notice
-- A notice goes into the outbox, once.
INSERT INTO lifeline.notices (notice, incident, kind, round, step, target, via, channel, state, level, content,
                              created_at, next_try_at, late, drill, seq)
VALUES (%(notice)s, nullif(%(incident)s, ''), %(kind)s, %(round)s, %(step)s, %(target)s, %(via)s, %(channel)s, 'queued', %(level)s,
        %(content)s, %(at)s, %(at)s, %(late)s, %(drill)s, %(seq)s)
ON CONFLICT (notice) DO NOTHING;

-- name: drill
-- A drill begins, is refused, or ends.
INSERT INTO lifeline.drills (drill, state, scenario, digest, title, by, people, sensors, districts, wishes, seq,
                             started_at, until, ended_at, ended_why)
VALUES (%(drill)s, %(state)s, %(scenario)s, %(digest)s, %(title)s, %(by)s, %(people)s, %(sensors)s, %(districts)s,
        %(wishes)s, %(seq)s, %(started_at)s, %(until)s, %(ended_at)s, %(why)s)
ON CONFLICT (drill) DO UPDATE
SET state = excluded.state, ended_at = excluded.ended_at, ended_why = excluded.ended_why
WHERE drills.state = 'running';

-- name: annunciation
-- An alarm is told at a desk.
INSERT INTO lifeline.annunciations (annunciation, desk, drill, alarm, incident, district, domain, counted, first, at)
VALUES (%(annunciation)s, %(desk)s, %(drill)s, %(alarm)s, %(incident)s, %(district)s, %(domain)s, %(counted)s,
        %(first)s, %(at)s)
ON CONFLICT (annunciation) DO NOTHING;

-- name: flood
-- A flood's row is to be this.
INSERT INTO lifeline.floods (flood, desk, drill, since, started_at, ended_at, alarms, peak, digests)
VALUES (%(flood)s, %(desk)s, %(drill)s, %(since)s, %(started_at)s, %(ended_at)s, %(alarms)s, %(peak)s, %(digests)s)
ON CONFLICT (flood) DO UPDATE
SET ended_at = excluded.ended_at, alarms = excluded.alarms, peak = excluded.peak, digests = excluded.digests;

-- name: digest_entry
-- A notice waits for a digest.
INSERT INTO lifeline.digest_entries (entry, digest, flood, target, district, domain, incident, kind, round, step,
                                     repeat, alarms, channels, via, level, at)
VALUES (%(entry)s, %(digest)s, %(flood)s, %(person)s, %(district)s, %(domain)s, %(incident)s, %(kind)s, %(round)s,
        %(step)s, %(repeat)s, %(alarms)s, %(channels)s, %(via)s, %(level)s, %(at)s)
ON CONFLICT (entry) DO NOTHING;

-- name: finding
-- A detector's verdict on a sensor changed; told again after late data, the first word stays.
INSERT INTO lifeline.findings (time, sensor, detector, channel, verdict, score, return_period_years, direction,
                               expected, low, high, reason, evidence)
VALUES (%(time)s, %(sensor)s, %(detector)s, %(channel)s, %(verdict)s, %(score)s, %(return_period_years)s, %(direction)s,
        %(expected)s, %(low)s, %(high)s, %(reason)s, %(evidence)s)
ON CONFLICT (sensor, detector, channel, time) DO NOTHING;

-- name: band
-- What was expected of sensors at some instants: each in its place of the week's ring, unless that holds a later one.
INSERT INTO lifeline.bands AS b (sensor_id, place, time, expected, low, high)
SELECT DISTINCT ON (sensor_id, place) sensor_id, place, time, expected, low, high
FROM (
    SELECT sensor, time, floor(extract(epoch FROM time) / 1800)::bigint %% 336 AS place, expected, low, high
    FROM unnest(%(sensors)s::text[], %(times)s::timestamptz[], %(expected)s::float4[], %(low)s::float4[],
                %(high)s::float4[]) AS one (sensor, time, expected, low, high)
) drawn JOIN lifeline.sensors USING (sensor)
ORDER BY sensor_id, place, time DESC
ON CONFLICT (sensor_id, place) DO UPDATE
    SET time = excluded.time, expected = excluded.expected, low = excluded.low, high = excluded.high
    WHERE b.time < excluded.time;

-- name: only_one
-- Only one watcher follows at a time; the lock goes with its connection.
SELECT pg_try_advisory_lock(hashtext('lifeline watcher'));
