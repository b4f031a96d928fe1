-- Drills: exercises that go the whole road of a running system, marked in every row they leave, apart from what is real.

ALTER TABLE lifeline.alarms ADD COLUMN drill text NOT NULL DEFAULT '';       -- the exercise it belongs to; empty: real
ALTER TABLE lifeline.incidents ADD COLUMN drill_id text NOT NULL DEFAULT '';
CREATE INDEX incidents_drill ON lifeline.incidents (drill_id) WHERE drill;

-- Readings of an exercise, and its beginning and end, are rows of the journal like everything else.
ALTER TABLE lifeline.journal DROP CONSTRAINT journal_kind_check;
ALTER TABLE lifeline.journal ADD CONSTRAINT journal_kind_check CHECK (
    kind IN ('readings', 'status', 'tick', 'command', 'bundle', 'platform', 'drill', 'exercise')) NOT VALID;
ALTER TABLE lifeline.hearing DROP CONSTRAINT hearing_kind_check;
ALTER TABLE lifeline.hearing ADD CONSTRAINT hearing_kind_check CHECK (
    kind IN ('readings', 'status', 'tick', 'command', 'bundle', 'platform', 'drill', 'exercise')) NOT VALID;

CREATE TABLE lifeline.drills (
    drill       text PRIMARY KEY,
    state       text NOT NULL CHECK (state IN ('running', 'ended', 'refused')),
    scenario    text NOT NULL,                     -- the file it was read from
    digest      text NOT NULL,                     -- sha256 of its text
    title       jsonb NOT NULL,
    by          text NOT NULL,
    people      text[] NOT NULL,                   -- only they are told; empty: whoever the chains name
    sensors     text[] NOT NULL,
    districts   text[] NOT NULL,
    wishes      jsonb NOT NULL,                    -- what the scenario expects of people
    seq         bigint NOT NULL,                   -- the journal row that began it
    started_at  timestamptz NOT NULL,
    until       timestamptz NOT NULL,              -- it ends then by itself
    ended_at    timestamptz,
    ended_why   text NOT NULL DEFAULT '',
    report      jsonb                              -- the response times, once it is over
);
CREATE INDEX drills_started_at ON lifeline.drills (started_at);
ALTER TABLE lifeline.drills ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.drills USING (
    (SELECT lifeline.sees_all(current_user)) OR districts && (SELECT lifeline.seen_districts(current_user))::text[]);

CREATE VIEW city.drills AS
SELECT drill, scenario, coalesce(title ->> 'en', scenario) AS title, title ->> 'zh' AS title_zh, started_at, ended_at, by,
       state, report, until, ended_why, people, sensors, districts, digest
FROM lifeline.drills;

CREATE OR REPLACE VIEW city.alarms AS
SELECT alarm, rule, rule_version, scope, sensor, site, district, domain, lifeline.level_word(level) AS level,
       lifeline.level_word(peak_level) AS peak_level, condition, acknowledged, hold, latched, raised_at, cleared_at, late,
       incident, coalesce(title ->> 'en', rule) AS title, title ->> 'zh' AS title_zh,
       lifeline.alarm_state(condition, acknowledged, hold, latched) AS state, hold_reason, gateway, drill
FROM lifeline.alarms;
CREATE OR REPLACE VIEW city.incidents AS
SELECT incident, site, district, lifeline.level_word(level) AS level, lifeline.level_word(peak_level) AS peak_level,
       stage, acknowledged, opened_at, closed_at, coalesce(title ->> 'en', incident) AS title, title ->> 'zh' AS title_zh,
       first_alarm, drill, version, acknowledged_at, falls_at, chain, chain_version, drill_id
FROM lifeline.incidents;

-- What sensors show on maps and walls is what is real.
CREATE OR REPLACE VIEW city.latest AS
SELECT s.sensor, l.time, l.value, l.flag,
       lifeline.level_word(coalesce(a.level, 0)) AS level,
       coalesce(date_part('epoch', (SELECT city.now()) - l.received_at) > greatest(3 * s.interval_s, 300), true) AS stale,
       date_part('epoch', (SELECT city.now()) - l.time) AS age_s
FROM lifeline.sensors s
LEFT JOIN lifeline.latest l USING (sensor_id)
LEFT JOIN (
    SELECT sensor, max(level)::integer AS level FROM lifeline.alarms WHERE cleared_at IS NULL AND drill = '' GROUP BY sensor
) a ON a.sensor = s.sensor
WHERE s.in_register;
CREATE OR REPLACE VIEW city.blind AS
SELECT s.sensor, s.gateway, s.site, t.district, a.raised_at AS since, l.received_at AS last_heard, a.alarm
FROM lifeline.alarms a
JOIN lifeline.sensors s ON s.gateway = a.scope AND s.in_register
JOIN lifeline.sites t ON t.site = s.site
LEFT JOIN lifeline.latest l USING (sensor_id)
WHERE a.sensor IS NULL AND a.cleared_at IS NULL AND a.condition <> 'orphaned' AND a.drill = '';
