-- The limits that trends are drawn with: what each rule in force asks of a sensor's own value, in the sensor's unit.

CREATE TABLE lifeline.limits (
    sensor      text NOT NULL,
    rule        text NOT NULL,
    level       smallint NOT NULL,
    side        text NOT NULL CHECK (side IN ('high', 'low')),  -- high: at or above it; low: at or below it
    value       float8 NOT NULL,
    PRIMARY KEY (sensor, rule, level, side, value)
);
ALTER TABLE lifeline.limits ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.limits USING (
    (SELECT lifeline.sees_all(current_user)) OR sensor IN (SELECT sensor FROM lifeline.sensors));

CREATE VIEW city.limits AS
SELECT l.sensor, l.rule, lifeline.level_word(l.level) AS level, l.side, l.value, s.unit
FROM lifeline.limits l JOIN lifeline.sensors s USING (sensor) WHERE s.in_register;

-- Districts by name: what chooses them on maps and walls.
CREATE VIEW city.districts AS
SELECT district, coalesce(name ->> 'en', district) AS name, name ->> 'zh' AS name_zh FROM lifeline.districts;

-- The page of one sensor asks by it.
CREATE INDEX IF NOT EXISTS alarms_sensor ON lifeline.alarms (sensor, raised_at);
