-- Readings on TimescaleDB (either licence): a hypertable with one-day chunks, keyed by (sensor, time) and a BRIN on time.

CREATE TABLE lifeline.readings (
    sensor_id   integer NOT NULL,
    flag        smallint NOT NULL,
    time        timestamptz NOT NULL,
    value       float8 NOT NULL,
    received_at timestamptz NOT NULL,
    raw         float8,                            -- before calibration; null when none applied
    PRIMARY KEY (sensor_id, time)
);
SELECT create_hypertable('lifeline.readings', by_range('time', interval '1 day'), create_default_indexes => false);
CREATE INDEX readings_time ON lifeline.readings USING brin (time) WITH (autosummarize = on);

-- Chunks make themselves; the recorder calls the same function on every tier.
CREATE FUNCTION lifeline.prepare_readings(first timestamptz, last timestamptz) RETURNS void
LANGUAGE sql AS $$ SELECT $$;
