-- What the engine heard besides the readings themselves, kept when the journal is trimmed: with it and the readings a
-- span can be decided on again exactly as it was decided on live.

-- One row a journal row, written with it. Of readings: how many, and their first and last arrival and event time, so that
-- they are found in lifeline.readings again, in the same batches. Of everything else (a gateway's status, a tick that
-- changed something, a person's command, another city folder): the payload as it was in the journal.
CREATE TABLE lifeline.hearing (
    seq         bigint PRIMARY KEY,                -- the journal's number
    kind        text NOT NULL CHECK (kind IN ('readings', 'status', 'tick', 'command', 'bundle')),
    recorded_at timestamptz NOT NULL,
    rows        integer NOT NULL DEFAULT 0,
    first_at    timestamptz,                       -- arrival
    last_at     timestamptz,
    oldest      timestamptz,                       -- event time
    newest      timestamptz,
    payload     bytea,
    CHECK ((kind = 'readings') = (payload IS NULL))
);
CREATE INDEX hearing_recorded_at ON lifeline.hearing USING brin (recorded_at) WITH (autosummarize = on);
CREATE INDEX hearing_bundles ON lifeline.hearing (seq) WHERE kind = 'bundle';

-- Spans in which the recorder heard nothing: from `until` (all before it was taken in) to `since` (it listens again).
-- `until` is null when nothing had been heard before.
CREATE TABLE lifeline.deafness (
    since       timestamptz PRIMARY KEY,
    until       timestamptz
);
