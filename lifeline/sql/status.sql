-- name: now
-- The city's time.
SELECT city.now()

-- name: standing
-- Open incidents by level and stage; exercises apart.
SELECT level, stage, count(*), count(*) FILTER (WHERE NOT acknowledged) FROM city.incidents
WHERE closed_at IS NULL AND NOT drill GROUP BY level, stage
ORDER BY array_position(ARRAY['red', 'orange', 'yellow', 'blue', 'none'], level), stage

-- name: rejected
-- Refused in the last minute.
SELECT count(*) FROM lifeline.rejections WHERE received_at > city.now() - interval '1 minute'

-- name: health
-- Every line of health, what is wrong first.
SELECT name, state, text, advice, runbook, value FROM city.health
ORDER BY array_position(ARRAY['fault', 'warning', 'ok'], state), name
