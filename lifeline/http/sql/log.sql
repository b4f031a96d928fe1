-- name: origins
-- From where each command about an incident came, by the number of its journal row.
SELECT detail ->> 'seq', concat_ws(' ', nullif(how, ''), nullif(address, '')) FROM lifeline.audit
WHERE incident = %(incident)s AND detail ? 'seq' ORDER BY seq DESC LIMIT 300
