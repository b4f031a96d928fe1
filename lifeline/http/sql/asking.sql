-- name: has_console
-- May this log-in turn into the role that reads for somebody?
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %(role)s AND pg_has_role(current_user, oid, 'MEMBER'))

-- name: ask_as
-- Until the transaction's end nothing is seen but what an account's districts, or a link's incidents, let it see.
SELECT set_config('lifeline.districts', %(districts)s, true), set_config('lifeline.incidents', %(incidents)s, true),
       set_config('role', %(role)s, true)

-- name: part
-- A part of a list: rows behind a place, in the order of their keys. Another statement stands in for the word in brackets.
SELECT * FROM (statement) AS part WHERE %(page_after)s::jsonb IS NULL OR page_key > %(page_after)s::jsonb
ORDER BY page_key LIMIT %(page_limit)s
