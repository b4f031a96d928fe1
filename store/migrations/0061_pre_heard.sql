-- Which sensors are heard, in one look at the register and one at the newest values: a wall asks this four times at every
-- refresh, and joined the latest values with their levels to the register a second time, at twice the price.

CREATE VIEW city.heard AS
SELECT s.sensor, s.site, t.district, s.domain,
       coalesce(l.received_at < (SELECT city.now() - interval '300 seconds')
                AND date_part('epoch', (SELECT city.now()) - l.received_at) > 3 * s.interval_s, true) AS stale
FROM lifeline.sensors s JOIN lifeline.sites t USING (site) LEFT JOIN lifeline.latest l USING (sensor_id)
WHERE s.in_register;
