-- name: begin
-- One picture of everything, however long the copying takes, while the system goes on writing.
BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY

-- name: snapshot
-- A name by which pg_dump sees the same picture.
SELECT pg_export_snapshot()

-- name: plain_text
-- Rows as text must not depend on how a server is set up: checksums are made of it.
SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET bytea_output = 'hex'; SET extra_float_digits = 1;
SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0

-- name: tables
-- Every table of ours. A series is one in pieces (native partitions, chunks): pg_dump would take the pieces, which
-- another tier does not have.
SELECT c.relname, c.relkind = 'p' OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid)
FROM pg_class c
WHERE c.relnamespace = 'lifeline'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY c.relname

-- name: columns
-- The columns of a table that are stored, and their types.
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum

-- name: meta
-- What is known about the database itself.
SELECT key, value FROM lifeline.meta ORDER BY key

-- name: migrations
-- What was applied, in order.
SELECT name FROM lifeline.migrations ORDER BY name

-- name: set_meta
-- All but the tier, which is the target's own.
INSERT INTO lifeline.meta (key, value) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value

-- name: has_house
-- Was this database ever Lifeline's?
SELECT to_regnamespace('lifeline') IS NOT NULL, to_regclass('lifeline.restoring') IS NOT NULL

-- name: is_used
-- A migrated database that no city was ever applied to holds nothing.
SELECT EXISTS (SELECT FROM lifeline.bundles) OR EXISTS (SELECT FROM lifeline.journal)
       OR EXISTS (SELECT FROM lifeline.readings)

-- name: clear
-- What an unfinished restore, or a migration without a city, left behind.
DROP SCHEMA IF EXISTS city CASCADE; DROP SCHEMA IF EXISTS lifeline CASCADE

-- name: mark
-- While this table stands the restore is not finished; everything that starts on the database looks for it.
CREATE SCHEMA lifeline;
CREATE TABLE lifeline.restoring (file text NOT NULL, begun_at timestamptz NOT NULL DEFAULT now())

-- name: mark_file
-- From which file.
INSERT INTO lifeline.restoring (file) VALUES (%s)

-- name: unmark
-- In the transaction that brings the last of it.
DROP TABLE lifeline.restoring

-- name: prepare_readings
-- Partitions must be there before their first row.
SELECT lifeline.prepare_readings(%(first)s, %(last)s)

-- name: prepare_rollup
-- The same for a roll-up: both ends, for a piece of it is a month and a week may lie in two.
SELECT lifeline.prepare_rollup(%(table)s, at) FROM unnest(ARRAY[%(first)s, %(last)s]::timestamptz[]) AS at

-- name: unname_marks
-- Marks are named after transactions of the server they came from: here the same number may come again.
SELECT lifeline.compact_marks()

-- name: append_only
-- Tables that refuse to be emptied: nothing but Lifeline at work writes them.
SELECT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE t.tgname = 'append_only' AND c.relnamespace = 'lifeline'::regnamespace
