-- What is well is shown too, in words beside the number; and how large the database was, so that its growth is known.

ALTER TABLE lifeline.health ADD COLUMN text text NOT NULL DEFAULT '';

-- One row an hour (by the wall's clock: a disk fills in real time), kept for five weeks.
CREATE TABLE lifeline.sizes (
    hour        timestamptz PRIMARY KEY,
    bytes       bigint NOT NULL
);

CREATE OR REPLACE VIEW city.health AS
SELECT name, value, unit, state, since, advice, text FROM lifeline.health
UNION ALL
SELECT 'role_' || role, extract(epoch FROM now() - beat_at)::float8, 's',
       CASE WHEN now() - beat_at > interval '30 seconds' THEN 'fault' ELSE 'ok' END, beat_at,
       CASE WHEN now() - beat_at > interval '30 seconds'
            THEN 'this role has not beaten for a while: see its log, start it again' ELSE '' END,
       'last sign of life ' || round(extract(epoch FROM now() - beat_at)) || ' s ago'
FROM lifeline.roles;
