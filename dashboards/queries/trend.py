"""The SQL of one sensor's trend: its values, its limits, what is usual for it, what came late."""

from __future__ import annotations

from dashboards.queries import common

RAW_BELOW_MS, FIVE_MINUTES_BELOW_MS = 300_000, 3_600_000  # finer steps read readings, then five minutes, then hours


def chosen(variable: str) -> str:
    """What a column is compared with: the value of a variable."""
    return f"ANY(ARRAY[${{{variable}:sqlstring}}]::text[])"


def values(variable: str) -> str:
    """The least, greatest and mean value of each step; where nothing came for three intervals the line is cut.

    Failed readings are left out while single readings are read: one of them would flatten everything else.
    """
    this = chosen(variable)
    bin_ = "date_bin(w.width, {}, '2000-01-01 00:00:00+00')"
    return f"""\
WITH wide AS (
    SELECT greatest($__interval_ms, 1000) * interval '1 millisecond' AS width
), asked AS (
    SELECT greatest(3 * max(interval_s), 60) * interval '1 second' AS patience FROM city.sensors WHERE sensor = {this}
), point AS (
    SELECT {bin_.format("r.time")} AS at, min(r.value) AS low, max(r.value) AS high, avg(r.value) AS value
    FROM wide w, city.readings r
    WHERE r.sensor = {this} AND $__timeFilter(r.time) AND r.flag <> 4 AND $__interval_ms < {RAW_BELOW_MS} GROUP BY 1
    UNION ALL
    SELECT {bin_.format("r.bucket")}, min(r.min), max(r.max), sum(r.mean * r.n) / sum(r.n)
    FROM wide w, city.readings_5m r
    WHERE r.sensor = {this} AND $__timeFilter(r.bucket)
      AND $__interval_ms >= {RAW_BELOW_MS} AND $__interval_ms < {FIVE_MINUTES_BELOW_MS} GROUP BY 1
    UNION ALL
    SELECT {bin_.format("r.bucket")}, min(r.min), max(r.max), sum(r.mean * r.n) / sum(r.n)
    FROM wide w, city.readings_1h r
    WHERE r.sensor = {this} AND $__timeFilter(r.bucket) AND $__interval_ms >= {FIVE_MINUTES_BELOW_MS} GROUP BY 1
), spaced AS (
    SELECT p.*, lead(at) OVER (ORDER BY at) AS following FROM point p
)
SELECT at AS time, low, high, value FROM spaced
UNION ALL
SELECT s.at + w.width, NULL::float8, NULL::float8, NULL::float8
FROM spaced s, wide w, asked a WHERE s.following - s.at > greatest(a.patience, 2 * w.width)
ORDER BY 1"""  # noqa: S608 - built from constants of this room


def limits(variable: str) -> str:
    """Each level's first limit on each side, as a line over the whole range; named `limit_<level>_<side>`."""
    return f"""\
SELECT e.time, 'limit_' || l.level || '_' || l.side AS metric,
       CASE l.side WHEN 'high' THEN min(l.value) ELSE max(l.value) END AS value
FROM city.limits l, (VALUES ($__timeFrom()::timestamptz), ($__timeTo()::timestamptz)) e (time)
WHERE l.sensor = {chosen(variable)}
GROUP BY 1, l.level, l.side
ORDER BY 1, 2"""  # noqa: S608 - built from constants of this room


def usual(variable: str) -> str:
    """Where nine of ten hourly means of the 30 days before the range's end lie, over the whole range."""
    return f"""\
WITH was AS (
    SELECT percentile_cont(0.05) WITHIN GROUP (ORDER BY mean) AS usual_low,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY mean) AS usual_high
    FROM city.readings_1h WHERE sensor = {chosen(variable)}
      AND bucket BETWEEN $__timeTo()::timestamptz - interval '30 days' AND $__timeTo()::timestamptz
    HAVING count(*) >= 24
)
SELECT e.time, usual_low, usual_high
FROM was, (VALUES ($__timeFrom()::timestamptz), ($__timeTo()::timestamptz)) e (time)
ORDER BY 1"""  # noqa: S608 - built from constants of this room


def late(variable: str) -> str:
    """Readings that came late, while single readings are read."""
    return f"""\
SELECT time, value AS late
FROM city.readings
WHERE sensor = {chosen(variable)} AND $__timeFilter(time) AND late AND flag <> 4 AND $__interval_ms < {RAW_BELOW_MS}
ORDER BY 1
LIMIT 2000"""  # noqa: S608 - built from constants of this room


def unit(variable: str, language: str) -> str:
    """The sensor's unit as Grafana takes it."""
    return common.suffix(f"sensor = {chosen(variable)}", language)
