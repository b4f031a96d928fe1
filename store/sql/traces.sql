-- name: origin
-- This database's name in its traces.
SELECT id FROM lifeline.origin

-- name: keep
-- Traces that gateways gave to messages of one journal row.
INSERT INTO lifeline.given_traces (given, seq, gateway, received_at)
SELECT given, %(seq)s, gateway, %(at)s FROM unnest(%(given)s::text[], %(gateways)s::text[]) AS g (given, gateway)
ON CONFLICT DO NOTHING

-- name: given
-- Journal rows that a given trace came into.
SELECT DISTINCT seq FROM lifeline.given_traces WHERE given = %s ORDER BY seq LIMIT 100
