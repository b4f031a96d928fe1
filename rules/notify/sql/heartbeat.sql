-- name: counts
-- How much is open and waits, for whoever listens outside. Exercises count in the outbox alone.
SELECT (SELECT count(*) FROM lifeline.incidents WHERE closed_at IS NULL AND NOT drill),
       (SELECT count(*) FROM lifeline.incidents WHERE closed_at IS NULL AND level = 4 AND NOT drill),
       count(*), coalesce(extract(epoch FROM %(now)s - min(created_at)), 0)::float8
FROM lifeline.notices WHERE state IN ('queued', 'sending')

-- name: audit_head
-- The newest row of the audit log: kept outside, it shows whether the log was cut off or made anew.
SELECT seq, encode(hash, 'hex') FROM lifeline.audit ORDER BY seq DESC LIMIT 1
