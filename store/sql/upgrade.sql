-- name: busy
-- Roles of Lifeline that are connected here, other than this command's own sessions.
SELECT DISTINCT application_name FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'lifeline %'
  AND application_name NOT IN ('lifeline upgrade', 'lifeline doctor', 'lifeline migrate') ORDER BY 1

-- name: picture
-- One picture of everything, for as long as the copying takes.
BEGIN ISOLATION LEVEL REPEATABLE READ

-- name: hold
-- Nobody writes here until the move is over: what came later would be left behind.
LOCK TABLE {tables} IN SHARE MODE NOWAIT

-- name: parents
-- Which table must be there before which: references.
SELECT c.relname, p.relname FROM pg_constraint f
JOIN pg_class c ON c.oid = f.conrelid JOIN pg_class p ON p.oid = f.confrelid
WHERE f.contype = 'f' AND c.relnamespace = 'lifeline'::regnamespace AND f.conparentid = 0 AND c.oid <> p.oid

-- name: days
-- The days (UTC) of a series, from the bounds of its pieces cut to what there is.
SELECT d.day, d.day + interval '1 day'
FROM lifeline.pieces({name}) p,
     LATERAL (SELECT min({time}) AS first, max({time}) AS last FROM {table} WHERE {time} >= p.first AND {time} < p.last) w,
     LATERAL (SELECT generate_series(date_trunc('day', w.first, 'UTC'), w.last, '1 day') AS day) d
WHERE w.first IS NOT NULL GROUP BY d.day ORDER BY d.day

-- name: sum
-- Rows and the sum of a hash of each: equal sums mean equal rows, in any order, on any tier.
SELECT count(*), coalesce(sum(hashtextextended(ROW({columns})::text, 0)::numeric), 0)::text FROM {table} {span}

-- name: copy_out
-- In the format that every server reads back unchanged.
COPY (SELECT {columns} FROM {table} {span}) TO STDOUT (FORMAT BINARY)

-- name: copy_in
-- The other end.
COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)

-- name: span
-- A stretch of a series; bounds are written in, so that other pieces are left out.
WHERE {time} >= {first} AND {time} < {past}

-- name: sequences
-- Where numbering stands: numbers once given never come again.
SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'lifeline' AND last_value IS NOT NULL

-- name: set_sequence
-- Number on from there.
SELECT setval(to_regclass('lifeline.' || quote_ident(%s)), %s)
