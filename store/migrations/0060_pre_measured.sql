-- Readings as they were said, however they are kept: every reader reads `lifeline.measured`, and only writers and the keeper
-- name the table. On a columnstore the keeper packs short decimals (`store/decimals.py`): `value` is then null, `raw` holds the
-- decimal's digits as a whole number, and the upper byte of `tests` says by which power of ten they are to be divided: 1 to 9.
-- No column of their own: with more than eight every row of every tier would take eight bytes more for its nulls.
-- Both whole number and power of ten are exact, so the quotient is the very double that was said.

CREATE VIEW lifeline.measured AS
SELECT sensor_id, flag, time,
       coalesce(value, raw / ('{1e1,1e2,1e3,1e4,1e5,1e6,1e7,1e8,1e9}'::float8[])[tests >> 8]) AS value, received_at,
       CASE WHEN value IS NOT NULL THEN raw END AS raw, nullif(tests & 255::smallint, 0::smallint) AS tests, claimed_at
FROM lifeline.readings;

-- What read the table reads that.
DO $$
DECLARE
    reader record;
BEGIN
    SET LOCAL search_path = pg_catalog, pg_temp;  -- so that names are spelled whole
    FOR reader IN
        SELECT DISTINCT r.ev_class::regclass AS view_ FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
        WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = 'lifeline.readings'::regclass
          AND r.ev_class <> 'lifeline.measured'::regclass
    LOOP
        EXECUTE format('CREATE OR REPLACE VIEW %s AS %s', reader.view_,
                       replace(pg_get_viewdef(reader.view_), 'lifeline.readings', 'lifeline.measured'));
    END LOOP;
    EXECUTE replace(pg_get_functiondef('lifeline.compute_bucket(integer,timestamptz)'::regprocedure),
                    'lifeline.readings', 'lifeline.measured');
END $$;
