-- Accounts, tokens, sessions and the audit log; and districts that hold for whoever asks through the API.

-- People who sign in. None is ever deleted: what they did is signed with their name.
CREATE TABLE lifeline.accounts (
    account     text PRIMARY KEY CHECK (account ~ '^[a-z0-9][a-z0-9._@-]{0,62}$'),
    password    text NOT NULL,                     -- argon2id, with its salt and cost
    role        text NOT NULL CHECK (role IN ('viewer', 'operator', 'engineer', 'admin')),
    districts   text[],                            -- null: all of the city
    person      text NOT NULL DEFAULT '',          -- who of escalation.yaml it is
    disabled    boolean NOT NULL DEFAULT false,
    failures    integer NOT NULL DEFAULT 0,        -- wrong passwords since the last right one
    locked_until timestamptz,
    made_at     timestamptz NOT NULL,
    changed_at  timestamptz NOT NULL,              -- of its password, role, districts or person
    CHECK (role <> 'admin' OR districts IS NULL)   -- who makes accounts sees everything anyway
);

-- Keys of programs: shown once, kept as a hash.
CREATE TABLE lifeline.tokens (
    token       text PRIMARY KEY,                  -- the public half
    name        text NOT NULL UNIQUE,
    secret      bytea NOT NULL,                    -- sha256 of the other half, which is random and long
    role        text NOT NULL CHECK (role IN ('viewer', 'operator', 'engineer', 'admin')),
    districts   text[],
    made_at     timestamptz NOT NULL,
    expires_at  timestamptz,
    last_used   timestamptz,                       -- to the minute
    revoked_at  timestamptz,
    CHECK (role <> 'admin' OR districts IS NULL)
);

-- Who is signed in where. The browser holds the key; here is its sha256.
CREATE TABLE lifeline.sessions (
    session     bytea PRIMARY KEY,
    account     text NOT NULL REFERENCES lifeline.accounts,
    csrf        text NOT NULL,
    created_at  timestamptz NOT NULL,
    seen_at     timestamptz NOT NULL,              -- to the minute
    expires_at  timestamptz NOT NULL,
    address     text NOT NULL DEFAULT '',
    agent       text NOT NULL DEFAULT ''
);
CREATE INDEX sessions_account ON lifeline.sessions (account);

-- Who did what, when and from where; each row carries the hash of the one before. It is behind no view; the console shows
-- what was done about an incident to whoever sees the incident, and all of it to administrators.
CREATE TABLE lifeline.audit (
    seq         bigint PRIMARY KEY CHECK (seq > 0),  -- without gaps
    at          timestamptz NOT NULL,              -- by the wall's clock
    actor       text NOT NULL,
    role        text NOT NULL,
    how         text NOT NULL,
    address     text NOT NULL,
    action      text NOT NULL,
    target      text NOT NULL,
    incident    text NOT NULL,
    detail      jsonb NOT NULL,
    prev_hash   bytea NOT NULL UNIQUE CHECK (octet_length(prev_hash) = 32),
    hash        bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32)
);
CREATE INDEX audit_incident ON lifeline.audit (incident, seq) WHERE incident <> '';
CREATE INDEX audit_actor ON lifeline.audit (actor, seq);
CREATE FUNCTION lifeline.refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'lifeline.% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
ALTER TABLE lifeline.audit ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.audit USING (
    (SELECT lifeline.sees_all(current_user)) OR incident IN (SELECT incident FROM lifeline.incidents));
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lifeline.audit
FOR EACH STATEMENT EXECUTE FUNCTION lifeline.refuse_rewriting();

-- Districts of whoever asks: those the log-in is held to, those of the account for which the API asks, and for a crew's
-- link those of the incidents its notice speaks of. Each can only take away, so that nobody widens what they see by setting something.
CREATE FUNCTION lifeline.only_incidents() RETURNS text[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT nullif(current_setting('lifeline.incidents', true), '')::text[]
$$;
CREATE FUNCTION lifeline.only_districts() RETURNS text[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT nullif(current_setting('lifeline.districts', true), '')::text[]
$$;
CREATE OR REPLACE FUNCTION lifeline.sees_all(who text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT lifeline.only_districts() IS NULL AND lifeline.only_incidents() IS NULL
           AND NOT EXISTS (SELECT FROM lifeline.readers WHERE reader = who)
$$;
CREATE OR REPLACE FUNCTION lifeline.seen_districts(who text) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH held (districts) AS (
        SELECT districts FROM lifeline.readers WHERE reader = who
        UNION ALL
        SELECT lifeline.only_districts() WHERE lifeline.only_districts() IS NOT NULL
        UNION ALL
        SELECT ARRAY(SELECT district FROM lifeline.incidents WHERE incident = ANY (lifeline.only_incidents()))
        WHERE lifeline.only_incidents() IS NOT NULL)
    SELECT ARRAY(SELECT DISTINCT d FROM held, unnest(held.districts) AS d
                 WHERE NOT EXISTS (SELECT FROM held AS other WHERE d <> ALL (other.districts)))
$$;
CREATE POLICY these_incidents ON lifeline.incidents AS RESTRICTIVE USING (
    (SELECT lifeline.only_incidents() IS NULL) OR incident = ANY ((SELECT lifeline.only_incidents())::text[]));
CREATE POLICY these_incidents ON lifeline.alarms AS RESTRICTIVE USING (
    (SELECT lifeline.only_incidents() IS NULL) OR incident = ANY ((SELECT lifeline.only_incidents())::text[]));
ALTER TABLE lifeline.escalations ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.escalations USING (
    (SELECT lifeline.sees_all(current_user)) OR incident IN (SELECT incident FROM lifeline.incidents));
