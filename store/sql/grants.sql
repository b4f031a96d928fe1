-- name: may_settle
-- The group roles that are missing, whether this user may make roles, and whether it owns schema `city`.
SELECT ARRAY(SELECT n FROM unnest(ARRAY['city_views', 'city_reader', 'city_writer', 'city_console']) AS n
             WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = n)),
       (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user),
       (SELECT pg_has_role(current_user, nspowner, 'USAGE') FROM pg_namespace WHERE nspname = 'city'),
       (SELECT count(*) = 1 FROM pg_roles WHERE rolname = 'city_views' AND pg_has_role(current_user, oid, 'USAGE'))

-- name: has_policies
-- Does this schema know which districts a reader sees?
SELECT to_regclass('lifeline.readers') IS NOT NULL

-- name: lock
-- Roles belong to the whole server: one database at a time settles them.
SELECT pg_advisory_xact_lock(7234017283807667205)

-- name: make_role
-- A role that nobody logs in as; another database of this server may have made it meanwhile.
DO $$ BEGIN CREATE ROLE {role} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$

-- name: join_views
-- The migrating user owns what the views' role owns, so that later migrations may change views; and may read as the
-- console does, as every writer may.
DO $$
DECLARE
    joined text;
BEGIN
    FOREACH joined IN ARRAY ARRAY['city_views', 'city_console'] LOOP
        IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
           AND NOT pg_has_role(current_user, joined, 'USAGE') THEN
            EXECUTE format('GRANT %I TO %I', joined, current_user);
        END IF;
    END LOOP;
    GRANT city_console TO city_writer;
END $$

-- name: own_views
-- Views belong to a role that is not the tables' owner: so the tables' row policies hold for whoever reads a view.
-- Only then may anybody read them.
DO $$
DECLARE
    found record;
BEGIN
    GRANT USAGE ON SCHEMA lifeline TO city_views;
    GRANT USAGE, CREATE ON SCHEMA city TO city_views;
    GRANT SELECT ON ALL TABLES IN SCHEMA lifeline TO city_views;
    FOR found IN
        SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'city' AND c.relkind = 'v' AND pg_get_userbyid(c.relowner) <> 'city_views'
    LOOP
        EXECUTE format('ALTER VIEW %I.%I OWNER TO city_views', found.nspname, found.relname);
    END LOOP;
END $$

-- name: reader
-- A reader sees schema `city`, nothing else.
GRANT USAGE ON SCHEMA city TO city_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA city TO city_reader

-- name: console
-- The console reads views, tables that have a policy, and the few that need none; never accounts, keys or the log.
DO $$
DECLARE
    found text;
BEGIN
    GRANT USAGE ON SCHEMA lifeline, city TO city_console;
    GRANT SELECT ON ALL TABLES IN SCHEMA city TO city_console;
    FOR found IN
        SELECT relname FROM pg_class WHERE relnamespace = 'lifeline'::regnamespace AND relkind IN ('r', 'p', 'v')
        AND NOT relispartition AND (relrowsecurity OR relname = ANY (%(open)s::text[]))
    LOOP
        EXECUTE format('GRANT SELECT ON lifeline.%%I TO city_console', found);
    END LOOP;
END $$

-- name: writer
-- A writer appends; it changes only rows that say how things are now, and marks some. What is in no list can be appended
-- to and read.
DO $$
DECLARE
    found text;
BEGIN
    GRANT USAGE ON SCHEMA lifeline, city TO city_writer;
    GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA lifeline TO city_writer;
    GRANT SELECT ON ALL TABLES IN SCHEMA city TO city_writer;
    REVOKE UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA lifeline FROM city_writer;  -- what a version before allowed
    REVOKE INSERT ON lifeline.meta, lifeline.migrations, lifeline.readers FROM city_writer;
    FOR found IN SELECT t FROM unnest(%(changing)s::text[]) AS t WHERE to_regclass('lifeline.' || t) IS NOT NULL LOOP
        EXECUTE format('GRANT UPDATE ON lifeline.%%I TO city_writer', found);
    END LOOP;
    FOR found IN SELECT t FROM unnest(%(passing)s::text[]) AS t WHERE to_regclass('lifeline.' || t) IS NOT NULL LOOP
        EXECUTE format('GRANT DELETE ON lifeline.%%I TO city_writer', found);
    END LOOP;
    FOR found IN
        SELECT m FROM unnest(%(marked)s::text[]) AS m WHERE EXISTS (
            SELECT FROM pg_attribute WHERE attrelid = to_regclass('lifeline.' || split_part(m, '.', 1))
            AND attname = split_part(m, '.', 2))
    LOOP
        EXECUTE format('GRANT UPDATE (%%I) ON lifeline.%%I TO city_writer', split_part(found, '.', 2), split_part(found, '.', 1));
    END LOOP;
END $$

-- name: narrow
-- What any log-in may do in PostgreSQL, and no reader of ours needs: taking the locks that recorder, watcher and log wait
-- for, and filling the disk with large objects or temporary tables. Kept for writers and for whoever owns the schema; left
-- alone where this user may not say so (only an administrator of the server may).
DO $$
DECLARE
    found record;
    owner name := (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'lifeline');
BEGIN
    FOR found IN
        SELECT p.oid::regprocedure AS called FROM pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND pg_has_role(current_user, p.proowner, 'USAGE')
        AND (p.proname ~ '^pg_(try_)?advisory_(xact_)?lock' OR p.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea'))
        AND has_function_privilege('public', p.oid, 'EXECUTE')
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO city_writer, %I', found.called, owner);
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', found.called);
    END LOOP;
    FOR found IN
        SELECT datname FROM pg_database WHERE datname = current_database() AND NOT datistemplate
        AND pg_has_role(current_user, datdba, 'USAGE') AND has_database_privilege('public', oid, 'TEMPORARY')
    LOOP
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO city_writer, %I', found.datname, owner);
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', found.datname);
    END LOOP;
END $$

-- name: districts
-- What a reader may be held to.
SELECT district FROM lifeline.districts

-- name: exists
-- Is there a role of this name on the server?
SELECT 1 FROM pg_roles WHERE rolname = %s

-- name: is_ours
-- A log-in that belongs to one of our groups, and to nothing more powerful.
SELECT 1 FROM pg_roles r WHERE r.rolname = %(name)s AND r.rolcanlogin AND NOT r.rolsuper AND NOT r.rolcreaterole
AND EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
            WHERE m.member = r.oid AND g.rolname IN ('city_reader', 'city_writer'))

-- name: forget_reader
-- It sees every district again (or nothing, when its role goes too).
DELETE FROM lifeline.readers WHERE reader = %s

-- name: hold_reader
-- It sees rows of these districts only.
INSERT INTO lifeline.readers (reader, districts) VALUES (%s, %s)

-- name: logins
-- Everybody who may read or write, with the districts readers are held to.
SELECT r.rolname::text, CASE g.rolname WHEN 'city_reader' THEN 'read' ELSE 'write' END, h.districts
FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles r ON r.oid = m.member
LEFT JOIN lifeline.readers h ON h.reader = r.rolname
WHERE g.rolname IN ('city_reader', 'city_writer') AND r.rolcanlogin ORDER BY 1
