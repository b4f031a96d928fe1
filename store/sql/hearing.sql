-- name: recorded
-- First and last row of what was recorded in a span.
SELECT min(seq), max(seq), coalesce(sum(rows), 0)::bigint FROM lifeline.hearing
WHERE recorded_at >= %(from)s AND recorded_at < %(to)s

-- name: measured
-- First and last row with readings that were measured in a span, whenever they came.
SELECT min(seq), max(seq), coalesce(sum(rows), 0)::bigint FROM lifeline.hearing
WHERE newest >= %(from)s AND oldest < %(to)s

-- name: rows
-- The next rows of a range, in journal order.
SELECT seq, kind, recorded_at, rows, first_at, last_at, oldest, newest, payload FROM lifeline.hearing
WHERE seq > %(after)s AND seq <= %(last)s ORDER BY seq LIMIT %(limit)s

-- name: besides
-- What was heard besides readings, in journal order.
SELECT seq, kind, recorded_at, payload FROM lifeline.hearing
WHERE seq > %(after)s AND seq <= %(last)s AND kind <> 'readings' ORDER BY seq

-- name: arrived
-- Readings by arrival. The bounds on event time let whole partitions be left out.
COPY (
    SELECT sensor_id, flag, time, received_at, value FROM lifeline.measured
    WHERE received_at BETWEEN {first} AND {last} AND time BETWEEN {oldest} AND {newest}
    ORDER BY received_at, sensor_id, time
) TO STDOUT (FORMAT BINARY)

-- name: by_index
-- For this session: a block of readings is found by the indexes on time, also where statistics do not know better yet.
SET enable_seqscan = off

-- name: deaf
-- Spans in which nothing was heard.
SELECT until, since FROM lifeline.deafness ORDER BY since

-- name: in_force
-- The folder that was in force before a row.
SELECT convert_from(payload, 'UTF8')::jsonb ->> 'bundle' FROM lifeline.hearing
WHERE kind = 'bundle' AND seq < %(before)s ORDER BY seq DESC LIMIT 1

-- name: unheard
-- Readings measured in a span that no kept row tells of: they came before Lifeline kept this log.
SELECT min(received_at), max(received_at), count(*) FROM lifeline.readings
WHERE time >= %(from)s AND time < %(to)s
  AND received_at < coalesce((SELECT min(first_at) FROM lifeline.hearing), 'infinity')

-- name: forget
-- Rows older than the readings that are kept, in portions, oldest first.
DELETE FROM lifeline.hearing WHERE seq IN (
    SELECT seq FROM lifeline.hearing WHERE recorded_at < %(before)s AND coalesce(newest, recorded_at) < %(before)s
    ORDER BY seq LIMIT %(portion)s
)

-- name: forget_traces
-- Traces that gateways gave, of rows that are let go.
DELETE FROM lifeline.given_traces WHERE received_at < %(before)s

-- name: forget_deafness
-- The same for the spans in which nothing was heard.
DELETE FROM lifeline.deafness WHERE since < %(before)s
