-- name: next
-- The oldest piece of readings that is over and not packed yet, and neither becomes columns soon nor refuses.
SELECT p.piece, pg_indexes_size(p.piece::regclass) FROM lifeline.pieces('readings') p
WHERE p.last <= %(over)s AND p.last > coalesce(%(past)s::timestamptz, '-infinity')
  AND NOT EXISTS (SELECT FROM lifeline.packed k WHERE k.piece = p.piece) AND NOT lifeline.passed_over('indexes', p.piece)
ORDER BY p.last LIMIT 1

-- name: leftovers
-- Indexes that an interrupted rebuild left half-made.
SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.indrelid = %s::regclass AND NOT i.indisvalid

-- name: done
-- Once is enough: what comes late afterwards costs little.
INSERT INTO lifeline.packed (piece) VALUES (%s) ON CONFLICT DO NOTHING

-- name: forget
-- Pieces that retention has let go.
DELETE FROM lifeline.packed k WHERE to_regclass(k.piece) IS NULL
