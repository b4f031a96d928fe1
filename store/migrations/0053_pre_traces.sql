-- What makes a running system visible: one trace id from a message to the notices it leads to (the number of the journal
-- row that decided something, behind a name of this database's own, as 32 hexadecimal digits: the trace-id of W3C Trace
-- Context), and what each role's process uses.

CREATE TABLE lifeline.origin (
    id          text PRIMARY KEY CHECK (id ~ '^[0-9a-f]{16}$')  -- kept by dumps, so that ids stay what they are
);
CREATE UNIQUE INDEX origin_one ON lifeline.origin ((true));
-- Never all zeros, which a trace-id must not be.
INSERT INTO lifeline.origin VALUES ('1' || substring(md5(gen_random_uuid()::text) FROM 1 FOR 15));

-- The journal row on which each was decided first; null for what was decided before it was kept.
ALTER TABLE lifeline.alarms ADD COLUMN seq bigint, ADD COLUMN decided_at timestamptz;
ALTER TABLE lifeline.incidents ADD COLUMN seq bigint;
ALTER TABLE lifeline.notices ADD COLUMN seq bigint, ADD COLUMN decided_at timestamptz;
-- When that was: all other times are those of readings, or of the row.
ALTER TABLE lifeline.alarms ALTER COLUMN decided_at SET DEFAULT city.now();
ALTER TABLE lifeline.notices ALTER COLUMN decided_at SET DEFAULT city.now();
CREATE INDEX alarms_seq ON lifeline.alarms (seq) WHERE seq IS NOT NULL;
CREATE INDEX incidents_seq ON lifeline.incidents (seq) WHERE seq IS NOT NULL;
CREATE INDEX notices_seq ON lifeline.notices (seq) WHERE seq IS NOT NULL;

-- Traces that gateways gave to their messages (`traceparent`), and the journal row that their readings came into.
CREATE TABLE lifeline.given_traces (
    given       text NOT NULL,
    seq         bigint NOT NULL,
    gateway     text NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (given, seq, gateway)
);
CREATE INDEX given_traces_seq ON lifeline.given_traces (seq);
ALTER TABLE lifeline.given_traces ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.given_traces USING (
    (SELECT lifeline.sees_all(current_user)) OR gateway IN (SELECT gateway FROM lifeline.gateways));

-- Rows of the journal, as long as readings are kept: what kind, when committed, how many readings, when those arrived.
CREATE VIEW city.traces AS
SELECT (SELECT id FROM lifeline.origin) || lpad(to_hex(h.seq), 16, '0') AS trace, h.seq, h.kind, h.recorded_at, h.rows,
       h.first_at AS first_received_at, h.last_at AS last_received_at
FROM lifeline.hearing h;

CREATE VIEW city.given_traces AS
SELECT g.given, (SELECT id FROM lifeline.origin) || lpad(to_hex(g.seq), 16, '0') AS trace, g.gateway, g.received_at
FROM lifeline.given_traces g;

CREATE OR REPLACE VIEW city.alarms AS
SELECT alarm, rule, rule_version, scope, sensor, site, district, domain, lifeline.level_word(level) AS level,
       lifeline.level_word(peak_level) AS peak_level, condition, acknowledged, hold, latched, raised_at, cleared_at, late,
       incident, coalesce(title ->> 'en', rule) AS title, title ->> 'zh' AS title_zh,
       lifeline.alarm_state(condition, acknowledged, hold, latched) AS state, hold_reason, gateway, drill,
       (SELECT id FROM lifeline.origin) || lpad(to_hex(seq), 16, '0') AS trace, decided_at
FROM lifeline.alarms;

-- Events are numbered row.place, those of a drill behind its name: the row is in every one there ever was.
CREATE OR REPLACE VIEW city.alarm_events AS
SELECT time, recorded_at, alarm, kind, lifeline.level_word(from_level) AS from_level,
       lifeline.level_word(to_level) AS to_level, from_condition, to_condition, reason, evidence, event, from_hold,
       to_hold, rule_version,
       (SELECT id FROM lifeline.origin) || lpad(to_hex(substring(event FROM '(\d{1,18})\.\d+$')::bigint), 16, '0') AS trace
FROM lifeline.alarm_events;

CREATE OR REPLACE VIEW city.incidents AS
SELECT incident, site, district, lifeline.level_word(level) AS level, lifeline.level_word(peak_level) AS peak_level,
       stage, acknowledged, opened_at, closed_at, coalesce(title ->> 'en', incident) AS title, title ->> 'zh' AS title_zh,
       first_alarm, drill, version, acknowledged_at, falls_at, chain, chain_version, drill_id,
       (SELECT id FROM lifeline.origin) || lpad(to_hex(seq), 16, '0') AS trace
FROM lifeline.incidents;

CREATE OR REPLACE VIEW city.incident_events AS
SELECT time, incident, kind, actor, note, event, person,
       (SELECT id FROM lifeline.origin) || lpad(to_hex(substring(event FROM '(\d{1,18})\.\d+$')::bigint), 16, '0') AS trace
FROM lifeline.incident_events;

-- A notice's trace is its incident's: the row that opened it. `decided`: the row on which this one was decided, which may be
-- time passing or a person's word.
CREATE OR REPLACE VIEW city.notices AS
SELECT n.notice, n.incident, n.step, n.target, n.channel, n.state, n.notice AS idempotency_key, n.created_at, n.sent_at,
       n.attempts, n.late, n.drill, n.kind, n.round, n.via, lifeline.level_word(n.level) AS level,
       n.content ->> 'subject' AS subject, n.answer, n.delivered_at, n.delivered_how, n.fallback_of,
       coalesce(n.content ->> 'root', n.notice) AS root,
       CASE WHEN n.state = 'queued' THEN n.next_try_at END AS next_try_at,
       (SELECT id FROM lifeline.origin)
           || lpad(to_hex(coalesce((SELECT i.seq FROM lifeline.incidents i WHERE i.incident = n.incident), n.seq)), 16, '0')
           AS trace,
       (SELECT id FROM lifeline.origin) || lpad(to_hex(n.seq), 16, '0') AS decided,
       n.decided_at
FROM lifeline.notices n;

-- When the process began that beats (by its own clock), how many came after the first, and what it uses: memory, time,
-- open files, threads.
ALTER TABLE lifeline.roles
    ADD COLUMN born_at timestamptz,
    ADD COLUMN restarts integer NOT NULL DEFAULT 0,
    ADD COLUMN process jsonb NOT NULL DEFAULT '{}';
CREATE OR REPLACE VIEW city.roles AS
SELECT role, started_at, beat_at, date_part('epoch', now() - beat_at) AS age_s,
       date_part('epoch', now() - started_at) AS running_s, heard_until, detail, pid, restarts, process
FROM lifeline.roles;

-- Where the runbook (deploy/RUNBOOK.md) says what to do about a line of health that is not as it should be.
CREATE FUNCTION lifeline.runbook(name text, state text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN state = 'ok' THEN ''
        ELSE 'RUNBOOK.md#' || CASE WHEN name LIKE 'channel\_%' THEN 'channel' ELSE name END END
$$;
CREATE OR REPLACE VIEW city.health AS
SELECT name, value, unit, state, since, advice, text, reported_at,
       date_part('epoch', city.now() - reported_at) AS age_s, lifeline.runbook(name, state) AS runbook
FROM lifeline.health
UNION ALL
SELECT 'role_' || role, extract(epoch FROM now() - beat_at)::float8, 's',
       CASE WHEN now() - beat_at > interval '30 seconds' THEN 'fault' ELSE 'ok' END, beat_at,
       CASE WHEN now() - beat_at > interval '30 seconds'
            THEN 'this role has not beaten for a while: see its log, start it again' ELSE '' END,
       'last sign of life ' || round(extract(epoch FROM now() - beat_at)) || ' s ago', beat_at,
       date_part('epoch', now() - beat_at),
       CASE WHEN now() - beat_at > interval '30 seconds' THEN 'RUNBOOK.md#role_' || role ELSE '' END
FROM lifeline.roles;
