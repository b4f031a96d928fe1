"""The SQL of a domain's page."""

from __future__ import annotations

from city.levels import COLOURS
from dashboards.queries import common
from dashboards.queries.common import HERE, REAL, district, name, standing
from dashboards.queries.trend import chosen

MULTIPLES = 12  # trends on a page: each asks the database five times
RANKED = 50
NEAR = 80  # per cent of a limit
BY_DAYS_FROM_H = 72  # ranges longer than this are told by days, shorter ones by hours
ALIKE = 3  # so many sensors with the same sign at once: rather the weather or the supply than each of them


def _now(domain: str, language: str) -> str:
    """Each sensor of the domain as it is now: its value, how near the first limit it is, and its level.

    Per cent of the first limit: of the lowest upper limit, or of the highest lower one (below zero: how far down;
    above: the other way round). Null where the rules set none that a share can be taken of.
    """
    return f"""\
WITH first_limit AS (
    SELECT l.sensor, min(l.value) FILTER (WHERE l.side = 'high') AS high,
           max(l.value) FILTER (WHERE l.side = 'low') AS low
    FROM city.limits l GROUP BY 1
), alarm AS (
    SELECT a.sensor, max({standing("a")}) AS level
    FROM city.alarms a WHERE {REAL} AND a.level <> 'none' AND a.sensor IS NOT NULL GROUP BY 1
), current AS (
    SELECT s.sensor, s.site, coalesce({name("t", language)}, s.site) AS site_name,
           {district("s", language)} AS district, {common.unit("s", language)} AS unit, s.lat, s.lon,
           l.value, l.age_s, l.stale, coalesce(a.level, CASE WHEN l.stale THEN -1 ELSE 0 END)::float8 AS level,
           100 * greatest(CASE WHEN f.high > 0 THEN l.value / f.high END,
                          CASE WHEN f.low < 0 THEN l.value / f.low
                               WHEN f.low > 0 AND l.value > 0 THEN f.low / l.value END) AS of_limit
    FROM city.sensors s JOIN city.latest l USING (sensor) LEFT JOIN city.sites t USING (site)
    LEFT JOIN first_limit f USING (sensor) LEFT JOIN alarm a USING (sensor)
    WHERE s.domain = '{domain}' AND s.district = {HERE}
), ranked AS (
    SELECT c.*, CASE WHEN level >= 1 THEN level WHEN of_limit >= {NEAR} THEN 0.9 WHEN level < 0 THEN 0.8
                ELSE level / 10 END AS rank
    FROM current c
)"""  # noqa: S608 - built from constants of this room


_WORST = "ORDER BY rank DESC, of_limit DESC NULLS LAST, sensor"


def sensors(domain: str, language: str) -> str:
    """The sensors whose trends are shown at first: those in alarm, near a limit, silent; a dozen."""
    return f"""\
{_now(domain, language)}
SELECT sensor || ' · ' || site_name || ' · ' || unit AS __text, sensor AS __value
FROM ranked
{_WORST}
LIMIT {MULTIPLES}"""  # noqa: S608 - built from constants of this room


def ranking(domain: str, language: str) -> str:
    """The same order, with value, share of the first limit, slope of the last hour (per hour) and age."""
    return f"""\
{_now(domain, language)}, top AS (
    SELECT * FROM ranked {_WORST} LIMIT {RANKED}
), slope AS (
    SELECT r.sensor, regr_slope(r.mean, extract(epoch FROM r.bucket)::float8 / 3600) AS slope
    FROM city.readings_5m r
    WHERE r.bucket > city.now() - interval '1 hour' AND r.sensor = ANY(ARRAY(SELECT sensor FROM top)) GROUP BY 1
)
SELECT t.level, t.sensor, t.site_name AS site, t.district, t.value, t.unit, t.of_limit, s.slope, t.age_s AS age
FROM top t LEFT JOIN slope s USING (sensor)
{_WORST}"""  # noqa: S608 - built from constants of this room


def places(domain: str, language: str, blind: bool) -> str:
    """One row per sensor, the worst last to be drawn on top; `blind`: the silent ones with nothing standing."""
    which = "level < 0" if blind else "level >= 0"
    return f"""\
{_now(domain, language)}
SELECT lat AS latitude, lon AS longitude, sensor, site_name AS name, district, value, unit, age_s AS age, level,
       greatest(level, {"2" if blind else "0"})::float8 AS size
FROM ranked WHERE {which}
ORDER BY level, sensor
LIMIT 10000"""  # noqa: S608 - built from constants of this room


def counts(domain: str) -> str:
    """Alarms told of per level, alarms held back, silent sensors, sensors at all."""
    levels = ",\n       ".join(
        f"count(*) FILTER (WHERE level = '{level.word}' AND hold = '') AS {level.word}" for level in reversed(COLOURS)
    )
    theirs = f"FROM city.heard WHERE domain = '{domain}' AND district = {HERE}"
    return f"""\
SELECT {levels},
       count(*) FILTER (WHERE hold <> '') AS held,
       (SELECT count(*) FILTER (WHERE stale) {theirs}) AS stale,
       (SELECT count(*) {theirs}) AS sensors
FROM city.alarms
WHERE {REAL} AND domain = '{domain}' AND district = {HERE}"""  # noqa: S608 - built from constants of this room


def signs(domain: str, language: str) -> str:
    """Early signs that are present, the rarest first; what three or more sensors show together is said once."""
    return f"""\
WITH present AS (
    SELECT g.*, row_number() OVER (PARTITION BY g.district, g.quantity, g.direction
                                   ORDER BY g.return_period_years DESC NULLS FIRST, g.sensor) AS place
    FROM city.signs g WHERE g.domain = '{domain}' AND g.district = {HERE}
)
SELECT p.return_period_years AS years, p.sensor, coalesce({name("t", language)}, p.site) AS site,
       {district("p", language)} AS district, p.direction, p.channel, p.expected,
       {common.unit("s", language)} AS unit, p.together, p.time
FROM present p JOIN city.sensors s USING (sensor) LEFT JOIN city.sites t ON t.site = p.site
WHERE p.together < {ALIKE} OR p.place = 1
ORDER BY p.return_period_years DESC NULLS FIRST, p.time DESC
LIMIT {RANKED}"""  # noqa: S608 - built from constants of this room


def quantities(domain: str, language: str) -> str:
    """What the domain's sensors measure in the chosen districts."""
    return f"""\
SELECT DISTINCT quantity || ' · ' || {common.unit("s", language)} AS __text, quantity AS __value
FROM city.sensors s WHERE domain = '{domain}' AND district = {HERE}
ORDER BY 1"""  # noqa: S608 - built from constants of this room


def extremes(domain: str) -> str:
    """Lowest, highest and mean value of a quantity, hour by hour, or day by day over a range of more than three days.

    Kept by district and domain, so that a month of ten thousand sensors is a few hundred rows.
    """
    return f"""\
WITH kept AS (
{_kept(domain, "1h", "<=")}
    UNION ALL
{_kept(domain, "1d", ">")}
)
SELECT bucket AS time, min(min) AS low, max(max) AS high, sum(mean * n) / sum(n) AS value
FROM kept
GROUP BY 1
ORDER BY 1"""  # noqa: S608 - built from constants of this room


def _kept(domain: str, width: str, compared: str) -> str:
    return f"""\
    SELECT bucket, min, max, mean, n FROM city.domains_{width}
    WHERE domain = '{domain}' AND quantity = {chosen("quantity")} AND district = {HERE}
      AND bucket >= $__timeFrom()::timestamptz AND bucket < $__timeTo()::timestamptz
      AND $__timeTo()::timestamptz - $__timeFrom()::timestamptz {compared} interval '{BY_DAYS_FROM_H} hours'"""  # noqa: S608 - built from constants of this room


def unit(domain: str, language: str) -> str:
    """The quantity's unit as Grafana takes it."""
    return common.suffix(f"domain = '{domain}' AND quantity = {chosen('quantity')}", language)
