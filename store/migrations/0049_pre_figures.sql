-- What pages of figures ask: what was told at desks, holds that are over, roles, sizes, bundles, spans that nobody heard.

-- An alarm told at a desk: what load is counted by. `counted`: it is not diagnostic.
CREATE VIEW city.annunciations AS
SELECT at, desk, alarm, incident, district, domain, counted, first, drill, annunciation FROM lifeline.annunciations;
CREATE INDEX annunciations_at ON lifeline.annunciations (at);

-- What people held, ended or not; city.shelves has those that hold now.
CREATE VIEW city.shelf_history AS
SELECT shelf, target AS key, hold AS kind, rule, scope, lifeline.level_word(level) AS level, one_shot, since, until, by,
       reason, via, ended_at, ended_why
FROM lifeline.shelves;

-- Which roles run, by the wall's clock: seconds since each gave its last sign of life, and what it counts of itself.
CREATE VIEW city.roles AS
SELECT role, started_at, beat_at, date_part('epoch', now() - beat_at) AS age_s,
       date_part('epoch', now() - started_at) AS running_s, heard_until, detail
FROM lifeline.roles;

-- How large the database was, by the wall's clock.
CREATE VIEW city.sizes AS SELECT hour, bytes FROM lifeline.sizes;

-- The city folder as it was applied: which, and when; one is in force.
CREATE VIEW city.bundles AS
SELECT bundle, applied_at, bundle = (SELECT bundle FROM lifeline.current_bundle) AS in_force FROM lifeline.bundles;

-- Spans in which Lifeline itself heard nothing, so that silence in them is nobody else's.
CREATE VIEW city.deafness AS SELECT until AS from_time, since AS to_time FROM lifeline.deafness;

CREATE INDEX findings_late_detected ON lifeline.findings (time) WHERE channel = 'late_detected';

-- When each line of health was last said (`since` is when its state changed): what nobody says any more is no longer known.
-- Roles beat by the wall's clock, everything else is by the city's.
ALTER TABLE lifeline.health ADD COLUMN reported_at timestamptz NOT NULL DEFAULT city.now();
CREATE OR REPLACE VIEW city.health AS
SELECT name, value, unit, state, since, advice, text, reported_at,
       date_part('epoch', city.now() - reported_at) AS age_s
FROM lifeline.health
UNION ALL
SELECT 'role_' || role, extract(epoch FROM now() - beat_at)::float8, 's',
       CASE WHEN now() - beat_at > interval '30 seconds' THEN 'fault' ELSE 'ok' END, beat_at,
       CASE WHEN now() - beat_at > interval '30 seconds'
            THEN 'this role has not beaten for a while: see its log, start it again' ELSE '' END,
       'last sign of life ' || round(extract(epoch FROM now() - beat_at)) || ' s ago', beat_at,
       date_part('epoch', now() - beat_at)
FROM lifeline.roles;
