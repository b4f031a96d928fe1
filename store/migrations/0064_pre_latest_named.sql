-- The newest values of ten thousand sensors in one look at one table: joining them to the register was a third of the work.
-- Each row carries of its sensor what the view shows and what hardly ever changes; triggers keep it, whoever writes. Sensors
-- without a value yet stand in a table of their own, so that those that have one need not be looked for to tell them.

ALTER TABLE lifeline.latest ADD COLUMN fresh_for interval;      -- silent for longer, a sensor is stale
ALTER TABLE lifeline.latest ADD COLUMN in_register boolean NOT NULL DEFAULT false;
ALTER TABLE lifeline.latest ADD COLUMN sensor text;             -- null beside a number that the register never gave
CREATE TABLE lifeline.unheard (sensor_id integer PRIMARY KEY);

CREATE FUNCTION lifeline.fresh_for(interval_s float8) RETURNS interval LANGUAGE sql IMMUTABLE AS $$
    SELECT make_interval(secs => least(greatest(3 * interval_s, 300), 1e9))
$$;
UPDATE lifeline.latest l SET sensor = s.sensor, in_register = s.in_register, fresh_for = lifeline.fresh_for(s.interval_s)
FROM lifeline.sensors s WHERE s.sensor_id = l.sensor_id;
INSERT INTO lifeline.unheard SELECT sensor_id FROM lifeline.sensors EXCEPT SELECT sensor_id FROM lifeline.latest;
CREATE INDEX latest_sensor ON lifeline.latest (sensor);

-- What the register says anew reaches the newest values. Whoever changes it waits for whoever writes these (`lock_latest`), and
-- they for it: a first value that came meanwhile would keep what was said before.
CREATE FUNCTION lifeline.lock_latest() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7234017283807667203);
    RETURN NULL;
END $$;
CREATE TRIGGER lock_latest BEFORE INSERT OR UPDATE OF sensor, interval_s, in_register ON lifeline.sensors
    FOR EACH STATEMENT EXECUTE FUNCTION lifeline.lock_latest();
CREATE FUNCTION lifeline.name_latest() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM said s JOIN lifeline.latest l USING (sensor_id)
               WHERE (l.sensor, l.in_register, l.fresh_for)
                     IS DISTINCT FROM (s.sensor, s.in_register, lifeline.fresh_for(s.interval_s))) THEN
        UPDATE lifeline.latest l
        SET sensor = s.sensor, in_register = s.in_register, fresh_for = lifeline.fresh_for(s.interval_s)
        FROM said s WHERE s.sensor_id = l.sensor_id;
    END IF;
    IF TG_OP = 'INSERT' THEN
        INSERT INTO lifeline.unheard SELECT sensor_id FROM said s
        WHERE NOT EXISTS (SELECT FROM lifeline.latest l WHERE l.sensor_id = s.sensor_id) ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER name_latest_new AFTER INSERT ON lifeline.sensors REFERENCING NEW TABLE AS said
    FOR EACH STATEMENT EXECUTE FUNCTION lifeline.name_latest();
CREATE TRIGGER name_latest AFTER UPDATE ON lifeline.sensors REFERENCING NEW TABLE AS said
    FOR EACH STATEMENT EXECUTE FUNCTION lifeline.name_latest();

-- A sensor's first value takes its name along. Rows that come with one are copied from a database that knew it.
CREATE FUNCTION lifeline.name_first() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.sensor IS NULL THEN
        SELECT s.sensor, s.in_register, lifeline.fresh_for(s.interval_s) INTO NEW.sensor, NEW.in_register, NEW.fresh_for
        FROM lifeline.sensors s WHERE s.sensor_id = NEW.sensor_id;
        NEW.in_register := coalesce(NEW.in_register, false);
    END IF;
    DELETE FROM lifeline.unheard u WHERE u.sensor_id = NEW.sensor_id;
    RETURN NEW;
END $$;
CREATE TRIGGER name_first BEFORE INSERT ON lifeline.latest FOR EACH ROW EXECUTE FUNCTION lifeline.name_first();

-- Nobody but a hand takes newest values away; the sensors are shown all the same.
CREATE FUNCTION lifeline.unhear() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO lifeline.unheard SELECT s.sensor_id FROM lifeline.sensors s
    WHERE NOT EXISTS (SELECT FROM lifeline.latest l WHERE l.sensor_id = s.sensor_id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER unhear AFTER DELETE OR TRUNCATE ON lifeline.latest FOR EACH STATEMENT EXECUTE FUNCTION lifeline.unhear();

-- The values are no longer shown only beside their sensor's row, which has a policy.
ALTER TABLE lifeline.latest ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.latest USING (
    (SELECT lifeline.sees_all(current_user)) OR sensor_id IN (SELECT sensor_id FROM lifeline.sensors));

CREATE OR REPLACE VIEW city.latest AS
SELECT l.sensor, l.time, l.value, l.flag,
       coalesce(a.level, 'none') AS level,
       coalesce(l.received_at + l.fresh_for < (SELECT city.now()), true) AS stale,
       date_part('epoch', (SELECT city.now()) - l.time) AS age_s
FROM (
    SELECT sensor, time, value, flag, received_at, fresh_for FROM lifeline.latest WHERE in_register
    UNION ALL
    SELECT s.sensor, NULL, NULL, NULL, NULL, NULL
    FROM lifeline.unheard u JOIN lifeline.sensors s USING (sensor_id) WHERE s.in_register
) l
LEFT JOIN (
    SELECT sensor, lifeline.level_word(max(level)::integer) AS level
    FROM lifeline.alarms WHERE cleared_at IS NULL AND drill = '' GROUP BY sensor
) a ON a.sensor = l.sensor;
-- (May be asked before the grants are settled; the role is there once anything was.)
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'city_views') THEN
        GRANT SELECT ON lifeline.unheard TO city_views;
    END IF;
END $$;
