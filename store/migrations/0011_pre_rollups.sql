-- Roll-ups kept by Lifeline: every statement that changes readings marks the five-minute buckets it touched, in its own
-- transaction; the keeper computes marked buckets again, hours from five minutes, days from hours.
-- A bucket is dirty from the commit of a change to the commit of its recomputation: at every instant the kept row of a
-- clean bucket is right, and a dirty bucket is known as one.

CREATE TABLE lifeline.dirty_buckets (
    minutes     smallint NOT NULL,                 -- width: 5, 60, 1440
    bucket      timestamptz NOT NULL,
    mark        bigint NOT NULL,                   -- who marked: with the bucket alone as key, writers would deadlock;
                                                   -- negative where rows may be gone, not only have come
    marked_at   timestamptz NOT NULL DEFAULT now(),  -- wall clock
    PRIMARY KEY (minutes, bucket, mark)
) WITH (autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_scale_factor = 0);

-- Raw readings of a sensor are whole from here on; before, retention has taken them, and kept roll-ups stand as they are.
-- Always a midnight (UTC), so that no bucket is cut in two.
ALTER TABLE lifeline.sensors ADD COLUMN raw_from timestamptz NOT NULL DEFAULT '-infinity';

CREATE FUNCTION lifeline.mark_readings() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('lifeline.retiring', true) = 'on' THEN
        RETURN NULL;  -- retention: the roll-ups are what shall remain
    END IF;
    INSERT INTO lifeline.dirty_buckets (minutes, bucket, mark)
    SELECT DISTINCT 5, date_bin('5 minutes', time, '2000-01-01 00:00:00+00'),
           CASE WHEN TG_OP = 'DELETE' THEN -1 ELSE 1 END * pg_current_xact_id()::text::bigint
    FROM changed ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE FUNCTION lifeline.mark_moved_readings() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO lifeline.dirty_buckets (minutes, bucket, mark)
    SELECT DISTINCT 5, date_bin('5 minutes', time, '2000-01-01 00:00:00+00'), -pg_current_xact_id()::text::bigint
    FROM (SELECT time FROM changed UNION ALL SELECT time FROM before) moved ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER mark_inserted AFTER INSERT ON lifeline.readings
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION lifeline.mark_readings();
CREATE TRIGGER mark_deleted AFTER DELETE ON lifeline.readings
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION lifeline.mark_readings();
CREATE TRIGGER mark_updated AFTER UPDATE ON lifeline.readings
    REFERENCING OLD TABLE AS before NEW TABLE AS changed FOR EACH STATEMENT
    EXECUTE FUNCTION lifeline.mark_moved_readings();

-- Buckets of a width that may not be taken from the kept rows: their own marks, and those of what they are made from.
-- Not a view: the planner shall know that these are few.
CREATE FUNCTION lifeline.dirty(width integer) RETURNS TABLE (bucket timestamptz)
LANGUAGE sql STABLE ROWS 2 SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT date_bin(make_interval(mins => width), d.bucket, '2000-01-01 00:00:00+00')
    FROM lifeline.dirty_buckets d WHERE d.minutes <= width
$$;

-- Compute one bucket again from what it is made of; how many rows changed. Only the keeper calls it, one at a time.
-- Each statement sees what was committed before it: marks are read first and only those are removed at the end, so a
-- change that commits meanwhile keeps its own mark. Bounds are constants, so that whole pieces are left out.
-- The newest rows always lie beyond the statistics, where the planner expects one row and means a nested loop to be cheap:
-- with thousands of sensors that took a minute. So: by the BRIN on time, and a hash join.
CREATE FUNCTION lifeline.refresh_bucket(width integer, at timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
SET enable_nestloop = off SET enable_indexscan = off SET enable_indexonlyscan = off SET enable_seqscan = off
SET random_page_cost = 1.1 AS $$
DECLARE
    target text := CASE width WHEN 5 THEN 'rollup_5m' WHEN 60 THEN 'rollup_1h' ELSE 'rollup_1d' END;
    source text := CASE width WHEN 60 THEN 'rollup_5m' WHEN 1440 THEN 'rollup_1h' END;
    upper integer := CASE width WHEN 5 THEN 60 WHEN 60 THEN 1440 END;
    past timestamptz := at + make_interval(mins => width);
    marks bigint[] := ARRAY(SELECT mark FROM lifeline.dirty_buckets WHERE minutes = width AND bucket = at);
    lost boolean := EXISTS (SELECT FROM unnest(marks) AS mark WHERE mark < 0);
    fresher bigint;
    gone bigint := 0;
BEGIN
    IF EXISTS (SELECT FROM lifeline.dirty_buckets d WHERE d.minutes < width AND d.bucket >= at AND d.bucket < past) THEN
        RETURN 0;  -- its parts come first
    END IF;
    source := CASE WHEN source IS NULL THEN format(
        'SELECT sensor_id, 1 AS n, value AS sum, value AS min, value AS max, value AS last, time AS last_time,
                flag AS worst_flag FROM lifeline.readings WHERE time >= %L AND time < %L', at, past)
        ELSE format('SELECT * FROM lifeline.%I WHERE bucket >= %L AND bucket < %L', source, at, past) END;
    PERFORM lifeline.prepare_rollup(target, at);
    EXECUTE format($sql$
        WITH fresh AS MATERIALIZED (
            SELECT p.sensor_id, sum(p.n)::integer AS n, sum(p.sum) AS sum, min(p.min) AS min, max(p.max) AS max,
                   (array_agg(p.last ORDER BY p.last_time DESC))[1] AS last, max(p.last_time) AS last_time,
                   max(p.worst_flag) AS worst_flag
            FROM (%2$s) p JOIN lifeline.sensors s USING (sensor_id) WHERE s.raw_from <= %3$L GROUP BY p.sensor_id
        ), put AS (
            INSERT INTO lifeline.%1$I AS m (sensor_id, bucket, n, sum, min, max, last, last_time, worst_flag)
            SELECT sensor_id, %3$L, n, sum, min, max, last, last_time, worst_flag FROM fresh
            ON CONFLICT (sensor_id, bucket) DO UPDATE
            SET n = excluded.n, sum = excluded.sum, min = excluded.min, max = excluded.max, last = excluded.last,
                last_time = excluded.last_time, worst_flag = excluded.worst_flag
            WHERE (m.n, m.sum, m.min, m.max, m.last, m.last_time, m.worst_flag) IS DISTINCT FROM
                  (excluded.n, excluded.sum, excluded.min, excluded.max, excluded.last, excluded.last_time,
                   excluded.worst_flag)
            RETURNING m.sensor_id
        )
        SELECT count(*) FROM put
    $sql$, target, source, at) INTO fresher;
    IF lost THEN
        EXECUTE format($sql$
            DELETE FROM lifeline.%1$I m USING lifeline.sensors s
            WHERE m.bucket = %3$L AND s.sensor_id = m.sensor_id AND s.raw_from <= %3$L
              AND m.sensor_id NOT IN (SELECT sensor_id FROM (%2$s) p)
        $sql$, target, source, at);
        GET DIAGNOSTICS gone = ROW_COUNT;
    END IF;
    IF fresher + gone > 0 AND upper IS NOT NULL THEN
        INSERT INTO lifeline.dirty_buckets (minutes, bucket, mark)
        VALUES (upper, date_bin(make_interval(mins => upper), at, '2000-01-01 00:00:00+00'), -sign(gone))
        ON CONFLICT DO NOTHING;
    END IF;
    DELETE FROM lifeline.dirty_buckets WHERE minutes = width AND bucket = at AND mark = ANY (marks);
    RETURN fresher + gone;
END $$;

-- Many marks of a bucket that is still filling become one: the views read them all with every query.
CREATE FUNCTION lifeline.compact_marks() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH gone AS (DELETE FROM lifeline.dirty_buckets WHERE mark NOT IN (0, -1) RETURNING minutes, bucket, mark, marked_at)
    INSERT INTO lifeline.dirty_buckets (minutes, bucket, mark, marked_at)
    SELECT minutes, bucket, CASE WHEN min(mark) < 0 THEN -1 ELSE 0 END, min(marked_at)
    FROM gone GROUP BY minutes, bucket ON CONFLICT DO NOTHING
$$;

-- The newest rows are found by time as quickly as old ones only once their blocks are summarised. PostgreSQL does that
-- by itself within a minute or so; a bulk load, or a busy minute, is too much to read for a query that cannot wait.
CREATE FUNCTION lifeline.summarize(since timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    index_ regclass;
BEGIN
    FOR index_ IN
        SELECT i.indexrelid::regclass
        FROM unnest(ARRAY['readings', 'rollup_5m', 'rollup_1h']) AS parent, LATERAL lifeline.pieces(parent) p
        JOIN pg_index i ON i.indrelid = p.piece::regclass
        JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_am a ON a.oid = c.relam AND a.amname = 'brin'
        WHERE p.last > since
    LOOP
        PERFORM brin_summarize_new_values(index_);
    END LOOP;
END $$;

-- What is there already: every bucket of every piece, newest computed first by the keeper.
INSERT INTO lifeline.dirty_buckets (minutes, bucket, mark)
SELECT DISTINCT 5, b.bucket, 0 FROM lifeline.pieces('readings') p,
     generate_series(p.first, p.last - interval '5 minutes', '5 minutes') AS b (bucket)
WHERE b.bucket <= city.now() + interval '1 day';
