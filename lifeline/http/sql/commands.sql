-- name: lock_mark
-- Let nobody else send the same form until this transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended(%(mark)s, 7))

-- name: marked
-- The journal row of the form, if it was sent before.
SELECT seq FROM lifeline.command_marks WHERE mark = %(mark)s

-- name: mark
-- The form was sent: that is its row.
INSERT INTO lifeline.command_marks (mark, seq) VALUES (%(mark)s, %(seq)s)
