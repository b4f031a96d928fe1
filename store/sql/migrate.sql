-- name: lock
-- One migrator at a time; a session lock, because each migration is a transaction of its own.
SELECT pg_advisory_lock(%s)

-- name: unlock
-- Let the next migrator in.
SELECT pg_advisory_unlock(%s)

-- name: house
-- What the runner itself needs before the first migration.
SET client_min_messages = warning;
CREATE SCHEMA IF NOT EXISTS lifeline;
CREATE TABLE IF NOT EXISTS lifeline.meta (
    key         text PRIMARY KEY,
    value       text NOT NULL
);
CREATE TABLE IF NOT EXISTS lifeline.migrations (
    name        text PRIMARY KEY,
    checksum    text NOT NULL,
    tier        text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
)

-- name: offers
-- Is TimescaleDB created here, could it be, and under which licence does it run? Preloaded, it has settings that anybody
-- may read (`shared_preload_libraries` itself is for administrators only).
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb'),
       EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
           AND current_setting('timescaledb.max_background_workers', true) IS NOT NULL,
       coalesce(current_setting('timescaledb.license', true), '')

-- name: create_extension
-- Only where the server preloads it. Not in a schema of ours, which "$user" may name first.
CREATE EXTENSION IF NOT EXISTS timescaledb SCHEMA public

-- name: exists
-- Is there a table of this name?
SELECT to_regclass(%s) IS NOT NULL

-- name: recorded_tier
-- The tier this database was migrated for.
SELECT value FROM lifeline.meta WHERE key = 'tier'

-- name: record_tier
-- Remember the tier this database was migrated for.
INSERT INTO lifeline.meta (key, value) VALUES ('tier', %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value

-- name: applied
-- What was applied, and what it looked like then.
SELECT name, checksum FROM lifeline.migrations ORDER BY name

-- name: record
-- Written in the transaction of the migration itself.
INSERT INTO lifeline.migrations (name, checksum, tier) VALUES (%s, %s, %s)

-- name: be_patient
-- Rather give way and try again than queue everybody else up behind a table lock.
SET LOCAL lock_timeout = '10s'

-- name: size
-- What the tables named, with all their pieces and indexes, take on the disk; those not there yet take nothing.
SELECT coalesce(sum(pg_total_relation_size(tree.relid)), 0)::bigint
FROM unnest(%s::text[]) AS t (name), LATERAL (
    SELECT to_regclass(t.name) AS relid WHERE to_regclass(t.name) IS NOT NULL
    UNION SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass(t.name)) AS tree
