-- What the recorder must remember across its restarts, so that what comes again does not count twice.

-- A redelivered reading whose first arrival left a row here is recognised by it.
CREATE INDEX rejections_claims ON lifeline.rejections (sensor, time) WHERE reason IN ('future_time', 'conflict');

-- Message numbers not seen yet below the highest, as first and last of each range in turn: late ones fill them.
ALTER TABLE lifeline.gateway_ledger ADD COLUMN gaps bigint[] NOT NULL DEFAULT '{}';
