-- name: lock
-- Count an incident's photos one report after the other.
SELECT pg_advisory_xact_lock(hashtextextended(%(incident)s, 44))

-- name: keep
-- Keep a photo; the same one of the same incident is there already.
INSERT INTO lifeline.attachments (attachment, incident, person, at, command, media_type, width, height, bytes)
VALUES (%(id)s, %(incident)s, %(person)s, %(at)s, %(command)s, 'image/jpeg', %(width)s, %(height)s, %(bytes)s)
ON CONFLICT DO NOTHING

-- name: count
-- How many photos an incident has.
SELECT count(*) FROM lifeline.attachments WHERE incident = %(incident)s

-- name: find
-- A photo's bytes, of one incident or of any; the row policy hides what may not be seen.
SELECT bytes FROM lifeline.attachments
WHERE attachment = %(id)s AND (%(incident)s::text IS NULL OR incident = %(incident)s) LIMIT 1
