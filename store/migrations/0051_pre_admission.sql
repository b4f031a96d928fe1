-- What admission keeps: which quality tests a reading did not pass, the time it claimed where that was corrected, clocks of
-- gateways with their corrections, the ledger by hour, and sessions that a broker did not keep.

-- The tests of quality that said something of a reading, one bit each; null for most, which costs nothing. And the time that
-- the gateway claimed, where the reading stands under another one.
ALTER TABLE lifeline.readings ADD COLUMN tests smallint, ADD COLUMN claimed_at timestamptz;
ALTER TABLE lifeline.kept_readings ADD COLUMN tests smallint, ADD COLUMN claimed_at timestamptz;

CREATE FUNCTION lifeline.test_words(tests smallint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT concat_ws(', ', CASE WHEN tests & 1 <> 0 THEN 'gateway' END, CASE WHEN tests & 2 <> 0 THEN 'range' END,
                     CASE WHEN tests & 4 <> 0 THEN 'gap' END, CASE WHEN tests & 8 <> 0 THEN 'spike' END,
                     CASE WHEN tests & 16 <> 0 THEN 'rate' END, CASE WHEN tests & 32 <> 0 THEN 'flat_line' END,
                     CASE WHEN tests & 64 <> 0 THEN 'neighbour' END, CASE WHEN tests & 128 <> 0 THEN 'future' END)
$$;

CREATE OR REPLACE VIEW city.readings AS
SELECT r.time, s.sensor, r.value, r.flag, r.received_at,
       r.received_at - r.time > greatest(3 * s.interval_s, 120) * interval '1 second' AS late,
       lifeline.test_words(coalesce(r.tests, 0::smallint)) AS flag_reasons, r.claimed_at
FROM lifeline.readings r JOIN lifeline.sensors s USING (sensor_id)
WHERE r.time >= s.raw_from
   OR NOT EXISTS (SELECT FROM lifeline.kept_readings k WHERE k.sensor_id = r.sensor_id AND k.time = r.time)
UNION ALL
SELECT k.time, s.sensor, k.value, k.flag, k.received_at,
       k.received_at - k.time > greatest(3 * s.interval_s, 120) * interval '1 second' AS late,
       lifeline.test_words(coalesce(k.tests, 0::smallint)), k.claimed_at
FROM lifeline.kept_readings k JOIN lifeline.sensors s USING (sensor_id);

-- The numbers of a gateway's messages: the span that was seen (with the newest reading in its first and last message, in
-- microseconds: what tells a number that comes late from a numbering that began anew), and the hour in which each gap was found.
ALTER TABLE lifeline.gateway_ledger
    ADD COLUMN messages bigint NOT NULL DEFAULT 0,     -- that arrived, those that came again included
    ADD COLUMN first_seq bigint,
    ADD COLUMN first_us bigint,
    ADD COLUMN last_us bigint,
    ADD COLUMN gap_hours bigint[] NOT NULL DEFAULT '{}',
    ADD COLUMN skew_uncertainty_s float8,
    ADD COLUMN skew_since timestamptz;
ALTER TABLE lifeline.gateway_ledger SET (fillfactor = 30);
UPDATE lifeline.gateway_ledger SET first_seq = 0, first_us = 0,
    last_us = (date_part('epoch', coalesce(last_seen, now())) * 1e6)::bigint,
    gap_hours = array_fill((date_part('epoch', coalesce(last_seen, now()))::bigint / 3600), ARRAY[cardinality(gaps) / 2])
WHERE last_seq IS NOT NULL;

-- The ledger by the hour of arrival: for every row, published = stored + repeated + rejected. `missing`: messages that were
-- found missing in this hour and have not come since.
CREATE TABLE lifeline.gateway_hours (
    gateway     text NOT NULL,
    hour        timestamptz NOT NULL,
    messages    bigint NOT NULL DEFAULT 0,
    published   bigint NOT NULL DEFAULT 0,
    received    bigint NOT NULL DEFAULT 0,
    stored      bigint NOT NULL DEFAULT 0,
    repeated    bigint NOT NULL DEFAULT 0,
    rejected    bigint NOT NULL DEFAULT 0,
    missing     bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (gateway, hour)
) WITH (fillfactor = 50);  -- counted up with every batch: room for the next row beside the last
-- What was counted before stands in the hour of the last message, so that hours add up to the sums.
INSERT INTO lifeline.gateway_hours (gateway, hour, published, received, stored, repeated, rejected, missing)
SELECT gateway, date_trunc('hour', coalesce(last_seen, now()), 'UTC'), published, received, stored, repeated, rejected, missing
FROM lifeline.gateway_ledger WHERE published > 0 OR missing > 0;
CREATE INDEX gateway_hours_hour ON lifeline.gateway_hours (hour);
ALTER TABLE lifeline.gateway_hours ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.gateway_hours USING (
    (SELECT lifeline.sees_all(current_user)) OR gateway IN (SELECT gateway FROM lifeline.gateways));
CREATE VIEW city.gateway_hours AS
SELECT h.gateway, g.district, h.hour, h.messages, h.published, h.received, h.stored, h.repeated, h.rejected, h.missing
FROM lifeline.gateway_hours h JOIN lifeline.gateways g USING (gateway);

-- Corrections of a gateway's clock: a time it claims at or after `from_claimed` is wrong by as much (positive: the clock is
-- behind). Written once and never changed, so that a reading that comes again finds its place again.
CREATE TABLE lifeline.clock_corrections (
    correction  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway     text NOT NULL,
    from_claimed timestamptz NOT NULL,
    offset_us   bigint NOT NULL,
    made_at     timestamptz NOT NULL
);
ALTER TABLE lifeline.clock_corrections ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.clock_corrections USING (
    (SELECT lifeline.sees_all(current_user)) OR gateway IN (SELECT gateway FROM lifeline.gateways));
CREATE VIEW city.clock_corrections AS
SELECT gateway, from_claimed, offset_us / 1e6::float8 AS offset_s, made_at FROM lifeline.clock_corrections;

CREATE OR REPLACE VIEW city.gateways AS
SELECT g.gateway, g.district, g.name, g.interval_s, g.lon, g.lat, l.online, l.last_seen, l.skew_s,
       coalesce(l.published, 0) AS published, coalesce(l.received, 0) AS received, coalesce(l.stored, 0) AS stored,
       coalesce(l.repeated, 0) AS repeated, coalesce(l.rejected, 0) AS rejected, coalesce(l.missing, 0) AS missing,
       coalesce(l.buffered, 0) AS buffered, l.version, l.skew_uncertainty_s, l.skew_since,
       (SELECT c.offset_us / 1e6::float8 FROM lifeline.clock_corrections c WHERE c.gateway = g.gateway
        ORDER BY c.correction DESC LIMIT 1) AS corrected_by_s,
       coalesce(l.messages, 0) AS messages
FROM lifeline.gateways g LEFT JOIN lifeline.gateway_ledger l USING (gateway) WHERE g.in_register;
CREATE INDEX clock_corrections_gateway ON lifeline.clock_corrections (gateway, correction);

-- When a recorder's session with the broker began, and whenever it had to begin anew: what the broker held for the session
-- before is gone, unless the gateways send it again.
CREATE TABLE lifeline.broker_sessions (
    client      text NOT NULL,
    began_at    timestamptz NOT NULL,
    lost        boolean NOT NULL,                  -- there was one before, and the broker did not keep it
    heard_until timestamptz,                       -- all that the broker had before this had been taken in
    PRIMARY KEY (client, began_at)
);
CREATE VIEW city.broker_sessions AS SELECT client, began_at, lost, heard_until FROM lifeline.broker_sessions;
