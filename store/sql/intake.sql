-- name: clocks
-- Gateways whose clocks are surely off by more than so many seconds beyond what is corrected, and the worst of them.
WITH off AS (
    SELECT gateway, skew_s, skew_uncertainty_s, skew_since,
           abs(skew_s - coalesce(corrected_by_s, 0)) - coalesce(skew_uncertainty_s, 0) AS beyond_s
    FROM city.gateways WHERE skew_s IS NOT NULL
)
SELECT count(*) FILTER (WHERE o.beyond_s > %(limit_s)s), count(*), w.gateway, w.skew_s, w.skew_uncertainty_s, w.skew_since
FROM off o CROSS JOIN (SELECT * FROM off ORDER BY beyond_s DESC, gateway LIMIT 1) w
GROUP BY w.gateway, w.skew_s, w.skew_uncertainty_s, w.skew_since

-- name: open_books
-- By how many readings gateways' accounts do not add up: in all, and in the hours of the last day; and one that does not.
SELECT coalesce(sum(open), 0)::bigint, (array_agg(gateway ORDER BY open DESC))[1] FROM (
    SELECT gateway, abs(published - stored - repeated - rejected) AS open FROM lifeline.gateway_ledger
    UNION ALL
    SELECT gateway, abs(published - stored - repeated - rejected) FROM lifeline.gateway_hours
    WHERE hour > city.now() - interval '1 day') books

-- name: unposted
-- Batches whose accounts are entered and not posted to the ledger for more than a minute, and since when.
SELECT count(*), min(entered_at) FROM lifeline.ledger_entries WHERE entered_at < now() - interval '1 minute'

-- name: put_aside
-- Batches whose accounts could not be posted and are put aside: how many, when they were entered, and why the newest was.
SELECT count(*), min(entered_at), max(entered_at), (array_agg(reason ORDER BY id DESC))[1] FROM lifeline.spoiled_entries

-- name: missing
-- Messages that were found missing in the last day and did not come since; of how many gateways, and who misses the most.
SELECT coalesce(sum(missing), 0)::bigint, count(DISTINCT gateway), (array_agg(gateway ORDER BY missing DESC))[1]
FROM lifeline.gateway_hours WHERE hour > city.now() - interval '1 day' AND missing > 0

-- name: sessions
-- Sessions that a broker did not keep, in the last day, and the newest of them.
SELECT count(*), (array_agg(client ORDER BY began_at DESC))[1], max(began_at),
       (array_agg(heard_until ORDER BY began_at DESC))[1]
FROM lifeline.broker_sessions WHERE lost AND began_at > city.now() - interval '1 day'

-- name: journal_lost
-- Rows that the journal no longer holds and that some follower never took in.
SELECT count(*), min(f.follower) FROM lifeline.followers f JOIN lifeline.hearing h ON h.seq > f.seq
WHERE h.seq < coalesce((SELECT min(seq) FROM lifeline.journal), (SELECT max(seq) + 1 FROM lifeline.hearing))

-- name: forget_aside
-- Accounts that were put aside for hours that are let go.
DELETE FROM lifeline.spoiled_entries WHERE entered_at < now() - interval '400 days'

-- name: forget_hours
-- A year and a month of hours tell how a gateway does.
DELETE FROM lifeline.gateway_hours WHERE hour < city.now() - interval '400 days'
