-- Incidents count their changes, keep their chain and what people did about them, and each has clocks with a row each.

-- What Lifeline says of itself is heard by the engine too. (Not validated: the rows there met the narrower check.)
ALTER TABLE lifeline.journal DROP CONSTRAINT journal_kind_check;
ALTER TABLE lifeline.journal ADD CONSTRAINT journal_kind_check
    CHECK (kind IN ('readings', 'status', 'tick', 'command', 'bundle', 'platform')) NOT VALID;
ALTER TABLE lifeline.hearing DROP CONSTRAINT hearing_kind_check;
ALTER TABLE lifeline.hearing ADD CONSTRAINT hearing_kind_check
    CHECK (kind IN ('readings', 'status', 'tick', 'command', 'bundle', 'platform')) NOT VALID;

ALTER TABLE lifeline.incidents
    ADD COLUMN version integer NOT NULL DEFAULT 1,     -- grows with every change by a command, a stage, a level, an alarm
    ADD COLUMN acknowledged_at timestamptz,            -- null: nobody has, or it expired
    ADD COLUMN falls_at timestamptz,                   -- when its level falls if the lower one holds until then
    ADD COLUMN chain_copy jsonb NOT NULL DEFAULT '{}', -- the chain as it was when the incident opened
    ADD COLUMN memory jsonb NOT NULL DEFAULT '{}';     -- what else the engine must know to go on with it
ALTER TABLE lifeline.incident_events ADD COLUMN person text NOT NULL DEFAULT '';  -- of escalation.yaml, when known
ALTER TABLE lifeline.escalations ADD COLUMN settled_at timestamptz;               -- fired, skipped or cancelled

-- How long people have for each stage: a row for each clock, begun at the opening and again with each rise of level.
CREATE TABLE lifeline.incident_clocks (
    incident    text NOT NULL REFERENCES lifeline.incidents,
    number      integer NOT NULL,                      -- how often the incident's clocks had begun
    clock       text NOT NULL CHECK (clock IN ('acknowledge', 'confirm', 'dispatch', 'on_site', 'report', 'close')),
    level       smallint NOT NULL,                     -- at which it began
    began_at    timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    state       text NOT NULL CHECK (state IN ('running', 'met', 'missed', 'cancelled')),
    settled_at  timestamptz,
    reason      text NOT NULL DEFAULT '',
    PRIMARY KEY (incident, number, clock)
);
CREATE INDEX incident_clocks_running ON lifeline.incident_clocks (due_at) WHERE state = 'running';
ALTER TABLE lifeline.incident_clocks ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.incident_clocks USING (
    (SELECT lifeline.sees_all(current_user)) OR incident IN (SELECT incident FROM lifeline.incidents));

CREATE OR REPLACE VIEW city.incidents AS
SELECT incident, site, district, lifeline.level_word(level) AS level, lifeline.level_word(peak_level) AS peak_level,
       stage, acknowledged, opened_at, closed_at, coalesce(title ->> 'en', incident) AS title, title ->> 'zh' AS title_zh,
       first_alarm, drill, version, acknowledged_at, falls_at, chain, chain_version
FROM lifeline.incidents;

CREATE OR REPLACE VIEW city.incident_events AS
SELECT time, incident, kind, actor, note, event, person FROM lifeline.incident_events;

-- The clocks of incidents; `number` tells those of one beginning from those of the next.
CREATE VIEW city.incident_clocks AS
SELECT incident, clock, lifeline.level_word(level) AS level, due_at, state, settled_at, number, began_at, reason
FROM lifeline.incident_clocks;

-- The steps of each incident's chain: when each is due, what became of it, and whom it tells through what.
CREATE VIEW city.escalations AS
SELECT e.incident, e.round, e.step, e.repeat, e.due_at, e.state, e.reason, e.settled_at,
       coalesce(i.chain_copy -> 'steps' -> e.step ->> 'notify', i.chain_copy ->> 'fallback', '') AS notify,
       coalesce(i.chain_copy -> 'steps' -> e.step -> 'via', '[]') AS via
FROM lifeline.escalations e JOIN lifeline.incidents i USING (incident);
