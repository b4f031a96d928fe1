-- name: told
-- Which of these readings left a row before: a claim of the future, or a conflict.
SELECT r.reason, r.sensor, r.time, r.detail, r.payload
FROM unnest(%(sensors)s::text[], %(times)s::timestamptz[]) AS a (sensor, time)
JOIN lifeline.rejections r ON r.sensor = a.sensor AND r.time = a.time
WHERE r.reason IN ('future_time', 'conflict')

-- name: enter
-- What a batch says of its gateways, kept until it is posted to their ledger.
INSERT INTO lifeline.ledger_entries (entry) VALUES (%s)

-- name: lock_entries
-- Of recorders that post, one after the other.
SELECT pg_advisory_xact_lock(7234017283807667208)

-- name: take_entries
-- The oldest entries, to be posted in this transaction.
DELETE FROM lifeline.ledger_entries WHERE id = ANY (ARRAY(SELECT id FROM lifeline.ledger_entries ORDER BY id LIMIT %s))
RETURNING id, entry, entered_at

-- name: put_aside
-- An entry that cannot be posted, with the reason, in the transaction that took it.
INSERT INTO lifeline.spoiled_entries (id, entry, entered_at, reason) VALUES (%s, %s, %s, %s)

-- name: begin
-- Gateways that had no row yet.
INSERT INTO lifeline.gateway_ledger (gateway) SELECT unnest(%s::text[]) ON CONFLICT (gateway) DO NOTHING

-- name: standing
-- How far the numbers of these gateways have come, locked in their order: two recorders merge one after the other.
SELECT gateway, first_seq, first_us, last_seq, last_us, gaps, gap_hours FROM lifeline.gateway_ledger
WHERE gateway = ANY(%s) ORDER BY gateway FOR UPDATE

-- name: count
-- Add accounts to each gateway's ledger, by hour and in all. Their rows are locked already (`standing`), so that updates may go
-- in any order: they cost a third of an upsert.
WITH hours AS MATERIALIZED (
    SELECT *, lifeline.from_us(hour_us) AS hour
    FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
                %s::bigint[], %s::bigint[])
        AS h (gateway, hour_us, messages, published, received, stored, repeated, rejected, missing)
), heard AS (
    SELECT * FROM unnest(%s::text[], %s::bigint[], %s::float8[], %s::float8[], %s::bigint[], %s::bigint[], %s::bigint[],
                         %s::bigint[], %s::bigint[], %s::text[], %s::text[])
        AS g (gateway, last_seen_us, skew_s, uncertainty_s, since_us, first_seq, first_us, last_seq, last_us, gaps, gap_hours)
), known AS (
    UPDATE lifeline.gateway_hours l
    SET messages = l.messages + h.messages, published = l.published + h.published, received = l.received + h.received,
        stored = l.stored + h.stored, repeated = l.repeated + h.repeated, rejected = l.rejected + h.rejected,
        missing = l.missing + h.missing
    FROM hours h WHERE l.gateway = h.gateway AND l.hour = h.hour
    RETURNING l.gateway, l.hour
), begun AS (
    INSERT INTO lifeline.gateway_hours
        (gateway, hour, messages, published, received, stored, repeated, rejected, missing)
    SELECT h.gateway, h.hour, h.messages, h.published, h.received, h.stored, h.repeated, h.rejected, h.missing
    FROM hours h LEFT JOIN known k USING (gateway, hour) WHERE k.gateway IS NULL
), sums AS (
    SELECT gateway, sum(messages)::bigint AS messages, sum(published)::bigint AS published,
           sum(received)::bigint AS received, sum(stored)::bigint AS stored, sum(repeated)::bigint AS repeated,
           sum(rejected)::bigint AS rejected, sum(missing)::bigint AS missing
    FROM hours GROUP BY gateway
)
UPDATE lifeline.gateway_ledger l
SET last_seen = greatest(l.last_seen, lifeline.from_us(nullif(h.last_seen_us, 0))),
    skew_s = coalesce(h.skew_s, l.skew_s),
    skew_uncertainty_s = CASE WHEN h.skew_s IS NULL THEN l.skew_uncertainty_s ELSE h.uncertainty_s END,
    skew_since = CASE WHEN h.skew_s IS NULL THEN l.skew_since ELSE lifeline.from_us(h.since_us) END,
    first_seq = coalesce(h.first_seq, l.first_seq), first_us = coalesce(h.first_us, l.first_us),
    last_seq = coalesce(h.last_seq, l.last_seq), last_us = coalesce(h.last_us, l.last_us),
    gaps = CASE WHEN h.last_seq IS NULL THEN l.gaps ELSE h.gaps::bigint[] END,
    gap_hours = CASE WHEN h.last_seq IS NULL THEN l.gap_hours ELSE h.gap_hours::bigint[] END,
    messages = l.messages + s.messages, published = l.published + s.published, received = l.received + s.received,
    stored = l.stored + s.stored, repeated = l.repeated + s.repeated, rejected = l.rejected + s.rejected,
    missing = l.missing + s.missing
FROM heard h JOIN sums s USING (gateway) WHERE l.gateway = h.gateway

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
