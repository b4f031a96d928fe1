-- Alarms are held, latched and read as ISA-18.2 states; what people hold, and what they decided about it, has tables.

ALTER TABLE lifeline.alarms
    ADD COLUMN hold_reason text NOT NULL DEFAULT '',
    ADD COLUMN gateway text NOT NULL DEFAULT '';
ALTER TABLE lifeline.alarm_events
    ADD COLUMN from_hold text NOT NULL DEFAULT '',
    ADD COLUMN to_hold text NOT NULL DEFAULT '',
    ADD COLUMN rule_version text NOT NULL DEFAULT '';
CREATE INDEX alarms_latched ON lifeline.alarms (scope) WHERE latched;

-- What people hold: an alarm (rule/scope) on a shelf, or a sensor out of service. Ended rows stay.
CREATE TABLE lifeline.shelves (
    shelf       text PRIMARY KEY,
    hold        text NOT NULL CHECK (hold IN ('shelved', 'out_of_service')),
    target      text NOT NULL,
    rule        text NOT NULL DEFAULT '',
    scope       text NOT NULL,
    level       smallint NOT NULL,                 -- a higher level breaks through a shelf
    one_shot    boolean NOT NULL,                  -- ends as soon as the condition is normal
    since       timestamptz NOT NULL,
    until       timestamptz NOT NULL,
    by          text NOT NULL,
    reason      text NOT NULL,
    via         text NOT NULL,
    ended_at    timestamptz,
    ended_why   text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX shelves_standing ON lifeline.shelves (hold, target) WHERE ended_at IS NULL;

-- Every decision about them, and every refusal, with its reason.
CREATE TABLE lifeline.hold_events (
    event       text PRIMARY KEY,                  -- deterministic: journal seq and position
    time        timestamptz NOT NULL,
    target      text NOT NULL,
    kind        text NOT NULL,
    actor       text NOT NULL DEFAULT '',
    note        text NOT NULL DEFAULT '',
    via         text NOT NULL DEFAULT ''
);
CREATE INDEX hold_events_target ON lifeline.hold_events (target, time);

-- The derived state of the four fields; rules/alarm/alarm.py has the table of what it means.
CREATE FUNCTION lifeline.alarm_state(condition text, acknowledged boolean, hold text, latched boolean)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN condition NOT IN ('normal', 'retracted') THEN
            CASE WHEN hold <> '' THEN hold WHEN acknowledged THEN 'acknowledged' ELSE 'unacknowledged' END
        WHEN latched THEN 'latched'
        WHEN acknowledged OR hold <> '' OR condition = 'retracted' THEN 'normal'
        ELSE 'returned_unacknowledged' END
$$;

CREATE OR REPLACE VIEW city.alarms AS
SELECT alarm, rule, rule_version, scope, sensor, site, district, domain, lifeline.level_word(level) AS level,
       lifeline.level_word(peak_level) AS peak_level, condition, acknowledged, hold, latched, raised_at, cleared_at, late,
       incident, coalesce(title ->> 'en', rule) AS title, title ->> 'zh' AS title_zh,
       lifeline.alarm_state(condition, acknowledged, hold, latched) AS state, hold_reason, gateway
FROM lifeline.alarms;

CREATE OR REPLACE VIEW city.alarm_events AS
SELECT time, recorded_at, alarm, kind, lifeline.level_word(from_level) AS from_level,
       lifeline.level_word(to_level) AS to_level, from_condition, to_condition, reason, evidence, event, from_hold,
       to_hold, rule_version
FROM lifeline.alarm_events;

-- What people hold now.
CREATE VIEW city.shelves AS
SELECT shelf, target AS key, hold AS kind, rule, scope, lifeline.level_word(level) AS level, one_shot, since, until, by,
       reason, via
FROM lifeline.shelves WHERE ended_at IS NULL;

CREATE VIEW city.hold_events AS
SELECT time, target AS key, kind, actor, note, via, event FROM lifeline.hold_events;

-- Sensors nobody hears because their gateway is silent: since when it counts as that, and when each was last heard.
CREATE VIEW city.blind AS
SELECT s.sensor, s.gateway, s.site, t.district, a.raised_at AS since, l.received_at AS last_heard, a.alarm
FROM lifeline.alarms a
JOIN lifeline.sensors s ON s.gateway = a.scope AND s.in_register
JOIN lifeline.sites t ON t.site = s.site
LEFT JOIN lifeline.latest l USING (sensor_id)
WHERE a.sensor IS NULL AND a.cleared_at IS NULL AND a.condition <> 'orphaned';
