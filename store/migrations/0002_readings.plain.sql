-- Readings on plain PostgreSQL: native partitions by calendar month (UTC), made before the first row of a month.

CREATE TABLE lifeline.readings (
    sensor_id   integer NOT NULL,
    flag        smallint NOT NULL,
    time        timestamptz NOT NULL,
    value       float8 NOT NULL,
    received_at timestamptz NOT NULL,
    raw         float8,                            -- before calibration; null when none applied
    PRIMARY KEY (sensor_id, time)
) PARTITION BY RANGE (time);

CREATE INDEX readings_time ON lifeline.readings USING brin (time) WITH (autosummarize = on);

-- Attached rather than created in place: creating takes a lock on the whole table that waits for every reader.
CREATE FUNCTION lifeline.prepare_readings(first timestamptz, last timestamptz) RETURNS void
LANGUAGE plpgsql SET timezone = 'UTC' SET client_min_messages = warning AS $$
DECLARE
    month timestamptz := date_trunc('month', first);
    name text;
BEGIN
    WHILE month <= last LOOP
        name := 'readings_' || to_char(month, 'YYYY_MM');
        IF to_regclass('lifeline.' || name) IS NULL THEN
            -- Waits for whoever else is making one (not for writers), and makes their work visible to the next line.
            LOCK TABLE ONLY lifeline.readings IN SHARE UPDATE EXCLUSIVE MODE;
            IF to_regclass('lifeline.' || name) IS NULL THEN
                EXECUTE format('CREATE TABLE lifeline.%I (LIKE lifeline.readings INCLUDING ALL)', name);
                EXECUTE format('ALTER TABLE lifeline.readings ATTACH PARTITION lifeline.%I FOR VALUES FROM (%L) TO (%L)',
                               name, month, month + interval '1 month');
            END IF;
        END IF;
        month := month + interval '1 month';
    END LOOP;
END $$;
