-- name: lock
-- One folder is applied at a time; before anything else, so that the later one compares with the earlier one.
SELECT pg_advisory_xact_lock(7234017283807667201)

-- name: current
-- The folder in force, and its files.
SELECT b.bundle, b.files FROM lifeline.current_bundle c JOIN lifeline.bundles b USING (bundle)

-- name: current_hash
-- Cheap enough to ask every second.
SELECT bundle FROM lifeline.current_bundle

-- name: get
-- The files of a folder once applied.
SELECT files FROM lifeline.bundles WHERE bundle = %s

-- name: part
-- Those files of a folder once applied whose path begins so.
SELECT coalesce(jsonb_object_agg(f.key, f.value), '{}') FROM lifeline.bundles b CROSS JOIN jsonb_each(b.files) f
WHERE b.bundle = %s AND starts_with(f.key, %s)

-- name: keep
-- A folder that was in force before is the same row again.
INSERT INTO lifeline.bundles (bundle, files, applied_at) VALUES (%s, %s, %s)
ON CONFLICT (bundle) DO UPDATE SET applied_at = excluded.applied_at

-- name: make_current
-- From the commit on this folder is in force.
INSERT INTO lifeline.current_bundle (bundle) VALUES (%s) ON CONFLICT (only_row) DO UPDATE SET bundle = excluded.bundle
