-- name: told
-- Which of these readings left a row before: a claim of the future, or a conflict.
SELECT r.reason, r.sensor, r.time, r.detail
FROM unnest(%(sensors)s::text[], %(times)s::timestamptz[]) AS a (sensor, time)
JOIN lifeline.rejections r ON r.sensor = a.sensor AND r.time = a.time
WHERE r.reason IN ('future_time', 'conflict')

-- name: count
-- Add a batch to each gateway's ledger; in the order of gateways, so that two writers cannot deadlock. The skew follows
-- slowly: one message that was long on its way says little about a clock.
INSERT INTO lifeline.gateway_ledger AS l
    (gateway, last_seen, skew_s, last_seq, published, received, stored, repeated, rejected, missing,
     gaps)
SELECT gateway, lifeline.from_us(last_seen_us), skew_s, last_seq, published, received, stored, repeated, rejected, missing,
       gaps::bigint[]
FROM unnest(%s::text[], %s::bigint[], %s::float8[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
            %s::bigint[], %s::bigint[], %s::bigint[], %s::text[])
     AS b (gateway, last_seen_us, skew_s, last_seq, published, received, stored, repeated, rejected, missing, gaps)
ORDER BY gateway
ON CONFLICT (gateway) DO UPDATE
SET last_seen = greatest(l.last_seen, excluded.last_seen),
    skew_s = coalesce(l.skew_s + 0.2 * (excluded.skew_s - l.skew_s), excluded.skew_s, l.skew_s),
    last_seq = coalesce(excluded.last_seq, l.last_seq),
    gaps = CASE WHEN excluded.last_seq IS NULL THEN l.gaps ELSE excluded.gaps END,
    published = l.published + excluded.published, received = l.received + excluded.received,
    stored = l.stored + excluded.stored, repeated = l.repeated + excluded.repeated,
    rejected = l.rejected + excluded.rejected, missing = greatest(0, l.missing + excluded.missing)

-- name: status
-- What a gateway says of itself.
INSERT INTO lifeline.gateway_ledger AS l (gateway, online, last_seen, buffered, version)
VALUES (%(gateway)s, %(online)s, lifeline.from_us(%(received_us)s), %(buffered)s, %(version)s)
ON CONFLICT (gateway) DO UPDATE
SET online = excluded.online, buffered = excluded.buffered, version = excluded.version,
    last_seen = CASE WHEN excluded.online THEN greatest(l.last_seen, excluded.last_seen) ELSE l.last_seen END

-- name: standing
-- Where each gateway's numbering and state stood at the last commit.
SELECT gateway, last_seq, gaps, online FROM lifeline.gateway_ledger
