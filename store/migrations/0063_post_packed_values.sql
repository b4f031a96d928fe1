-- Values may be packed as `0060_pre_measured` says. Only once every role reads `lifeline.measured`: until then a value that is
-- null is refused. Not validated: no row is packed yet, and what stands has a value.

ALTER TABLE lifeline.readings ALTER COLUMN value DROP NOT NULL;
ALTER TABLE lifeline.readings ADD CONSTRAINT value_once CHECK (
    CASE WHEN coalesce(tests, 0) < 256 THEN value IS NOT NULL
         ELSE value IS NULL AND raw IS NOT NULL AND tests < 2560 END) NOT VALID;
