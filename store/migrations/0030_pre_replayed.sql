-- What was refused may be taken in after all, once the register is mended: when that was.

ALTER TABLE lifeline.rejections ADD COLUMN replayed_at timestamptz;
CREATE INDEX rejections_waiting ON lifeline.rejections (reason, sensor, rejection) WHERE replayed_at IS NULL;

CREATE OR REPLACE VIEW city.rejections WITH (security_barrier) AS
SELECT received_at, gateway, topic, sensor, time, reason, detail, payload, rejection, replayed_at
FROM lifeline.rejections
WHERE (SELECT lifeline.sees_all(current_user)) OR gateway IN (SELECT gateway FROM lifeline.gateways);
