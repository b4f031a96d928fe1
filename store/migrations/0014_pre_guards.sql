-- Who may see what: readers of one district see its rows through every view; writers append and trim, and cannot rewrite.

-- Readers that see only some districts; who has no row here sees all. Roles themselves are made by `lifeline store grant`.
CREATE TABLE lifeline.readers (
    reader      text PRIMARY KEY,                  -- a role that may log in
    districts   text[] NOT NULL,
    granted_at  timestamptz NOT NULL DEFAULT now()
);
CREATE FUNCTION lifeline.sees_all(who text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT EXISTS (SELECT FROM lifeline.readers WHERE reader = who)
$$;
CREATE FUNCTION lifeline.seen_districts(who text) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((SELECT districts FROM lifeline.readers WHERE reader = who), '{}')
$$;

-- Views belong to role city_views, which owns no table, so these policies hold for them; `current_user` is who asks.
-- The sub-selects are computed once a query, not once a row.
ALTER TABLE lifeline.districts ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.districts USING (
    (SELECT lifeline.sees_all(current_user)) OR district = ANY ((SELECT lifeline.seen_districts(current_user))::text[]));
ALTER TABLE lifeline.sites ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.sites USING (
    (SELECT lifeline.sees_all(current_user)) OR district = ANY ((SELECT lifeline.seen_districts(current_user))::text[]));
ALTER TABLE lifeline.gateways ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.gateways USING (
    (SELECT lifeline.sees_all(current_user)) OR district = ANY ((SELECT lifeline.seen_districts(current_user))::text[]));
ALTER TABLE lifeline.alarms ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.alarms USING (
    (SELECT lifeline.sees_all(current_user)) OR district = ANY ((SELECT lifeline.seen_districts(current_user))::text[]));
ALTER TABLE lifeline.incidents ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.incidents USING (
    (SELECT lifeline.sees_all(current_user)) OR district = ANY ((SELECT lifeline.seen_districts(current_user))::text[]));
-- A sensor is where its site is; readings and roll-ups are only ever shown together with their sensor.
ALTER TABLE lifeline.sensors ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.sensors USING (
    (SELECT lifeline.sees_all(current_user)) OR site IN (SELECT site FROM lifeline.sites));
ALTER TABLE lifeline.findings ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.findings USING (
    (SELECT lifeline.sees_all(current_user)) OR sensor IN (SELECT sensor FROM lifeline.sensors));
ALTER TABLE lifeline.alarm_events ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.alarm_events USING (
    (SELECT lifeline.sees_all(current_user)) OR alarm IN (SELECT alarm FROM lifeline.alarms));
ALTER TABLE lifeline.incident_events ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.incident_events USING (
    (SELECT lifeline.sees_all(current_user)) OR incident IN (SELECT incident FROM lifeline.incidents));
ALTER TABLE lifeline.notices ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.notices USING (
    (SELECT lifeline.sees_all(current_user)) OR incident IN (SELECT incident FROM lifeline.incidents));
-- A hold is on a sensor or gateway, or on a rule's alarm there (`rule/scope`).
ALTER TABLE lifeline.shelves ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.shelves USING (
    (SELECT lifeline.sees_all(current_user))
    OR scope IN (SELECT sensor FROM lifeline.sensors UNION SELECT gateway FROM lifeline.gateways));
ALTER TABLE lifeline.hold_events ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.hold_events USING (
    (SELECT lifeline.sees_all(current_user))
    OR split_part(target, '/', -1) IN (SELECT sensor FROM lifeline.sensors UNION SELECT gateway FROM lifeline.gateways));

-- Rejections come by COPY, which tables with policies refuse; so the view itself looks. What names no known gateway is
-- no district's.
CREATE OR REPLACE VIEW city.rejections WITH (security_barrier) AS
SELECT received_at, gateway, topic, sensor, time, reason, detail, payload, rejection FROM lifeline.rejections
WHERE (SELECT lifeline.sees_all(current_user)) OR gateway IN (SELECT gateway FROM lifeline.gateways);

-- Trim the journal behind the slowest follower: all that a writer may delete of it.
-- A follower without a snapshot restarts from the beginning, so nothing goes while there is one. Oldest first.
CREATE FUNCTION lifeline.trim_journal(portion integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH gone AS (
        DELETE FROM lifeline.journal WHERE seq <= (
            SELECT min(least(coalesce(f.seq, s.seq), coalesce(s.seq, 0)))
            FROM lifeline.followers f FULL JOIN lifeline.snapshots s USING (follower)
        ) AND seq < (SELECT min(seq) FROM lifeline.journal) + portion
        RETURNING 1)
    SELECT count(*) FROM gone
$$;
