-- Where kept roll-ups live on TimescaleDB, and how old data are found and let go in whole pieces.
-- Chunks of a week and of a month hold about as many rows as a few hours of readings.

CREATE TABLE lifeline.rollup_5m (
    sensor_id   integer NOT NULL,
    n           integer NOT NULL,
    bucket      timestamptz NOT NULL,
    sum         float8 NOT NULL,                   -- n and sum, never a mean: only those can be added up again
    min         float8 NOT NULL,
    max         float8 NOT NULL,
    last        float8 NOT NULL,
    last_time   timestamptz NOT NULL,
    worst_flag  smallint NOT NULL,
    PRIMARY KEY (sensor_id, bucket)
);
CREATE TABLE lifeline.rollup_1h (LIKE lifeline.rollup_5m INCLUDING ALL);
CREATE TABLE lifeline.rollup_1d (LIKE lifeline.rollup_5m INCLUDING ALL);
SELECT create_hypertable('lifeline.rollup_5m', by_range('bucket', interval '7 days'), create_default_indexes => false);
SELECT create_hypertable('lifeline.rollup_1h', by_range('bucket', interval '28 days'), create_default_indexes => false);
CREATE INDEX rollup_5m_bucket ON lifeline.rollup_5m USING brin (bucket) WITH (autosummarize = on);
CREATE INDEX rollup_1h_bucket ON lifeline.rollup_1h USING brin (bucket) WITH (autosummarize = on);
CREATE INDEX rollup_1d_bucket ON lifeline.rollup_1d USING brin (bucket) WITH (autosummarize = on);

-- Chunks make themselves; the keeper calls the same function on every tier.
CREATE FUNCTION lifeline.prepare_rollup(rollup text, bucket timestamptz) RETURNS void LANGUAGE sql AS $$ SELECT $$;

-- The pieces a table consists of, oldest first.
CREATE FUNCTION lifeline.pieces(parent text) RETURNS TABLE (piece text, first timestamptz, last timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT format('%I.%I', chunk_schema, chunk_name), range_start, range_end
    FROM timescaledb_information.chunks WHERE hypertable_schema = 'lifeline' AND hypertable_name = parent ORDER BY 2
$$;
-- (The extension's functions are in one of these schemas, whoever calls.)
CREATE FUNCTION lifeline.drop_piece(parent text, piece text) RETURNS void
LANGUAGE plpgsql SET search_path = lifeline, public, pg_temp AS $$
DECLARE
    bounds record;
BEGIN
    SELECT p.first, p.last INTO STRICT bounds FROM lifeline.pieces(parent) p WHERE p.piece = drop_piece.piece;
    PERFORM drop_chunks(('lifeline.' || parent)::regclass, older_than => bounds.last, newer_than => bounds.first);
END $$;
