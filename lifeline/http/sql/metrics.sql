-- name: metric_gateways
-- Gateways of each district: silent ones as on the page of gateways, and those whose clocks are off by a minute or more.
SELECT g.district, count(*) AS gateways,
       count(*) FILTER (WHERE coalesce(NOT g.online, false) OR g.last_seen IS NULL
           OR city.now() - g.last_seen > greatest(3 * g.interval_s, 300) * interval '1 second') AS silent,
       count(*) FILTER (WHERE abs(g.skew_s) >= 60) AS skewed,
       sum(g.messages)::bigint AS messages, sum(g.published)::bigint AS published, sum(g.received)::bigint AS received,
       sum(g.stored)::bigint AS stored, sum(g.repeated)::bigint AS repeated, sum(g.rejected)::bigint AS rejected,
       sum(g.missing)::bigint AS missing, sum(g.buffered)::bigint AS buffered
FROM city.gateways g GROUP BY g.district ORDER BY g.district

-- name: metric_stages
-- Open incidents by stage; exercises apart.
SELECT stage, count(*) AS incidents FROM city.incidents WHERE closed_at IS NULL AND NOT drill GROUP BY stage ORDER BY stage

-- name: metric_notices
-- Notices of the last day by channel and state.
SELECT channel, state, count(*) AS notices FROM city.notices WHERE created_at > city.now() - interval '1 day'
GROUP BY channel, state ORDER BY channel, state

-- name: metric_waiting
-- Notices on their way, and how long the oldest that is due has waited.
SELECT channel, count(*) AS waiting,
       coalesce(extract(epoch FROM city.now() - min(created_at) FILTER (
           WHERE coalesce(next_try_at, created_at) <= city.now())), 0)::float8 AS oldest_s
FROM city.notices WHERE state IN ('queued', 'sending') GROUP BY channel ORDER BY channel

-- name: metric_stale
-- Sensors nothing fresh is known of.
SELECT count(*) AS stale FROM city.latest WHERE stale

-- name: metric_commits
-- How long readings of the last minute took from their arrival to the commit.
SELECT count(*) AS batches, coalesce(sum(rows), 0)::bigint AS readings,
       coalesce(max(extract(epoch FROM recorded_at - first_at)), 0)::float8 AS slowest_s,
       coalesce(avg(extract(epoch FROM recorded_at - last_at)), 0)::float8 AS mean_s
FROM lifeline.hearing
WHERE recorded_at > city.now() - interval '1 minute' AND kind = 'readings' AND first_at IS NOT NULL

-- name: metric_followers
-- How far each follower of the journal is behind, and how old its last snapshot is.
SELECT f.follower, count(j.seq) AS behind_rows,
       coalesce(extract(epoch FROM city.now() - min(j.recorded_at)), 0)::float8 AS behind_s,
       extract(epoch FROM city.now() - s.made_at)::float8 AS snapshot_age_s
FROM lifeline.followers f LEFT JOIN lifeline.snapshots s USING (follower)
LEFT JOIN lifeline.journal j ON j.seq > f.seq
GROUP BY f.follower, s.made_at ORDER BY f.follower

-- name: metric_rows
-- Rows ever inserted into some tables, as the server counts them.
SELECT relname AS name, n_tup_ins AS inserted FROM pg_stat_user_tables
WHERE schemaname = 'lifeline' AND relname IN ('alarms', 'incidents', 'findings', 'notices', 'rejections')

-- name: metric_sessions
-- Connections to this database, of Lifeline's parts and of all others together.
SELECT CASE WHEN application_name LIKE 'lifeline%%' THEN application_name ELSE 'other' END AS application,
       count(*) AS sessions
FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' GROUP BY 1 ORDER BY 1

-- name: metric_journal
-- Rows of the journal, and its newest number.
SELECT count(*) AS kept, coalesce(max(seq), 0) AS newest FROM lifeline.journal

-- name: metric_health
-- Every line of health.
SELECT name, state, value FROM city.health ORDER BY name

-- name: metric_roles
-- Every role: its signs of life, restarts, what it uses, what it counts.
SELECT role, extract(epoch FROM now() - beat_at)::float8 AS age_s, extract(epoch FROM started_at)::float8 AS started_s,
       restarts, process, detail
FROM lifeline.roles ORDER BY role
