-- name: note
-- A piece that refused once more, and why.
INSERT INTO lifeline.hindered AS h (work, piece, error) VALUES (%(work)s, %(piece)s, %(error)s)
ON CONFLICT (work, piece) DO UPDATE SET failures = h.failures + 1, failed_at = now(), error = excluded.error

-- name: clear
-- It is done after all.
DELETE FROM lifeline.hindered WHERE work = %(work)s AND piece = %(piece)s

-- name: standing
-- How many pieces refuse, and the one that refused last; those that retention has let go do not.
SELECT count(*) OVER (), piece, failures, error FROM lifeline.hindered
WHERE to_regclass(piece) IS NOT NULL ORDER BY failed_at DESC LIMIT 1

-- name: forget
-- Pieces that are gone.
DELETE FROM lifeline.hindered WHERE to_regclass(piece) IS NULL
