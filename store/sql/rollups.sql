-- name: only_one
-- One keeper works at a time; the lock goes with its connection.
SELECT pg_try_advisory_lock(7234017283807667204)

-- name: due
-- Marked buckets that are over, whose marks have waited long enough for others to join them, and whose parts are done:
-- the shortest first, newest first.
SELECT d.minutes, d.bucket FROM lifeline.dirty_buckets d
WHERE d.bucket + make_interval(mins => d.minutes, secs => %(settle_s)s) <= %(now)s
  AND NOT EXISTS (
      SELECT FROM lifeline.dirty_buckets p WHERE p.minutes < d.minutes
      AND p.bucket >= d.bucket AND p.bucket < d.bucket + make_interval(mins => d.minutes))
GROUP BY d.minutes, d.bucket
HAVING min(d.marked_at) <= now() - make_interval(secs => %(wait_s)s)
ORDER BY d.minutes, d.bucket DESC LIMIT %(limit)s

-- name: refresh
-- Compute one bucket again.
SELECT lifeline.refresh_bucket(%s, %s)

-- name: summarize
-- Let the newest rows be found by time.
SELECT lifeline.summarize(%s)

-- name: prepare
-- Pieces that will be needed.
SELECT lifeline.prepare_readings(%(first)s, %(last)s), lifeline.prepare_rollup(rollup, at)
FROM unnest(ARRAY['rollup_5m', 'rollup_1h']) AS rollup,
     generate_series(%(first)s::timestamptz, %(last)s, '1 day') AS at

-- name: compact
-- Many marks of a bucket become one.
SELECT lifeline.compact_marks()

-- name: waiting
-- Buckets that are over and not yet computed, and since when the oldest mark waits (seconds, wall clock).
SELECT count(DISTINCT (minutes, bucket)), coalesce(extract(epoch FROM now() - min(marked_at)), 0)::float8
FROM lifeline.dirty_buckets WHERE bucket + make_interval(mins => minutes) <= %s
