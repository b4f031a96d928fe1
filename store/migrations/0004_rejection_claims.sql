-- A redelivered reading whose first arrival left a row here is recognised by it, so that it does not count twice.

CREATE INDEX rejections_claims ON lifeline.rejections (sensor, time) WHERE reason IN ('future_time', 'conflict');
