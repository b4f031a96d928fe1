-- name: blocked
-- Whether this backend waits for a lock that another one has or wants.
SELECT cardinality(pg_blocking_pids(%s)) > 0
