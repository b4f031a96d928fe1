-- name: state
-- Of each district the worst state by domain: 0 normal, 1 to 4 a warning, -1 when more than half of its sensors are silent
-- and nothing stands; empty where nothing is watched. Neither exercises nor what is under maintenance.
WITH silence AS (
    SELECT district, domain, CASE WHEN 2 * count(*) FILTER (WHERE stale) > count(*) THEN -1 ELSE 0 END AS state
    FROM city.heard GROUP BY 1, 2
), alarm AS (
    SELECT district, domain, max(array_position(ARRAY['none', 'blue', 'yellow', 'orange', 'red'], level) - 1) AS state
    FROM city.alarms
    WHERE cleared_at IS NULL AND drill = '' AND level <> 'none' AND hold NOT IN ('maintenance', 'out_of_service')
    GROUP BY 1, 2
), worst AS (
    SELECT district, domain, coalesce(a.state, s.state) AS state FROM silence s LEFT JOIN alarm a USING (district, domain)
)
SELECT {d.name} AS district,
       max(state) FILTER (WHERE domain = 'gas') AS gas,
       max(state) FILTER (WHERE domain = 'waterlogging') AS waterlogging,
       max(state) FILTER (WHERE domain = 'bridge') AS bridge,
       max(state) FILTER (WHERE domain = 'settlement') AS settlement
FROM city.districts d LEFT JOIN worst w USING (district)
GROUP BY d.district, 1 ORDER BY 1

-- name: city
-- The worst state of each domain in the whole city, as above.
WITH silence AS (
    SELECT domain, CASE WHEN 2 * count(*) FILTER (WHERE stale) > count(*) THEN -1 ELSE 0 END AS state
    FROM city.heard GROUP BY 1
), alarm AS (
    SELECT domain, max(array_position(ARRAY['none', 'blue', 'yellow', 'orange', 'red'], level) - 1) AS state
    FROM city.alarms
    WHERE cleared_at IS NULL AND drill = '' AND level <> 'none' AND hold NOT IN ('maintenance', 'out_of_service')
    GROUP BY 1
), worst AS (
    SELECT domain, coalesce(a.state, s.state) AS state FROM silence s LEFT JOIN alarm a USING (domain)
)
SELECT max(state) FILTER (WHERE domain = 'gas') AS gas,
       max(state) FILTER (WHERE domain = 'waterlogging') AS waterlogging,
       max(state) FILTER (WHERE domain = 'bridge') AS bridge,
       max(state) FILTER (WHERE domain = 'settlement') AS settlement
FROM worst

-- name: updated
-- How long ago the newest measurement of the city was made: nothing here is newer.
SELECT CASE WHEN max(time) > city.now() THEN 0 ELSE date_part('epoch', city.now() - max(time)) END AS age FROM city.latest
