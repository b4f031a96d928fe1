-- Which piece becomes columns next is asked before it does, so that one that fails has a name. A piece that failed is passed
-- over for a while: it was tried again and again, and no piece behind it had its turn.

-- The oldest piece before a time that is not compressed, or that late data have touched since (status 8).
CREATE FUNCTION lifeline.next_columns(before timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT format('%I.%I', c.chunk_schema, c.chunk_name)
    FROM timescaledb_information.chunks c
    JOIN _timescaledb_catalog.chunk k ON k.schema_name = c.chunk_schema AND k.table_name = c.chunk_name
    WHERE c.hypertable_schema = 'lifeline' AND c.hypertable_name IN ('readings', 'rollup_5m')
      AND c.range_end <= before AND (NOT c.is_compressed OR k.status & 8 <> 0)
      AND NOT lifeline.passed_over('columns', format('%I.%I', c.chunk_schema, c.chunk_name))
    ORDER BY c.range_end LIMIT 1
$$;
CREATE OR REPLACE FUNCTION lifeline.compress_one(before timestamptz) RETURNS text
LANGUAGE plpgsql SET search_path = lifeline, public, pg_temp AS $$
DECLARE
    piece text := lifeline.next_columns(before);
BEGIN
    IF piece IS NOT NULL THEN
        PERFORM compress_chunk(piece::regclass, if_not_compressed => true);
    END IF;
    RETURN piece;
END $$;
