-- name: groups
-- What waits, by reason, gateway and sensor; the most first.
SELECT reason, gateway, sensor, count(*) FILTER (WHERE replayed_at IS NULL), count(replayed_at),
       min(received_at), max(received_at), max(rejection), count(*) OVER ()
FROM lifeline.rejections
WHERE (%(reason)s = '' OR reason = %(reason)s) AND (%(gateway)s = '' OR gateway = %(gateway)s)
  AND (%(sensor)s = '' OR sensor = %(sensor)s) AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
GROUP BY reason, gateway, sensor
ORDER BY 4 DESC, 8 DESC
LIMIT %(limit)s

-- name: one
-- One of them, whole.
SELECT rejection, received_at, gateway, topic, sensor, time, reason, detail, payload, replayed_at
FROM lifeline.rejections WHERE rejection = %s

-- name: waiting
-- The next that may be taken in now, locked: two replays at once take each one once.
SELECT rejection, received_at, gateway, topic, sensor, time, reason, detail, payload, replayed_at
FROM lifeline.rejections
WHERE replayed_at IS NULL AND rejection > %(after)s AND reason = ANY(%(reasons)s)
  AND (%(gateway)s = '' OR gateway = %(gateway)s) AND (%(sensor)s = '' OR sensor = %(sensor)s OR sensor = '')
  AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
ORDER BY rejection LIMIT %(limit)s
FOR UPDATE

-- name: done
-- These were taken in.
UPDATE lifeline.rejections SET replayed_at = %s WHERE rejection = ANY(%s)

-- name: spans
-- What an unknown sensor sent last: who sent it, when, and what.
SELECT gateway, time, payload FROM lifeline.rejections
WHERE sensor = %s AND reason = 'unknown_sensor' ORDER BY rejection DESC LIMIT 200
