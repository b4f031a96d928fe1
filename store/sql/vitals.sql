-- name: size
-- Everything in this database, and the server's own idea of the time.
SELECT pg_database_size(current_database()), now()

-- name: remember_size
-- The hour's last word counts.
INSERT INTO lifeline.sizes (hour, bytes) VALUES (date_trunc('hour', now()), %s)
ON CONFLICT (hour) DO UPDATE SET bytes = excluded.bytes

-- name: forget_sizes
-- Five weeks tell how a database grows.
DELETE FROM lifeline.sizes WHERE hour < now() - interval '35 days'

-- name: sizes
-- The last week's, oldest first.
SELECT hour, bytes FROM lifeline.sizes WHERE hour >= now() - interval '7 days' ORDER BY hour

-- name: data_directory
-- Where the server keeps it, if we may know; and whether that is on this machine.
SELECT (SELECT setting FROM pg_settings WHERE name = 'data_directory'),
       inet_server_addr() IS NULL OR inet_server_addr() <<= '127.0.0.0/8' OR inet_server_addr() = '::1'

-- name: speed
-- City seconds per second: what counts as a lag follows the city's clock.
SELECT coalesce((SELECT speed FROM lifeline.clock), 1.0)

-- name: journal
-- The oldest row that some follower has not taken in, and how many there are about; by the city's clock.
WITH place AS (SELECT coalesce(min(seq), 0) AS seq FROM lifeline.followers)
SELECT (SELECT extract(epoch FROM city.now() - j.recorded_at)::float8 FROM lifeline.journal j, place
        WHERE j.seq > place.seq ORDER BY j.seq LIMIT 1),
       (SELECT greatest(0, coalesce((SELECT max(j.seq) FROM lifeline.journal j), 0) - place.seq) FROM place)

-- name: recorder
-- City time since everything the broker had was committed; nothing before the recorder ever ran.
SELECT extract(epoch FROM city.now() - heard_until)::float8 FROM lifeline.roles WHERE role = 'recorder'

-- name: rollups
-- Roll-up buckets that wait to be computed again, and the oldest of them.
SELECT count(*), min(bucket) FROM (SELECT DISTINCT minutes, bucket FROM lifeline.dirty_buckets) AS waiting

-- name: bloat
-- Rows that are gone but still take room, in the table that has most of them (chunks and partitions one by one).
SELECT relname, n_dead_tup, n_live_tup FROM pg_stat_all_tables
WHERE schemaname IN ('lifeline', '_timescaledb_internal') ORDER BY n_dead_tup DESC LIMIT 1

-- name: jobs
-- What TimescaleDB's background jobs failed at in the last day.
SELECT count(*), (array_agg(proc_name || ': ' || err_message ORDER BY finish_time DESC))[1]
FROM timescaledb_information.job_errors WHERE finish_time > now() - interval '1 day'

-- name: job_count
-- How many background jobs there are.
SELECT count(*) FROM timescaledb_information.jobs
