-- name: claim
-- Take the most urgent due notice that there is room for, the oldest first. It waits for a later one that will speak for
-- both; nobody overtakes a sibling that is on its way. next_try_at is city time while queued, and while sending the end
-- of the lease by the real clock: a worker's patience does not shrink in a city on a faster clock. Older undelivered
-- notices that it speaks for go out no more.
WITH taken AS (
UPDATE lifeline.notices SET state = 'sending', attempts = attempts + 1, next_try_at = %(lease_until)s
WHERE notice = (
    SELECT c.notice FROM lifeline.notices c
    WHERE c.state IN ('queued', 'sending')
      AND c.next_try_at <= CASE c.state WHEN 'queued' THEN %(now)s::timestamptz ELSE %(wall)s::timestamptz END
      AND CASE WHEN c.level = 4
          THEN c.channel <> ALL (%(red_channels)s) AND c.endpoint <> ALL (%(red_endpoints)s)
          ELSE %(others)s AND c.channel <> ALL (%(channels)s) AND c.endpoint <> ALL (%(endpoints)s) END
      AND NOT EXISTS (
          SELECT FROM lifeline.notices o
          WHERE o.incident = c.incident AND o.target = c.target AND o.channel = c.channel AND o.notice <> c.notice
            AND (o.state = 'sending' AND o.next_try_at > %(wall)s
                 OR o.state = 'queued' AND o.created_at >= c.created_at
                    AND (o.kind <> c.kind OR (o.created_at, o.notice) > (c.created_at, c.notice))
                    AND (o.kind, c.kind) IN (SELECT * FROM unnest(%(newer)s::text[], %(older)s::text[]))))
    ORDER BY c.level DESC, c.created_at, c.notice
    FOR UPDATE SKIP LOCKED LIMIT 1)
RETURNING *), spoken_for AS (
    UPDATE lifeline.notices o SET state = 'superseded', answer = 'one message with notice ' || t.notice
    FROM taken t
    WHERE o.incident = t.incident AND o.target = t.target AND o.channel = t.channel AND o.notice <> t.notice
      AND o.state = 'queued' AND o.created_at <= t.created_at
      AND (t.kind, o.kind) IN (SELECT * FROM unnest(%(newer)s::text[], %(older)s::text[])))
SELECT notice, coalesce(incident, '') AS incident, kind, round, step, target, via, channel, endpoint, level, content,
       created_at, attempts, late, drill,
       coalesce((SELECT i.stage FROM lifeline.incidents i WHERE i.incident = taken.incident), '') AS stage,
       coalesce((SELECT id FROM lifeline.origin) || lpad(to_hex(coalesce(
           (SELECT i.seq FROM lifeline.incidents i WHERE i.incident = taken.incident), seq)), 16, '0'), '') AS trace
FROM taken

-- name: raised
-- Facts of what a clear speaks for: that by which somebody would have heard of the incident for the first time.
SELECT content -> 'facts' FROM lifeline.notices
WHERE incident = %(incident)s AND target = %(target)s AND channel = %(channel)s AND kind = ANY (%(first)s)
  AND state = 'superseded' AND answer = 'one message with notice ' || %(notice)s
ORDER BY created_at DESC, notice LIMIT 1

-- name: keep_raised
-- The clear now speaks for the raise too; kept, so that every attempt says the same.
UPDATE lifeline.notices SET content = content || jsonb_build_object('raised', %(raised)s::jsonb)
WHERE notice = %(notice)s

-- name: supersede
-- Nothing to say any more.
UPDATE lifeline.notices SET state = 'superseded', answer = %(answer)s
WHERE notice = %(notice)s AND state = 'sending' AND attempts = %(attempts)s

-- name: sent
-- It was taken; true whatever became of the lease meanwhile. A receipt that came before says more.
UPDATE lifeline.notices
SET state = CASE state WHEN 'delivered' THEN 'delivered' ELSE 'sent' END, sent_at = %(now)s, answer = %(answer)s
WHERE notice = %(notice)s AND sent_at IS NULL

-- name: delivered
-- It is in the person's hands; the first word counts, and one that was pointless before it arrived stays so.
UPDATE lifeline.notices SET state = 'delivered', delivered_at = %(at)s, delivered_how = %(how)s
WHERE notice = %(notice)s AND state NOT IN ('delivered', 'superseded')

-- name: known
-- Whether there is such a notice.
SELECT true FROM lifeline.notices WHERE notice = %(notice)s

-- name: spare_others
-- The same message on other channels need not go out any more.
UPDATE lifeline.notices o SET state = 'superseded', answer = 'arrived on channel ' || n.channel
FROM lifeline.notices n
WHERE n.notice = %(notice)s AND o.notice <> n.notice AND o.state = 'queued'
  AND o.incident = n.incident AND o.target = n.target
  AND coalesce(o.content ->> 'root', o.notice) = coalesce(n.content ->> 'root', n.notice)

-- name: put_back
-- Not taken: queued again or failed, unless another worker has claimed it since.
UPDATE lifeline.notices SET state = %(state)s, next_try_at = %(next_try_at)s, answer = %(answer)s
WHERE notice = %(notice)s AND state = 'sending' AND attempts = %(attempts)s

-- name: take_fallback
-- The channels still to try, given away once.
UPDATE lifeline.notices n SET content = n.content || '{"fallback": []}'
FROM (SELECT notice, content -> 'fallback' AS fallback FROM lifeline.notices
      WHERE notice = %(notice)s AND jsonb_path_exists(content, 'strict $.fallback[0]', '{}', true)
      FOR UPDATE) AS old
WHERE n.notice = old.notice
RETURNING old.fallback, n.content

-- name: queue_fallback
-- The next channel takes over, due at once.
INSERT INTO lifeline.notices (notice, incident, kind, round, step, target, via, channel, state, level, content,
                              created_at, next_try_at, late, drill, fallback_of, seq)
SELECT %(new)s, incident, kind, round, step, target, via, %(channel)s, 'queued', level, %(content)s,
       %(now)s, %(now)s, late, drill, notice, seq
FROM lifeline.notices WHERE notice = %(notice)s
ON CONFLICT (notice) DO NOTHING

-- name: slow_reds
-- Reds without success for too long, with a channel left to try beside them. Time in which nobody tried at all does not
-- count: `since` is when this notifier began.
SELECT notice FROM lifeline.notices
WHERE state IN ('queued', 'sending') AND level = 4 AND created_at <= %(before)s
  AND (attempts > 1 OR attempts = 1 AND state = 'queued' OR greatest(created_at, %(since)s) <= %(before)s)
  AND jsonb_path_exists(content, 'strict $.fallback[0]', '{}', true)

-- name: load
-- How the outbox stands, for the beat and for health.
SELECT count(*) FILTER (WHERE state IN ('queued', 'sending')) AS waiting,
       coalesce(extract(epoch FROM %(now)s - min(created_at) FILTER (WHERE state IN ('queued', 'sending'))), 0)::float8
           AS oldest_s
FROM lifeline.notices WHERE state IN ('queued', 'sending')

-- name: unreached
-- People whom no channel has reached about an incident that is still open.
SELECT n.incident, n.target, max(n.answer) AS answer FROM lifeline.notices n JOIN lifeline.incidents i USING (incident)
WHERE n.state = 'failed' AND i.stage NOT IN ('closed', 'false_alarm') AND n.created_at > %(since)s
  AND NOT EXISTS (SELECT FROM lifeline.notices o WHERE o.incident = n.incident AND o.target = n.target
                    AND o.state IN ('sent', 'delivered', 'queued', 'sending'))
GROUP BY n.incident, n.target ORDER BY n.incident, n.target LIMIT 20

-- name: city_file
-- The city's own file in the bundle in force.
SELECT b.bundle, b.files ->> 'city.yaml' FROM lifeline.current_bundle c JOIN lifeline.bundles b USING (bundle)

-- name: bundle
-- Which bundle is in force.
SELECT bundle FROM lifeline.current_bundle

-- name: escalation_file
-- The people's own file in the bundle in force.
SELECT b.files ->> 'escalation.yaml' FROM lifeline.current_bundle c JOIN lifeline.bundles b USING (bundle)

-- name: failing
-- Channels that were failing when last looked at.
SELECT substr(name, 9) FROM lifeline.health WHERE starts_with(name, 'channel_') AND state = 'fault'
