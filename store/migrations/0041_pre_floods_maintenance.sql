-- Floods of alarms and what was gathered into digests in them; and maintenance: windows of calendar.yaml and by people.

-- An alarm is told at a desk: what floods are counted by, and the list of what came in one.
CREATE TABLE lifeline.annunciations (
    annunciation text PRIMARY KEY,                 -- deterministic: journal seq and position
    desk        text NOT NULL,
    drill       text NOT NULL DEFAULT '',
    alarm       text NOT NULL,
    incident    text NOT NULL,
    district    text NOT NULL,
    domain      text NOT NULL,
    counted     boolean NOT NULL,                  -- not diagnostic
    first       boolean NOT NULL,                  -- of its district and domain, in a flood
    at          timestamptz NOT NULL
);
CREATE INDEX annunciations_desk ON lifeline.annunciations (desk, drill, at);
ALTER TABLE lifeline.annunciations ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.annunciations USING (
    (SELECT lifeline.sees_all(current_user)) OR district = ANY ((SELECT lifeline.seen_districts(current_user))::text[]));

CREATE TABLE lifeline.floods (
    flood       text PRIMARY KEY,
    desk        text NOT NULL,
    drill       text NOT NULL DEFAULT '',
    since       timestamptz NOT NULL,              -- when the first of its alarms was told
    started_at  timestamptz NOT NULL,              -- when they were too many
    ended_at    timestamptz,
    alarms      integer NOT NULL,
    peak        integer NOT NULL,                  -- the most within ten minutes
    digests     integer NOT NULL
);
CREATE INDEX floods_on ON lifeline.floods (desk) WHERE ended_at IS NULL;
-- A reader of a district sees the floods that had alarms of it.
ALTER TABLE lifeline.floods ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.floods USING (
    (SELECT lifeline.sees_all(current_user))
    OR EXISTS (SELECT FROM lifeline.annunciations a WHERE a.desk = floods.desk AND a.drill = floods.drill
               AND a.at >= floods.since AND a.at <= coalesce(floods.ended_at, 'infinity')));

-- A notice that waits for the digest of its person, district and domain; the digest is the notice of that name.
CREATE TABLE lifeline.digest_entries (
    entry       text PRIMARY KEY,                  -- deterministic: journal seq and position
    digest      text NOT NULL,
    flood       text NOT NULL REFERENCES lifeline.floods,
    target      text NOT NULL,                     -- person id
    district    text NOT NULL,
    domain      text NOT NULL,
    incident    text NOT NULL,
    kind        text NOT NULL,
    round       integer NOT NULL,
    step        integer NOT NULL,
    repeat      bigint NOT NULL,
    alarms      text[] NOT NULL,
    channels    text[] NOT NULL,
    via         text NOT NULL,
    level       smallint NOT NULL,
    at          timestamptz NOT NULL
);
CREATE INDEX digest_entries_flood ON lifeline.digest_entries (flood, at);
CREATE INDEX digest_entries_incident ON lifeline.digest_entries (incident);
ALTER TABLE lifeline.digest_entries ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.digest_entries USING (
    (SELECT lifeline.sees_all(current_user)) OR district = ANY ((SELECT lifeline.seen_districts(current_user))::text[]));

CREATE VIEW city.floods AS
SELECT flood, desk, started_at, ended_at, alarms, peak, digests, since, drill FROM lifeline.floods;

-- What came in each flood, in the order in which it was told; `stands`: it still does.
CREATE VIEW city.flood_alarms AS
SELECT DISTINCT ON (f.started_at, f.flood, n.alarm)
       f.flood, n.alarm, n.incident, n.at AS told_at, n.first, n.district, n.domain, a.rule, a.scope, a.sensor, a.site,
       lifeline.level_word(a.level) AS level, lifeline.level_word(a.peak_level) AS peak_level, a.raised_at, a.cleared_at,
       a.cleared_at IS NULL AS stands, coalesce(a.title ->> 'en', a.rule) AS title, a.title ->> 'zh' AS title_zh
FROM lifeline.floods f
JOIN lifeline.annunciations n ON n.desk = f.desk AND n.drill = f.drill
    AND n.at >= f.since AND n.at <= coalesce(f.ended_at, 'infinity') AND (n.counted OR n.at >= f.started_at)
JOIN lifeline.alarms a ON a.alarm = n.alarm
ORDER BY f.started_at, f.flood, n.alarm, n.first DESC, n.at;

-- What went into digests: `digest` is the notice, once it is out.
CREATE VIEW city.digest_entries AS
SELECT digest, flood, target, district, domain, incident, kind, round, step, alarms, at FROM lifeline.digest_entries;

-- Windows of calendar.yaml: of each the one that runs or comes next, and those that were. Ended rows stay.
CREATE TABLE lifeline.maintenance (
    occurrence  text PRIMARY KEY,                  -- the window and when it starts
    window_id   text NOT NULL,
    title       jsonb NOT NULL,
    selector    jsonb NOT NULL,
    districts   text[] NOT NULL,                   -- whose sensors and gateways it is about
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz NOT NULL,
    up_to       smallint NOT NULL,                 -- a higher level is told all the same
    approver    text NOT NULL DEFAULT '',
    reason      text NOT NULL,
    state       text NOT NULL CHECK (state IN ('planned', 'running', 'ended', 'dropped'))
);
CREATE INDEX maintenance_now ON lifeline.maintenance (window_id) WHERE state IN ('planned', 'running');
ALTER TABLE lifeline.maintenance ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.maintenance USING (
    (SELECT lifeline.sees_all(current_user))
    OR districts && ((SELECT lifeline.seen_districts(current_user))::text[]));

-- People hold sensors, sites and gateways as well (`sensor/x`, `site/x`, `gateway/x`).
ALTER TABLE lifeline.shelves DROP CONSTRAINT shelves_hold_check;
ALTER TABLE lifeline.shelves ADD CONSTRAINT shelves_hold_check
    CHECK (hold IN ('shelved', 'out_of_service', 'maintenance'));
DROP POLICY district ON lifeline.shelves;
CREATE POLICY district ON lifeline.shelves USING (
    (SELECT lifeline.sees_all(current_user))
    OR scope IN (SELECT sensor FROM lifeline.sensors UNION SELECT gateway FROM lifeline.gateways
                 UNION SELECT site FROM lifeline.sites));
DROP POLICY district ON lifeline.hold_events;
CREATE POLICY district ON lifeline.hold_events USING (
    (SELECT lifeline.sees_all(current_user))
    OR split_part(target, '/', -1) IN (SELECT sensor FROM lifeline.sensors UNION SELECT gateway FROM lifeline.gateways
                                       UNION SELECT site FROM lifeline.sites)
    OR (split_part(target, '/', 1) = 'window'
        AND split_part(target, '/', 2) IN (SELECT window_id FROM lifeline.maintenance)));

-- Maintenance that runs or comes next: windows of the city folder, and what people asked for from the console.
CREATE VIEW city.maintenance AS
SELECT window_id AS "window", 'file' AS kind, coalesce(title ->> 'en', window_id) AS title, title ->> 'zh' AS title_zh,
       selector, starts_at, ends_at, lifeline.level_word(up_to) AS up_to, approver AS by, reason, state = 'running' AS running
FROM lifeline.maintenance WHERE state IN ('planned', 'running')
UNION ALL
SELECT shelf, 'ad_hoc', target, target, jsonb_build_object(rule || 's', jsonb_build_array(scope)), since, until,
       lifeline.level_word(level), by, reason, true
FROM lifeline.shelves WHERE hold = 'maintenance' AND ended_at IS NULL;
