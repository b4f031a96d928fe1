-- Where kept roll-ups live on plain PostgreSQL, and how old data are found and let go in whole pieces.
-- A month of five-minute rows is a piece to let go; a month of hourly ones too. Days are few enough for one table.

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
) PARTITION BY RANGE (bucket);
CREATE INDEX rollup_5m_bucket ON lifeline.rollup_5m USING brin (bucket) WITH (autosummarize = on);
CREATE TABLE lifeline.rollup_1h (LIKE lifeline.rollup_5m INCLUDING ALL) PARTITION BY RANGE (bucket);
CREATE TABLE lifeline.rollup_1d (LIKE lifeline.rollup_5m INCLUDING ALL);

-- Makes the partition of `parent` that begins at `first`, unless it is there; `name` is its name.
-- Attached rather than created in place: creating takes a lock on the whole table that waits for every reader.
CREATE FUNCTION lifeline.make_partition(parent text, name text, first timestamptz, last timestamptz) RETURNS void
LANGUAGE plpgsql SET timezone = 'UTC' SET client_min_messages = warning AS $$
BEGIN
    IF to_regclass('lifeline.' || name) IS NULL THEN
        -- Waits for whoever else is making one (not for writers), and makes their work visible to the next line.
        EXECUTE format('LOCK TABLE ONLY lifeline.%I IN SHARE UPDATE EXCLUSIVE MODE', parent);
        IF to_regclass('lifeline.' || name) IS NULL THEN
            EXECUTE format('CREATE TABLE lifeline.%I (LIKE lifeline.%I INCLUDING ALL)', name, parent);
            EXECUTE format('ALTER TABLE lifeline.%I ATTACH PARTITION lifeline.%I FOR VALUES FROM (%L) TO (%L)',
                           parent, name, first, last);
        END IF;
    END IF;
END $$;

-- With its owner's rights: who may only append must still be able to open a new piece.
CREATE OR REPLACE FUNCTION lifeline.prepare_readings(first timestamptz, last timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
SET client_min_messages = warning AS $$
DECLARE
    month timestamptz := date_trunc('month', first);
BEGIN
    WHILE month <= last LOOP
        PERFORM lifeline.make_partition('readings', 'readings_' || to_char(month, 'YYYY_MM'),
                                        month, month + interval '1 month');
        month := month + interval '1 month';
    END LOOP;
END $$;
CREATE FUNCTION lifeline.prepare_rollup(rollup text, bucket timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
SET client_min_messages = warning AS $$
DECLARE
    month timestamptz := date_trunc('month', bucket);
BEGIN
    IF rollup <> 'rollup_1d' THEN
        PERFORM lifeline.make_partition(rollup, rollup || '_' || to_char(month, 'YYYY_MM'),
                                        month, month + interval '1 month');
    END IF;
END $$;

-- The pieces a table consists of, oldest first.
CREATE FUNCTION lifeline.pieces(parent text) RETURNS TABLE (piece text, first timestamptz, last timestamptz)
LANGUAGE sql STABLE SET timezone = 'UTC' AS $$
    SELECT format('%I.%I', s.nspname, c.relname), (b.bound)[1]::timestamptz, (b.bound)[2]::timestamptz
    FROM pg_catalog.pg_inherits i
    JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
    JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace,
    LATERAL (SELECT regexp_match(pg_get_expr(c.relpartbound, c.oid), $x$FROM \('(.*)'\) TO \('(.*)'\)$x$) AS bound) b
    WHERE i.inhparent = to_regclass('lifeline.' || parent) ORDER BY 2
$$;
CREATE FUNCTION lifeline.drop_piece(parent text, piece text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('DROP TABLE %s', piece::regclass);
END $$;
