-- name: windows
-- Maintenance windows that run or come next.
SELECT window_id, starts_at, ends_at, state FROM lifeline.maintenance WHERE state IN ('planned', 'running')
ORDER BY window_id

-- name: floods
-- Floods that go on; exercises begin anew.
SELECT flood, desk, since, started_at, peak, digests FROM lifeline.floods WHERE ended_at IS NULL AND drill = ''

-- name: annunciations
-- Alarms that were told lately or in a flood that goes on, in the order in which they were.
SELECT desk, alarm, district, domain, counted, first, at FROM lifeline.annunciations n
WHERE drill = ''
  AND at >= least((SELECT max(at) FROM lifeline.annunciations) - interval '10 minutes',
                  (SELECT min(since) FROM lifeline.floods WHERE ended_at IS NULL AND drill = ''))
ORDER BY at, split_part(annunciation, '.', 1)::bigint, split_part(annunciation, '.', 2)::int

-- name: spoken
-- What people were told, in floods that go on: the alarms that were new to them, by notices of their own and digests.
SELECT f.flood, n.target, n.channel, n.via, n.created_at,
       ARRAY(SELECT jsonb_array_elements_text(coalesce(n.content -> 'fallback', '[]'))) AS fallback,
       ARRAY(SELECT jsonb_array_elements_text(coalesce(n.content -> 'new', n.content -> 'alarms', '[]'))) AS alarms
FROM lifeline.floods f
JOIN lifeline.notices n ON n.created_at >= f.since AND NOT n.drill
WHERE f.ended_at IS NULL AND f.drill = ''
  AND (n.content ->> 'flood' = f.flood
       OR n.incident IN (SELECT incident FROM lifeline.annunciations a
                         WHERE a.desk = f.desk AND a.drill = '' AND a.at >= f.since))
ORDER BY n.created_at, n.notice

-- name: gathered
-- What was gathered into digests in floods that go on, and whether the digest is out.
SELECT e.*, EXISTS (SELECT FROM lifeline.notices n WHERE n.notice = e.digest) AS is_out
FROM lifeline.digest_entries e JOIN lifeline.floods f USING (flood)
WHERE f.ended_at IS NULL AND f.drill = ''
ORDER BY e.at, split_part(e.entry, '.', 1)::bigint, split_part(e.entry, '.', 2)::int
