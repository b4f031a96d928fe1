-- name: told
-- Which of these readings left a row before: a claim of the future, or a conflict.
SELECT r.reason, r.sensor, r.time, r.detail
FROM unnest(%(sensors)s::text[], %(times)s::timestamptz[]) AS a (sensor, time)
JOIN lifeline.rejections r ON r.sensor = a.sensor AND r.time = a.time
WHERE r.reason IN ('future_time', 'conflict')

-- name: begin
-- Gateways that had no row yet.
INSERT INTO lifeline.gateway_ledger (gateway) SELECT unnest(%s::text[]) ON CONFLICT (gateway) DO NOTHING

-- name: standing
-- How far the numbers of these gateways have come, locked in their order: two recorders merge one after the other.
SELECT gateway, first_seq, first_us, last_seq, last_us, gaps, gap_hours FROM lifeline.gateway_ledger
WHERE gateway = ANY(%s) ORDER BY gateway FOR UPDATE

-- name: count
-- Add a batch to each gateway's ledger, by hour and in all; in their order, so that two writers cannot deadlock.
WITH hours AS MATERIALIZED (
    SELECT * FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
                         %s::bigint[], %s::bigint[])
        AS h (gateway, hour_us, messages, published, received, stored, repeated, rejected, missing)
), heard AS (
    SELECT * FROM unnest(%s::text[], %s::bigint[], %s::float8[], %s::float8[], %s::bigint[], %s::bigint[], %s::bigint[],
                         %s::bigint[], %s::bigint[], %s::text[], %s::text[])
        AS g (gateway, last_seen_us, skew_s, uncertainty_s, since_us, first_seq, first_us, last_seq, last_us, gaps, gap_hours)
), kept AS (
    INSERT INTO lifeline.gateway_hours AS l
        (gateway, hour, messages, published, received, stored, repeated, rejected, missing)
    SELECT gateway, lifeline.from_us(hour_us), messages, published, received, stored, repeated, rejected, missing
    FROM hours ORDER BY gateway, hour_us
    ON CONFLICT (gateway, hour) DO UPDATE
    SET messages = l.messages + excluded.messages, published = l.published + excluded.published,
        received = l.received + excluded.received, stored = l.stored + excluded.stored,
        repeated = l.repeated + excluded.repeated, rejected = l.rejected + excluded.rejected,
        missing = l.missing + excluded.missing
), sums AS (
    SELECT gateway, sum(messages)::bigint AS messages, sum(published)::bigint AS published,
           sum(received)::bigint AS received, sum(stored)::bigint AS stored, sum(repeated)::bigint AS repeated,
           sum(rejected)::bigint AS rejected, sum(missing)::bigint AS missing
    FROM hours GROUP BY gateway
)
INSERT INTO lifeline.gateway_ledger AS l
    (gateway, last_seen, skew_s, skew_uncertainty_s, skew_since, first_seq, first_us, last_seq, last_us, gaps, gap_hours,
     messages, published, received, stored, repeated, rejected, missing)
SELECT gateway, lifeline.from_us(nullif(last_seen_us, 0)), skew_s, uncertainty_s, lifeline.from_us(since_us), first_seq,
       first_us, last_seq, last_us, gaps::bigint[], gap_hours::bigint[], messages, published, received, stored, repeated,
       rejected, missing
FROM heard JOIN sums USING (gateway) ORDER BY gateway
ON CONFLICT (gateway) DO UPDATE
SET last_seen = greatest(l.last_seen, excluded.last_seen),
    skew_s = coalesce(excluded.skew_s, l.skew_s),
    skew_uncertainty_s = CASE WHEN excluded.skew_s IS NULL THEN l.skew_uncertainty_s ELSE excluded.skew_uncertainty_s END,
    skew_since = CASE WHEN excluded.skew_s IS NULL THEN l.skew_since ELSE excluded.skew_since END,
    first_seq = coalesce(excluded.first_seq, l.first_seq), first_us = coalesce(excluded.first_us, l.first_us),
    last_seq = coalesce(excluded.last_seq, l.last_seq), last_us = coalesce(excluded.last_us, l.last_us),
    gaps = CASE WHEN excluded.last_seq IS NULL THEN l.gaps ELSE excluded.gaps END,
    gap_hours = CASE WHEN excluded.last_seq IS NULL THEN l.gap_hours ELSE excluded.gap_hours END,
    messages = l.messages + excluded.messages, published = l.published + excluded.published,
    received = l.received + excluded.received, stored = l.stored + excluded.stored,
    repeated = l.repeated + excluded.repeated, rejected = l.rejected + excluded.rejected,
    missing = l.missing + excluded.missing

-- name: status
-- What a gateway says of itself.
INSERT INTO lifeline.gateway_ledger AS l (gateway, online, last_seen, buffered, version)
VALUES (%(gateway)s, %(online)s, lifeline.from_us(%(received_us)s), %(buffered)s, %(version)s)
ON CONFLICT (gateway) DO UPDATE
SET online = excluded.online, buffered = excluded.buffered, version = excluded.version,
    last_seen = CASE WHEN excluded.online THEN greatest(l.last_seen, excluded.last_seen) ELSE l.last_seen END

-- name: online
-- What each gateway last said of itself.
SELECT gateway, online FROM lifeline.gateway_ledger
