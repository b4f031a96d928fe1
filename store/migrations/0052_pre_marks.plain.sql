-- Who puts rows straight into a piece of `lifeline.readings` (the recorder, where the pieces are partitions) marks what they
-- touch itself, in the same transaction: triggers of the whole table do not see such rows, and to show them rows costs a
-- quarter of putting these in.

CREATE FUNCTION lifeline.mark_touched(first_us bigint[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO lifeline.dirty_buckets (minutes, bucket, mark)
    SELECT DISTINCT 5, date_bin('5 minutes', lifeline.from_us(us), '2000-01-01 00:00:00+00'), pg_current_xact_id()::text::bigint
    FROM unnest(first_us) AS us ON CONFLICT DO NOTHING
$$;

-- Writers may put rows into pieces that are made from now on, as they may into those that stand.
CREATE OR REPLACE FUNCTION lifeline.make_partition(parent text, name text, first timestamptz, last timestamptz) RETURNS void
LANGUAGE plpgsql SET timezone = 'UTC' SET client_min_messages = warning AS $$
BEGIN
    IF to_regclass('lifeline.' || name) IS NULL THEN
        -- Waits for whoever else is making one (not for writers), and makes their work visible to the next line.
        EXECUTE format('LOCK TABLE ONLY lifeline.%I IN SHARE UPDATE EXCLUSIVE MODE', parent);
        IF to_regclass('lifeline.' || name) IS NULL THEN
            EXECUTE format('CREATE TABLE lifeline.%I (LIKE lifeline.%I INCLUDING ALL)', name, parent);
            EXECUTE format('ALTER TABLE lifeline.%I ATTACH PARTITION lifeline.%I FOR VALUES FROM (%L) TO (%L)',
                           parent, name, first, last);
            IF parent = 'readings' AND EXISTS (SELECT FROM pg_roles WHERE rolname = 'city_writer') THEN
                EXECUTE format('GRANT INSERT ON lifeline.%I TO city_writer', name);
            END IF;
        END IF;
    END IF;
END $$;
