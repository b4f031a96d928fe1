-- name: beat
-- A role lives, by the wall clock; what it has heard is by the city's clock and never goes back. When a recorder says
-- that it listens anew, the span in which nobody heard anything is kept: nothing was silent in it.
WITH deaf AS (
    INSERT INTO lifeline.deafness (since, until)
    SELECT lifeline.from_us(now_.listening_us), r.heard_until
    FROM (SELECT (%(detail)s::jsonb ->> 'listening_us')::bigint AS listening_us) now_
    LEFT JOIN lifeline.roles r ON r.role = %(role)s
    WHERE now_.listening_us > 0 AND now_.listening_us IS DISTINCT FROM (r.detail ->> 'listening_us')::bigint
    ON CONFLICT DO NOTHING
)
INSERT INTO lifeline.roles AS r (role, pid, started_at, beat_at, heard_until, detail, born_at, process)
VALUES (%(role)s, %(pid)s, now(), now(), %(heard_until)s, %(detail)s::jsonb, %(born_at)s, %(process)s::jsonb)
ON CONFLICT (role) DO UPDATE
SET started_at = CASE WHEN r.pid = excluded.pid AND coalesce(excluded.born_at <= r.born_at, true) THEN r.started_at
                      ELSE excluded.started_at END,
    restarts = r.restarts + coalesce(excluded.born_at > r.born_at, false)::integer,
    born_at = greatest(r.born_at, excluded.born_at), process = excluded.process, pid = excluded.pid,
    beat_at = excluded.beat_at, heard_until = greatest(r.heard_until, excluded.heard_until), detail = excluded.detail

-- name: beats
-- Every role that ever ran, with the seconds since it last beat.
SELECT role, pid, started_at, beat_at, extract(epoch FROM now() - beat_at)::float8, heard_until, detail, restarts, process
FROM lifeline.roles ORDER BY role

-- name: report
-- `since` is when the state last changed, by the city's clock.
INSERT INTO lifeline.health AS h (name, value, unit, state, since, reported_at, advice, text)
VALUES (%s, %s, %s, %s, city.now(), city.now(), %s, %s)
ON CONFLICT (name) DO UPDATE
SET value = excluded.value, unit = excluded.unit, state = excluded.state, advice = excluded.advice, text = excluded.text,
    reported_at = excluded.reported_at,
    since = CASE WHEN h.state = excluded.state THEN h.since ELSE excluded.since END

-- name: set_clock
-- The city runs on this clock from now on.
INSERT INTO lifeline.clock (origin, wall, speed) VALUES (%s, %s, %s)
ON CONFLICT (only_row) DO UPDATE SET origin = excluded.origin, wall = excluded.wall, speed = excluded.speed

-- name: wall_clock
-- The city runs on the wall's clock.
DELETE FROM lifeline.clock

-- name: reject
-- Rejections come in runs, and each is a row.
COPY lifeline.rejections (received_at, gateway, topic, sensor, time, reason, detail, payload) FROM STDIN (FORMAT BINARY)

-- name: clock
-- The city's clock: its time at a wall time, and how fast it runs; no row: the wall's.
SELECT origin, wall, speed FROM lifeline.clock
