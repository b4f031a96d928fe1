-- Values may be packed as `0060_pre_measured` says. Only once every role reads `lifeline.measured`: until then a value that is
-- null is refused. Not validated: no row is packed yet, and what stands has a value.

ALTER TABLE lifeline.readings ALTER COLUMN value DROP NOT NULL;
ALTER TABLE lifeline.readings ADD CONSTRAINT value_once CHECK (
    CASE WHEN value IS NOT NULL THEN tests < 256  -- or null, which is let through
         ELSE raw IS NOT NULL AND coalesce(tests, 0) BETWEEN 256 AND 2559 END) NOT VALID;
