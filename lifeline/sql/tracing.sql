-- name: rows
-- The journal rows, as far as they are still told of.
SELECT seq, kind, recorded_at, rows, first_at, last_at, oldest, newest FROM lifeline.hearing
WHERE seq = ANY (%(seqs)s) ORDER BY seq

-- name: given
-- Traces that gateways gave to messages of these rows.
SELECT given, gateway, received_at FROM lifeline.given_traces WHERE seq = ANY (%(seqs)s) ORDER BY given, gateway LIMIT 20

-- name: watched
-- How far the watcher has come.
SELECT seq, updated_at FROM lifeline.followers WHERE follower = 'watcher'

-- name: alarms
-- Alarms raised on these rows.
SELECT alarm, rule, scope, lifeline.level_word(peak_level), raised_at, decided_at, coalesce(incident, '')
FROM lifeline.alarms WHERE seq = ANY (%(seqs)s) ORDER BY raised_at, alarm LIMIT 50

-- name: alarm_events
-- What else happened to alarms on these rows; events are numbered row.place.
SELECT e.time, e.kind, e.reason, a.alarm, a.rule, a.scope, coalesce(a.incident, '')
FROM lifeline.alarm_events e JOIN lifeline.alarms a USING (alarm)
WHERE e.event = ANY (SELECT s || '.' || n FROM unnest(%(seqs)s::bigint[]) s, generate_series(0, 499) n)
  AND e.kind <> 'raised' ORDER BY e.time, e.event LIMIT 50

-- name: incidents
-- Incidents these rows opened, and those that their alarms belong to.
SELECT incident, opened_at, lifeline.level_word(peak_level), coalesce(title ->> 'en', incident), seq = ANY (%(seqs)s)
FROM lifeline.incidents WHERE seq = ANY (%(seqs)s) OR incident = ANY (%(incidents)s) ORDER BY opened_at, incident LIMIT 20

-- name: incident_events
-- What people did about them, and what else became of them.
SELECT time, incident, kind, actor, note FROM lifeline.incident_events
WHERE incident = ANY (%(incidents)s) AND kind <> 'opened' ORDER BY time, event LIMIT 100

-- name: notices
-- Notices decided on these rows, and those of incidents that these rows opened.
SELECT notice, channel, target, kind, state, created_at, decided_at, sent_at, delivered_at, attempts, answer
FROM lifeline.notices WHERE seq = ANY (%(seqs)s) OR incident = ANY (%(incidents)s) ORDER BY created_at, notice LIMIT 100

-- name: sensor
-- Whether there is a sensor of this id.
SELECT FROM city.sensors WHERE sensor = %(sensor)s

-- name: near
-- The times of a sensor's readings next to an instant, at most a day away.
SELECT time FROM (
    (SELECT time FROM city.readings
     WHERE sensor = %(sensor)s AND time < %(at)s AND time > %(at)s - interval '1 day' ORDER BY time DESC LIMIT 1)
    UNION ALL
    (SELECT time FROM city.readings
     WHERE sensor = %(sensor)s AND time > %(at)s AND time < %(at)s + interval '1 day' ORDER BY time LIMIT 1)) AS beside
ORDER BY time
