-- Values may be packed as `0060_pre_measured` says. Only once every role reads `lifeline.measured`: until then a value that is
-- null is refused. Where TimescaleDB is too old to let either be changed on a table with columns, that part stays: without the
-- first values stay doubles, and without the second nobody looks whether a row has its value once.

DO $$ BEGIN
    ALTER TABLE lifeline.readings ALTER COLUMN value DROP NOT NULL;
EXCEPTION WHEN feature_not_supported THEN
    RAISE WARNING 'readings take more room than they could: %', SQLERRM;
END $$;
DO $$ BEGIN
    ALTER TABLE lifeline.readings ADD CONSTRAINT value_once CHECK (
        CASE WHEN value IS NOT NULL THEN tests < 256  -- or null, which is let through
             ELSE raw IS NOT NULL AND coalesce(tests, 0) BETWEEN 256 AND 2559 END) NOT VALID;
EXCEPTION WHEN feature_not_supported THEN
    RAISE WARNING 'rows of readings are not checked: %', SQLERRM;
END $$;
