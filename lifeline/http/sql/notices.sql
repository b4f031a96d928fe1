-- name: notice_list
-- The outbox, newest first.
SELECT n.*, coalesce(l.content -> 'to' ->> 'name', n.target) AS target_name, l.next_try_at, i.title, i.title_zh
FROM city.notices n JOIN lifeline.notices l USING (notice) LEFT JOIN city.incidents i ON i.incident = n.incident
WHERE (%(state)s::text IS NULL OR n.state = %(state)s) AND (%(channel)s::text IS NULL OR n.channel = %(channel)s)
  AND (%(target)s::text IS NULL OR n.target = %(target)s)
ORDER BY n.created_at DESC, n.notice LIMIT %(limit)s OFFSET %(offset)s

-- name: notice_counts
-- Notices by channel and state of the last day, and the oldest that waits.
SELECT channel, state, count(*) AS n, min(created_at) FILTER (WHERE state IN ('queued', 'sending')) AS oldest
FROM city.notices WHERE created_at > city.now() - interval '1 day' OR state IN ('queued', 'sending')
GROUP BY channel, state ORDER BY channel, state

-- name: floods
-- Floods, those that go on first.
SELECT flood, desk, drill, since, started_at, ended_at, alarms, peak, digests FROM city.floods
ORDER BY (ended_at IS NOT NULL), started_at DESC LIMIT %(limit)s

-- name: floods_now
-- Floods that go on, exercises apart.
SELECT flood, desk, since, started_at, alarms, peak FROM city.floods WHERE ended_at IS NULL AND drill = ''
ORDER BY started_at

-- name: flood
-- One flood.
SELECT flood, desk, drill, since, started_at, ended_at, alarms, peak, digests FROM city.floods WHERE flood = %(flood)s

-- name: flood_alarms
-- All that came in a flood, in the order in which it was told.
SELECT f.alarm, f.incident, f.told_at, f.first, f.district, f.domain, f.sensor, f.scope, f.level, f.peak_level,
       f.raised_at, f.cleared_at, f.stands, f.title, f.title_zh, s.name AS site_name, s.name_zh AS site_name_zh
FROM city.flood_alarms f LEFT JOIN city.sites s USING (site) WHERE f.flood = %(flood)s
ORDER BY f.told_at, f.alarm LIMIT %(limit)s

-- name: drills_now
-- Exercises that run.
SELECT drill, title, title_zh, started_at, until, by FROM city.drills WHERE state = 'running' ORDER BY started_at
