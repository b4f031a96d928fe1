-- name: api_drills
-- Drills, newest first.
SELECT drill, state, scenario, title, title_zh, by, people, sensors, districts, started_at, until, ended_at, ended_why,
       jsonb_build_array((extract(epoch FROM started_at) * -1000000)::bigint, drill) AS page_key
FROM city.drills d
WHERE (%(state)s::text IS NULL OR d.state = %(state)s)
