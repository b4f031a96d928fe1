-- Notices: whether they arrived, whose channel they took over, and a queue that reds lead and no endpoint holds up.

ALTER TABLE lifeline.notices DROP CONSTRAINT notices_state_check;
ALTER TABLE lifeline.notices ADD CONSTRAINT notices_state_check
    CHECK (state IN ('queued', 'sending', 'sent', 'delivered', 'failed', 'superseded'));
ALTER TABLE lifeline.notices ALTER COLUMN incident DROP NOT NULL;  -- digests, and what the platform says of itself

-- Who answers: the channel, and the server behind a person's own webhook, since one that hangs says nothing of others.
CREATE FUNCTION lifeline.notice_endpoint(channel text, content jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE content -> 'settings' -> channel ->> 'type'
        WHEN 'webhook' THEN
            concat_ws(' ', channel, substring(content -> 'to' ->> 'webhook' FROM '^[a-z]+://(?:[^/?#]*@)?([^/?#]*)'))
        ELSE channel END
$$;
ALTER TABLE lifeline.notices
    ADD COLUMN delivered_at timestamptz,
    ADD COLUMN delivered_how text NOT NULL DEFAULT '',   -- receipt: the receiver said so; opened: the person did
    ADD COLUMN fallback_of text,                         -- the notice that another channel could not bring
    ADD COLUMN endpoint text GENERATED ALWAYS AS (lifeline.notice_endpoint(channel, content)) STORED;

DROP INDEX lifeline.notices_queue;
CREATE INDEX notices_queue ON lifeline.notices (level DESC, created_at, notice) WHERE state IN ('queued', 'sending');
CREATE INDEX notices_place ON lifeline.notices (incident, target, channel);
CREATE INDEX notices_created ON lifeline.notices (created_at);

-- What belongs to no incident is seen with the district it names; what names none (the platform's own) by who sees all.
DROP POLICY district ON lifeline.notices;
CREATE POLICY district ON lifeline.notices USING (
    (SELECT lifeline.sees_all(current_user))
    OR CASE WHEN incident IS NOT NULL THEN incident IN (SELECT incident FROM lifeline.incidents)
       ELSE content ->> 'district' = ANY ((SELECT lifeline.seen_districts(current_user))::text[]) END);

CREATE OR REPLACE VIEW city.notices AS
SELECT notice, incident, step, target, channel, state, notice AS idempotency_key, created_at, sent_at, attempts, late,
       drill, kind, round, via, lifeline.level_word(level) AS level, content ->> 'subject' AS subject, answer,
       delivered_at, delivered_how, fallback_of, coalesce(content ->> 'root', notice) AS root,
       CASE WHEN state = 'queued' THEN next_try_at END AS next_try_at
FROM lifeline.notices;
