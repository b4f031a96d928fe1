-- name: stage
-- What the rule book in force says; gone at the commit.
CREATE TEMPORARY TABLE IF NOT EXISTS lifeline_limits
(sensor text NOT NULL, rule text NOT NULL, level smallint NOT NULL, side text NOT NULL, value float8 NOT NULL)
ON COMMIT DELETE ROWS

-- name: empty
-- A transaction may sync more than once.
DELETE FROM lifeline_limits

-- name: copy
-- All rows in one go.
COPY lifeline_limits (sensor, rule, level, side, value) FROM STDIN

-- name: gone
-- Limits that no rule sets any more.
DELETE FROM lifeline.limits l WHERE NOT EXISTS (
    SELECT FROM lifeline_limits n
    WHERE (n.sensor, n.rule, n.level, n.side, n.value) = (l.sensor, l.rule, l.level, l.side, l.value))

-- name: come
-- Limits that are new.
INSERT INTO lifeline.limits (sensor, rule, level, side, value)
SELECT sensor, rule, level, side, value FROM lifeline_limits ON CONFLICT DO NOTHING
