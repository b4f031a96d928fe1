-- Early signs: what findings rest on, what was expected of each sensor, and which signs are present.

ALTER TABLE lifeline.findings ADD COLUMN evidence jsonb NOT NULL DEFAULT '[]';
CREATE OR REPLACE VIEW city.findings AS
SELECT time, sensor, detector, channel, verdict, score, return_period_years, direction, expected, low, high, reason,
       evidence
FROM lifeline.findings;
CREATE INDEX findings_signs ON lifeline.findings (sensor, time DESC) WHERE detector = 'early_sign';

-- What was expected of each sensor every half hour, for a week: a ring of 336 places for each, so that it never grows
-- beyond that and nobody has to clear it up. Single precision is enough to draw.
CREATE TABLE lifeline.bands (
    sensor_id   integer NOT NULL REFERENCES lifeline.sensors ON DELETE CASCADE,
    place       smallint NOT NULL CHECK (place BETWEEN 0 AND 335),
    time        timestamptz NOT NULL,
    expected    float4,
    low         float4 NOT NULL,
    high        float4 NOT NULL,
    PRIMARY KEY (sensor_id, place)
) WITH (fillfactor = 80);
ALTER TABLE lifeline.bands ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.bands USING (
    (SELECT lifeline.sees_all(current_user)) OR sensor_id IN (SELECT sensor_id FROM lifeline.sensors));

CREATE VIEW city.bands AS
SELECT b.time, s.sensor, b.expected::float8 AS expected, b.low::float8 AS low, b.high::float8 AS high
FROM lifeline.bands b JOIN lifeline.sensors s USING (sensor_id);

-- Signs that are present, the rarest first; `together`: how many sensors of the same quantity in the district show one
-- at once. From three on it is more likely to be the weather, the supply or the city itself than each of them.
CREATE VIEW city.signs AS
SELECT f.time, f.sensor, s.quantity, s.domain, t.district, s.site, f.channel, f.score, f.return_period_years, f.direction, f.expected,
       f.low, f.high, f.reason, count(*) OVER (PARTITION BY t.district, s.quantity, f.direction) AS together
FROM lifeline.sensors s
JOIN lifeline.sites t USING (site)
CROSS JOIN LATERAL (
    SELECT * FROM lifeline.findings f WHERE f.sensor = s.sensor AND f.detector = 'early_sign' ORDER BY f.time DESC LIMIT 1
) f
WHERE s.in_register AND f.verdict = 'abnormal'
ORDER BY f.return_period_years DESC NULLS FIRST, f.time DESC;
