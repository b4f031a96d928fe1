-- Old readings become columns: a sensor's values together, newest first, which is how they are asked for.
-- Pieces are compressed by the keeper, oldest first, rather than by background jobs: nothing then hangs on a server
-- version whose jobs fail, and a piece is compressed only once late data have had their time.

-- A table of columns takes no statement trigger on DELETE that asks for the rows: here each row marks its own bucket.
-- Rows go one by one only where somebody mends history by hand; retention drops whole pieces, and marks nothing.
CREATE FUNCTION lifeline.mark_deleted_reading() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('lifeline.retiring', true) IS DISTINCT FROM 'on' THEN
        INSERT INTO lifeline.dirty_buckets (minutes, bucket, mark)
        VALUES (5, date_bin('5 minutes', OLD.time, '2000-01-01 00:00:00+00'), -pg_current_xact_id()::text::bigint)
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER mark_deleted ON lifeline.readings;
CREATE TRIGGER mark_deleted AFTER DELETE ON lifeline.readings
    FOR EACH ROW EXECUTE FUNCTION lifeline.mark_deleted_reading();

ALTER TABLE lifeline.readings SET (
    timescaledb.compress, timescaledb.compress_segmentby = 'sensor_id', timescaledb.compress_orderby = 'time DESC');
ALTER TABLE lifeline.rollup_5m SET (
    timescaledb.compress, timescaledb.compress_segmentby = 'sensor_id', timescaledb.compress_orderby = 'bucket DESC');

-- Compresses the oldest piece before a time that is not compressed, or that late data have touched since (status 8).
CREATE FUNCTION lifeline.compress_one(before timestamptz) RETURNS text
LANGUAGE plpgsql SET search_path = lifeline, public, pg_temp AS $$
DECLARE
    piece text;
BEGIN
    SELECT format('%I.%I', c.chunk_schema, c.chunk_name) INTO piece
    FROM timescaledb_information.chunks c
    JOIN _timescaledb_catalog.chunk k ON k.schema_name = c.chunk_schema AND k.table_name = c.chunk_name
    WHERE c.hypertable_schema = 'lifeline' AND c.hypertable_name IN ('readings', 'rollup_5m')
      AND c.range_end <= before AND (NOT c.is_compressed OR k.status & 8 <> 0)
    ORDER BY c.range_end LIMIT 1;
    IF piece IS NOT NULL THEN
        PERFORM compress_chunk(piece::regclass, if_not_compressed => true);
    END IF;
    RETURN piece;
END $$;
