-- name: exist
-- Was there ever an account?
SELECT EXISTS (SELECT FROM lifeline.accounts)

-- name: account
-- One account.
SELECT account, password, role, districts, person, disabled, failures, locked_until, made_at, changed_at
FROM lifeline.accounts WHERE account = %s

-- name: accounts
-- Every account.
SELECT account, role, districts, person, disabled, failures, locked_until, made_at, changed_at
FROM lifeline.accounts ORDER BY account

-- name: lock_accounts
-- One change at a time: the last administrator must not be taken away by two at once.
SELECT pg_advisory_xact_lock(7234017283807667207)

-- name: add
-- A new account.
INSERT INTO lifeline.accounts (account, password, role, districts, person, made_at, changed_at)
VALUES (%(account)s, %(password)s, %(role)s, %(districts)s, %(person)s, %(at)s, %(at)s)
ON CONFLICT (account) DO NOTHING

-- name: set_password
-- A new password begins without failures.
UPDATE lifeline.accounts SET password = %(password)s, changed_at = %(at)s, failures = 0, locked_until = NULL
WHERE account = %(account)s

-- name: rehash
-- The same password at today's cost.
UPDATE lifeline.accounts SET password = %(password)s WHERE account = %(account)s

-- name: set_role
-- What it may do, and where.
UPDATE lifeline.accounts SET role = %(role)s, districts = %(districts)s, person = %(person)s, changed_at = %(at)s
WHERE account = %(account)s

-- name: set_disabled
-- Shut out, or let in again.
UPDATE lifeline.accounts SET disabled = %(disabled)s, failures = 0, locked_until = NULL WHERE account = %(account)s

-- name: unlock
-- As if no wrong password had been given.
UPDATE lifeline.accounts SET failures = 0, locked_until = NULL WHERE account = %(account)s

-- name: fail
-- A wrong password more: from the fifth on the account waits, twice as long each time, a quarter of an hour at most.
UPDATE lifeline.accounts SET failures = failures + 1,
       locked_until = CASE WHEN failures + 1 >= %(patience)s
           THEN %(at)s + least(%(first_s)s * power(2, least(failures + 1 - %(patience)s, 20)), %(most_s)s)
                * interval '1 second' END
WHERE account = %(account)s RETURNING failures, locked_until

-- name: other_admins
-- Administrators who can sign in, without this one.
SELECT count(*) FROM lifeline.accounts WHERE role = 'admin' AND NOT disabled AND account <> %s

-- name: districts
-- What an account may be held to.
SELECT district FROM lifeline.districts ORDER BY district

-- name: open_session
-- Signed in.
INSERT INTO lifeline.sessions (session, account, csrf, created_at, seen_at, expires_at, address, agent)
VALUES (%(session)s, %(account)s, %(csrf)s, %(at)s, %(at)s, %(expires_at)s, %(address)s, %(agent)s)

-- name: session
-- A session with its account, unless it or the account is over.
SELECT s.session, s.account, s.csrf, s.seen_at, a.role, a.districts, a.person
FROM lifeline.sessions s JOIN lifeline.accounts a USING (account)
WHERE s.session = %(session)s AND s.expires_at > %(at)s AND s.seen_at > %(idle_since)s AND NOT a.disabled

-- name: seen
-- It is in use.
UPDATE lifeline.sessions SET seen_at = %(at)s WHERE session = %(session)s

-- name: sessions
-- Where an account is signed in, newest first.
SELECT session, created_at, seen_at, expires_at, address, agent FROM lifeline.sessions
WHERE account = %(account)s AND expires_at > %(at)s AND seen_at > %(idle_since)s ORDER BY created_at DESC

-- name: close_session
-- Signed out.
DELETE FROM lifeline.sessions WHERE session = %s

-- name: close_sessions
-- Signed out everywhere, but perhaps here.
DELETE FROM lifeline.sessions WHERE account = %(account)s AND session <> %(but)s

-- name: tidy_sessions
-- Those that are over, and all but an account's newest.
DELETE FROM lifeline.sessions WHERE expires_at <= %(at)s OR seen_at <= %(idle_since)s OR session IN (
    SELECT session FROM lifeline.sessions WHERE account = %(account)s ORDER BY created_at DESC OFFSET %(most)s)

-- name: add_token
-- A key of a program.
INSERT INTO lifeline.tokens (token, name, secret, role, districts, made_at, expires_at)
VALUES (%(token)s, %(name)s, %(secret)s, %(role)s, %(districts)s, %(at)s, %(expires_at)s)
ON CONFLICT (name) DO NOTHING

-- name: token
-- A key that is still good.
SELECT token, name, secret, role, districts, last_used FROM lifeline.tokens
WHERE token = %(token)s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > %(at)s)

-- name: tokens
-- Every key.
SELECT token, name, role, districts, made_at, expires_at, last_used, revoked_at FROM lifeline.tokens ORDER BY made_at, token

-- name: used
-- It is in use.
UPDATE lifeline.tokens SET last_used = %(at)s WHERE token = %(token)s

-- name: revoke
-- No longer good; a name stands for the newest of its keys, so it is freed.
UPDATE lifeline.tokens SET revoked_at = %(at)s, name = name || ' (revoked ' || token || ')'
WHERE (token = %(which)s OR name = %(which)s) AND revoked_at IS NULL RETURNING token
