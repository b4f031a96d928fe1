-- name: stage
-- What the city folder says now, per table; gone at the commit.
CREATE TEMPORARY TABLE IF NOT EXISTS lifeline_register (part text NOT NULL, id text NOT NULL, row jsonb NOT NULL)
ON COMMIT DELETE ROWS

-- name: empty
-- A transaction may sync more than once.
DELETE FROM lifeline_register

-- name: copy
-- All rows of all parts in one go.
COPY lifeline_register (part, id, row) FROM STDIN

-- name: districts
-- Districts stay once known: alarms of the past name them.
INSERT INTO lifeline.districts (district, name)
SELECT id, row -> 'name' FROM lifeline_register WHERE part = 'district' ORDER BY id
ON CONFLICT (district) DO UPDATE SET name = excluded.name

-- name: sites
-- New ones in, known ones as they are now.
INSERT INTO lifeline.sites (site, kind, name, district, lon, lat, along, owner)
SELECT id, r.kind, row -> 'name', r.district, r.lon, r.lat, r.along, r.owner
FROM lifeline_register,
     jsonb_to_record(row) AS r (kind text, district text, lon float8, lat float8, along text, owner text)
WHERE part = 'site' ORDER BY id
ON CONFLICT (site) DO UPDATE
SET kind = excluded.kind, name = excluded.name, district = excluded.district, lon = excluded.lon, lat = excluded.lat,
    along = excluded.along, owner = excluded.owner, in_register = true

-- name: gateways
-- New ones in, known ones as they are now.
INSERT INTO lifeline.gateways (gateway, district, name, interval_s, lon, lat)
SELECT id, r.district, r.name, r.interval_s, r.lon, r.lat
FROM lifeline_register,
     jsonb_to_record(row) AS r (district text, name text, interval_s float8, lon float8, lat float8)
WHERE part = 'gateway' ORDER BY id
ON CONFLICT (gateway) DO UPDATE
SET district = excluded.district, name = excluded.name, interval_s = excluded.interval_s, lon = excluded.lon,
    lat = excluded.lat, in_register = true

-- name: sensors
-- Known ones keep their number, so that their history stays theirs (also when they come back).
INSERT INTO lifeline.sensors
    (sensor, gateway, site, quantity, domain, unit, interval_s, name, lon, lat, range_min, range_max)
SELECT id, r.gateway, r.site, r.quantity, r.domain, r.unit, r.interval_s, r.name, r.lon, r.lat, r.range_min, r.range_max
FROM lifeline_register,
     jsonb_to_record(row) AS r (gateway text, site text, quantity text, domain text, unit text, interval_s float8,
                                name text, lon float8, lat float8, range_min float8, range_max float8)
WHERE part = 'sensor' ORDER BY id
ON CONFLICT (sensor) DO UPDATE
SET gateway = excluded.gateway, site = excluded.site, quantity = excluded.quantity, domain = excluded.domain,
    unit = excluded.unit, interval_s = excluded.interval_s, name = excluded.name, lon = excluded.lon,
    lat = excluded.lat, range_min = excluded.range_min, range_max = excluded.range_max, in_register = true

-- name: gone_sites
-- What the folder no longer names is kept for the record, and no longer shown.
UPDATE lifeline.sites SET in_register = false WHERE in_register
AND NOT EXISTS (SELECT FROM lifeline_register WHERE part = 'site' AND id = site)

-- name: gone_gateways
-- What the folder no longer names is kept for the record, and no longer shown.
UPDATE lifeline.gateways SET in_register = false WHERE in_register
AND NOT EXISTS (SELECT FROM lifeline_register WHERE part = 'gateway' AND id = gateway)

-- name: gone_sensors
-- What the folder no longer names is kept for the record, and no longer shown.
UPDATE lifeline.sensors SET in_register = false WHERE in_register
AND NOT EXISTS (SELECT FROM lifeline_register WHERE part = 'sensor' AND id = sensor)

-- name: size
-- How many sensors the register has.
SELECT count(*) FROM lifeline.sensors WHERE in_register

-- name: ids
-- The number of every sensor that ever was.
SELECT sensor, sensor_id FROM lifeline.sensors
