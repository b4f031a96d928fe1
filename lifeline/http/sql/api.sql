-- name: scope_seen
-- Whether a rule's scope is something that who asks may see.
SELECT 1 FROM city.sensors WHERE sensor = %(scope)s UNION ALL SELECT 1 FROM city.gateways WHERE gateway = %(scope)s
UNION ALL SELECT 1 FROM city.sites WHERE site = %(scope)s LIMIT 1
