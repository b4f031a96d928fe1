-- name: next
-- A piece's span and its bytes as rows, where it is one of readings and values may be packed.
SELECT range_start, range_end, pg_total_relation_size(piece::regclass) + coalesce((
    SELECT sum(before_compression_total_bytes) FROM chunk_compression_stats('lifeline.readings') s
    WHERE format('%%I.%%I', s.chunk_schema, s.chunk_name) = piece), 0)
FROM (
    SELECT format('%%I.%%I', chunk_schema, chunk_name) AS piece, range_start, range_end
    FROM timescaledb_information.chunks WHERE hypertable_schema = 'lifeline' AND hypertable_name = 'readings') n
WHERE piece = %s AND EXISTS (
    SELECT FROM pg_attribute WHERE attrelid = 'lifeline.readings'::regclass AND attname = 'value' AND NOT attnotnull)

-- name: scales
-- By how many digits behind the point each sensor's values are whole numbers, and how many values that are: the least digits
-- that do for nearly as many as any (one odd value shall not lengthen all). Sensors of whole numbers need nothing. Beyond 2^53
-- doubles are no longer exact whole numbers, and a product could overflow before it is asked.
SELECT sensor_id, scale, n FROM (
    SELECT DISTINCT ON (sensor_id) sensor_id, scale::integer, n FROM (
        SELECT r.sensor_id, p.scale - 1 AS scale, count(*) AS n, max(count(*)) OVER (PARTITION BY r.sensor_id) AS most
        FROM {piece} r
        CROSS JOIN unnest('{{1,1e1,1e2,1e3,1e4,1e5,1e6,1e7,1e8,1e9}}'::float8[]) WITH ORDINALITY AS p (power, scale)
        WHERE r.raw IS NULL AND CASE WHEN abs(r.value) < 9007199254740992 / p.power
                                     THEN round(r.value * p.power) / p.power = r.value ELSE false END
        GROUP BY r.sensor_id, p.scale
    ) counted WHERE n >= 0.99 * most ORDER BY sensor_id, scale
) least WHERE scale > 0

-- name: pack
-- Values of a span that come back bit for bit; what a piece is not told through its table, no roll-up is told: nothing changed.
UPDATE {piece} r SET value = NULL, raw = round(r.value * s.power), tests = coalesce(r.tests, 0::smallint) | s.mark
FROM unnest({sensors}::integer[], {powers}::float8[], {marks}::smallint[]) AS s (sensor_id, power, mark)
WHERE r.sensor_id = s.sensor_id AND r.sensor_id = ANY ({sensors}::integer[]) AND r.time >= {first} AND r.time < {past}
  AND r.raw IS NULL AND CASE WHEN abs(r.value) < 9007199254740992 / s.power
                             THEN float8send(round(r.value * s.power) / s.power) = float8send(r.value) ELSE false END
