-- The house: the private schema `lifeline` and the register, journal, rejections, alarms, incidents and notices in it.
-- The readings table follows in 0002 (one variant per tier), the public views in 0003.

CREATE SCHEMA IF NOT EXISTS lifeline;
CREATE SCHEMA IF NOT EXISTS city;

-- A city may run on a faster clock (a demonstration): views ask city.now() instead of now().
CREATE TABLE lifeline.clock (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    origin      timestamptz NOT NULL,
    wall        timestamptz NOT NULL,
    speed       float8 NOT NULL CHECK (speed > 0)
);
-- With its owner's rights: readers of schema `city` may not see schema `lifeline`.
CREATE FUNCTION city.now() RETURNS timestamptz LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT coalesce(
        (SELECT CASE WHEN origin <= wall THEN least(origin + (now() - wall) * speed, now())
                     ELSE origin + (now() - wall) * speed END
         FROM lifeline.clock),
        now())
$$;

-- Microseconds since 1970, as programs carry them. (Not immutable in name, so that the planner may inline it.)
CREATE FUNCTION lifeline.from_us(us bigint) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT timestamptz '1970-01-01 00:00:00+00' + us * interval '1 microsecond'
$$;

-- The city folder as it was applied, whole, so that a replay of the journal reads the same books.
CREATE TABLE lifeline.bundles (
    bundle      text PRIMARY KEY,                  -- sha256 over names and contents
    files       jsonb NOT NULL,                    -- {relative path: text}
    applied_at  timestamptz NOT NULL
);
CREATE TABLE lifeline.current_bundle (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    bundle      text NOT NULL REFERENCES lifeline.bundles
);

CREATE TABLE lifeline.districts (
    district    text PRIMARY KEY,
    name        jsonb NOT NULL
);
CREATE TABLE lifeline.sites (
    site        text PRIMARY KEY,
    kind        text NOT NULL,
    name        jsonb NOT NULL,
    district    text NOT NULL,
    lon         float8 NOT NULL,
    lat         float8 NOT NULL,
    along       text NOT NULL DEFAULT '',
    owner       text NOT NULL DEFAULT '',
    in_register boolean NOT NULL DEFAULT true
);
CREATE TABLE lifeline.gateways (
    gateway     text PRIMARY KEY,
    district    text NOT NULL,
    name        text NOT NULL DEFAULT '',
    interval_s  float8 NOT NULL,
    lon         float8,
    lat         float8,
    in_register boolean NOT NULL DEFAULT true
);
CREATE TABLE lifeline.sensors (
    sensor_id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sensor      text NOT NULL UNIQUE,
    gateway     text NOT NULL,
    site        text NOT NULL,
    quantity    text NOT NULL,
    domain      text NOT NULL,
    unit        text NOT NULL,                     -- canonical unit of the quantity, as views show it
    interval_s  float8 NOT NULL,
    name        text NOT NULL DEFAULT '',
    lon         float8 NOT NULL,                   -- own place, or the site's
    lat         float8 NOT NULL,
    range_min   float8,
    range_max   float8,
    in_register boolean NOT NULL DEFAULT true
);

-- Newest reading of each sensor, kept by the recorder in the transaction that writes the readings.
CREATE TABLE lifeline.latest (
    sensor_id   integer PRIMARY KEY,
    time        timestamptz NOT NULL,
    value       float8 NOT NULL,
    flag        smallint NOT NULL,
    received_at timestamptz NOT NULL
) WITH (fillfactor = 50);  -- room for the next value beside the last: no index is touched

-- What each gateway sent and what became of it; kept by the recorder in the same transaction.
CREATE TABLE lifeline.gateway_ledger (
    gateway     text PRIMARY KEY,
    online      boolean,
    last_seen   timestamptz,
    skew_s      float8,                            -- arrival minus sent_at, smoothed; positive: its clock is behind
    last_seq    bigint,
    buffered    bigint NOT NULL DEFAULT 0,
    version     text NOT NULL DEFAULT '',
    published   bigint NOT NULL DEFAULT 0,         -- readings in messages that arrived, redeliveries included
    received    bigint NOT NULL DEFAULT 0,         -- readings decoded
    stored      bigint NOT NULL DEFAULT 0,         -- new rows
    repeated    bigint NOT NULL DEFAULT 0,         -- equal repeats of rows already stored
    rejected    bigint NOT NULL DEFAULT 0,
    missing     bigint NOT NULL DEFAULT 0          -- messages that gaps in seq say were never seen
);

CREATE TABLE lifeline.rejections (
    rejection   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL,
    gateway     text NOT NULL DEFAULT '',
    topic       text NOT NULL DEFAULT '',
    sensor      text NOT NULL DEFAULT '',
    time        timestamptz,
    reason      text NOT NULL,
    detail      text NOT NULL DEFAULT '',
    payload     bytea NOT NULL DEFAULT ''
);
CREATE INDEX rejections_received_at ON lifeline.rejections (received_at);

-- The journal: all that the engine may learn, in commit order (the writer holds an advisory lock from the
-- numbering to the commit, so no row ever commits under a smaller number than one already read).
CREATE TABLE lifeline.journal (
    seq         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('readings', 'status', 'tick', 'command', 'bundle')),
    recorded_at timestamptz NOT NULL,
    payload     bytea NOT NULL
);
ALTER TABLE lifeline.journal ALTER COLUMN payload SET STORAGE EXTERNAL;  -- columns of numbers hardly compress
CREATE TABLE lifeline.followers (
    follower    text PRIMARY KEY,
    seq         bigint NOT NULL,                   -- effects of rows up to here are committed
    updated_at  timestamptz NOT NULL
);
CREATE TABLE lifeline.snapshots (
    follower    text PRIMARY KEY,
    seq         bigint NOT NULL,                   -- the state below is the one after this row
    made_at     timestamptz NOT NULL,
    bundle      text NOT NULL,
    body        bytea NOT NULL
);
ALTER TABLE lifeline.snapshots ALTER COLUMN body SET STORAGE EXTERNAL;  -- dense already

-- One row per running role, beaten about once a wall second (started_at, beat_at: wall; heard_until: the city's clock).
CREATE TABLE lifeline.roles (
    role        text PRIMARY KEY,
    pid         integer NOT NULL,
    started_at  timestamptz NOT NULL,
    beat_at     timestamptz NOT NULL,
    heard_until timestamptz,                       -- recorder: everything the broker had before this is committed
    detail      jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE lifeline.health (
    name        text PRIMARY KEY,
    value       float8,
    unit        text NOT NULL DEFAULT '',
    state       text NOT NULL CHECK (state IN ('ok', 'warning', 'fault')),
    since       timestamptz NOT NULL,
    advice      text NOT NULL DEFAULT ''
);

CREATE TABLE lifeline.findings (
    finding     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time        timestamptz NOT NULL,
    sensor      text NOT NULL,
    detector    text NOT NULL,
    channel     text NOT NULL,
    verdict     text NOT NULL CHECK (verdict IN ('normal', 'abnormal', 'blind')),
    score       float8 NOT NULL,
    return_period_years float8,
    direction   text NOT NULL DEFAULT '',
    expected    float8,
    low         float8,
    high        float8,
    reason      text NOT NULL DEFAULT '',
    UNIQUE (sensor, detector, channel, time)
);
CREATE INDEX findings_time ON lifeline.findings (time);

CREATE TABLE lifeline.incidents (
    incident    text PRIMARY KEY,
    site        text NOT NULL,
    district    text NOT NULL,
    level       smallint NOT NULL,                 -- highest standing now; 0 when all is clear
    peak_level  smallint NOT NULL,
    stage       text NOT NULL,
    acknowledged boolean NOT NULL DEFAULT false,
    opened_at   timestamptz NOT NULL,
    closed_at   timestamptz,
    title       jsonb NOT NULL,
    first_alarm text NOT NULL,
    chain       text NOT NULL,
    chain_version text NOT NULL,                   -- hash of the chain as copied when the incident opened
    drill       boolean NOT NULL DEFAULT false
);
CREATE TABLE lifeline.incident_events (
    event       text PRIMARY KEY,                  -- deterministic: journal seq and position
    time        timestamptz NOT NULL,
    incident    text NOT NULL REFERENCES lifeline.incidents,
    kind        text NOT NULL,
    actor       text NOT NULL DEFAULT '',
    note        text NOT NULL DEFAULT ''
);
CREATE INDEX incident_events_incident ON lifeline.incident_events (incident, time);

CREATE TABLE lifeline.alarms (
    alarm       text PRIMARY KEY,
    rule        text NOT NULL,
    rule_version text NOT NULL,
    scope       text NOT NULL,
    sensor      text,                              -- null for a gateway's alarm
    site        text NOT NULL,
    district    text NOT NULL,
    domain      text NOT NULL,
    level       smallint NOT NULL,
    peak_level  smallint NOT NULL,
    condition   text NOT NULL CHECK (condition IN ('active', 'clearing', 'unknown', 'normal', 'orphaned', 'retracted')),
    acknowledged boolean NOT NULL DEFAULT false,
    hold        text NOT NULL DEFAULT '',
    latched     boolean NOT NULL DEFAULT false,
    raised_at   timestamptz NOT NULL,
    cleared_at  timestamptz,
    late        boolean NOT NULL DEFAULT false,
    incident    text REFERENCES lifeline.incidents,
    title       jsonb NOT NULL
);
CREATE INDEX alarms_open ON lifeline.alarms (scope) WHERE cleared_at IS NULL;
CREATE INDEX alarms_raised_at ON lifeline.alarms (raised_at);
CREATE TABLE lifeline.alarm_events (
    event       text PRIMARY KEY,
    time        timestamptz NOT NULL,              -- event time
    recorded_at timestamptz NOT NULL,
    alarm       text NOT NULL REFERENCES lifeline.alarms,
    kind        text NOT NULL,
    from_level  smallint NOT NULL,
    to_level    smallint NOT NULL,
    from_condition text NOT NULL,
    to_condition text NOT NULL,
    reason      text NOT NULL,
    evidence    jsonb NOT NULL
);
CREATE INDEX alarm_events_alarm ON lifeline.alarm_events (alarm, time);

-- Escalation steps as stored rows with an absolute due time.
CREATE TABLE lifeline.escalations (
    incident    text NOT NULL REFERENCES lifeline.incidents,
    round       integer NOT NULL,                  -- restarts when the level rises
    step        integer NOT NULL,
    repeat      integer NOT NULL,
    due_at      timestamptz NOT NULL,
    state       text NOT NULL CHECK (state IN ('due', 'fired', 'skipped', 'cancelled')),
    reason      text NOT NULL DEFAULT '',
    PRIMARY KEY (incident, round, step, repeat)
);

-- The outbox: written with the decision, delivered by the notifier at least once.
CREATE TABLE lifeline.notices (
    notice      text PRIMARY KEY,                  -- also the Idempotency-Key
    incident    text NOT NULL REFERENCES lifeline.incidents,
    kind        text NOT NULL,                     -- raise, update, clear, repeat, no_duty
    round       integer NOT NULL,
    step        integer NOT NULL,
    target      text NOT NULL,                     -- person id
    via         text NOT NULL,                     -- the roster, group or person the chain named
    channel     text NOT NULL,
    state       text NOT NULL CHECK (state IN ('queued', 'sending', 'sent', 'failed', 'superseded')),
    level       smallint NOT NULL,
    content     jsonb NOT NULL,                    -- subject, body, language, facts
    created_at  timestamptz NOT NULL,
    next_try_at timestamptz NOT NULL,
    sent_at     timestamptz,
    attempts    integer NOT NULL DEFAULT 0,
    answer      text NOT NULL DEFAULT '',
    late        boolean NOT NULL DEFAULT false,
    drill       boolean NOT NULL DEFAULT false
);
CREATE INDEX notices_queue ON lifeline.notices (next_try_at) WHERE state IN ('queued', 'sending');

CREATE FUNCTION lifeline.level_word(level integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT (ARRAY['none', 'blue', 'yellow', 'orange', 'red'])[level + 1]
$$;
