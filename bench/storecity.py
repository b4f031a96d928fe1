"""The city that the store's benchmark fills: its register, a day of readings, weeks of roll-ups and of alarms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from city.clock import to_us
from city.reading import Readings
from store.connection import Connection

DAY = datetime(2026, 6, 30, tzinfo=UTC)  # the day of raw readings; the city's clock then stands at its end
NOW = DAY + timedelta(days=1)
MINUTE_US = 60_000_000
DISTRICTS = 8
_STEPS = 3  # five-minute roll-ups are made for so many days, hours and days for all
_DOMAINS = ("waterlogging", "gas", "bridge", "settlement")

_REGISTER = (
    """INSERT INTO lifeline.districts
       SELECT 'd' || n, '{"en": "District"}' FROM generate_series(0, %(districts)s - 1) n""",
    """INSERT INTO lifeline.sites (site, kind, name, district, lon, lat)
       SELECT 's' || n, (ARRAY['underpass', 'manhole', 'bridge', 'ground'])[1 + n %% 4], '{"en": "Site", "zh": "点"}',
              'd' || n %% %(districts)s, 121 + n / 1000.0, 31 + n %% 100 / 100.0
       FROM generate_series(0, %(sites)s - 1) n""",
    """INSERT INTO lifeline.gateways (gateway, district, interval_s)
       SELECT 'g' || n, 'd' || n %% %(districts)s, 60 FROM generate_series(0, %(sites)s - 1) n""",
    """INSERT INTO lifeline.gateway_ledger (gateway, online, last_seen, skew_s)
       SELECT gateway, true, %(now)s - interval '10 seconds', 0.5 FROM lifeline.gateways""",
    """INSERT INTO lifeline.sensors (sensor, gateway, site, quantity, domain, unit, interval_s, lon, lat)
       SELECT 'x' || n, 'g' || n %% %(sites)s, 's' || n %% %(sites)s,
              (ARRAY['water_depth', 'methane', 'strain', 'settlement'])[1 + n %% 4],
              (%(domains)s::text[])[1 + n %% 4], (ARRAY['cm', '%%LEL', 'um/m', 'mm'])[1 + n %% 4], 60, 121, 31
       FROM generate_series(0, %(sensors)s - 1) n""",
    """INSERT INTO lifeline.clock (origin, wall, speed) VALUES (%(now)s, now(), 1e-9)""",
)
# Six thousand alarms in thirty days, three changes each, in fifteen hundred incidents of which sixty are open.
_ALARMS = (
    """INSERT INTO lifeline.incidents (incident, site, district, level, peak_level, stage, acknowledged, opened_at,
                                       closed_at, title, first_alarm, chain, chain_version)
       SELECT 'i' || n, 's' || n %% %(sites)s, 'd' || n %% %(sites)s %% %(districts)s,
              CASE WHEN n < 60 THEN 1 + n %% 4 ELSE 0 END, 1 + n %% 4,
              CASE WHEN n < 60 THEN 'raised' ELSE 'closed' END, n %% 2 = 0, %(now)s - n * interval '28 minutes',
              CASE WHEN n >= 60 THEN %(now)s - n * interval '28 minutes' + interval '20 minutes' END,
              '{"en": "Water in an underpass", "zh": "下穿积水"}', 'a' || n, 'c', '1'
       FROM generate_series(0, 1499) n""",
    """INSERT INTO lifeline.alarms (alarm, rule, rule_version, scope, sensor, site, district, domain, level, peak_level,
                                    condition, raised_at, cleared_at, incident, title)
       SELECT 'a' || n, 'rule', '1', 'x' || n %% %(sensors)s, 'x' || n %% %(sensors)s, 's' || n %% %(sites)s,
              'd' || n %% %(sites)s %% %(districts)s, (%(domains)s::text[])[1 + n %% 4],
              CASE WHEN n < 120 THEN 1 + n %% 4 ELSE 0 END, 1 + n %% 4,
              CASE WHEN n < 120 THEN 'active' ELSE 'normal' END,
              %(now)s - n * interval '7 minutes',
              CASE WHEN n >= 120 THEN %(now)s - n * interval '7 minutes' + interval '15 minutes' END, 'i' || n / 4,
              '{"en": "Water", "zh": "积水"}' FROM generate_series(0, 5999) n""",
    """INSERT INTO lifeline.alarm_events (event, time, recorded_at, alarm, kind, from_level, to_level, from_condition,
                                          to_condition, reason, evidence)
       SELECT 'e' || n || '-' || k, %(now)s - n * interval '7 minutes' + k * interval '5 minutes', %(now)s, 'a' || n,
              (ARRAY['raised', 'level', 'cleared'])[k + 1], k, (k + 1) %% 3, 'normal',
              (ARRAY['active', 'active', 'normal'])[k + 1], 'because', '[]'
       FROM generate_series(0, 5999) n, generate_series(0, CASE WHEN n < 120 THEN 1 ELSE 2 END) k""",
    """INSERT INTO lifeline.notices (notice, incident, kind, round, step, target, via, channel, state, level, content,
                                     created_at, next_try_at, sent_at)
       SELECT 'n' || n, 'i' || n / 4, 'raise', 1, 0, 'li', 'li', 'webhook', 'sent', 3, '{"subject": "Water"}',
              %(now)s - n * interval '7 minutes', %(now)s, %(now)s FROM generate_series(0, 5999) n""",
)
# The day's roll-ups again for the days before it, moved back; hours and days of four weeks, five minutes of some days.
_BACK = """
INSERT INTO lifeline.{table} (sensor_id, n, bucket, sum, min, max, last, last_time, worst_flag)
SELECT sensor_id, n, bucket - %(back)s, sum, min, max, last, last_time - %(back)s, worst_flag
FROM lifeline.{table} WHERE bucket >= %(day)s AND bucket < %(now)s"""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much: sensors, minutes of raw readings, days of roll-ups before them, runs of each query."""

    sensors: int = 10_000
    minutes: int = 1440
    days: int = 29
    runs: int = 200

    @property
    def values(self) -> dict[str, object]:
        """As the parameters of statements."""
        sites = max(DISTRICTS, self.sensors // 20)
        return {
            "sensors": self.sensors, "sites": sites, "districts": DISTRICTS, "domains": list(_DOMAINS), "now": NOW,
        }  # fmt: skip


def fill_register(conn: Connection, scale: Scale) -> None:
    """Write register and clock; sensors get the numbers 1 to n."""
    for statement in _REGISTER:
        conn.execute(statement.encode(), scale.values)


def fill_alarms(conn: Connection, scale: Scale) -> None:
    """Write thirty days of incidents, alarms, their changes and notices."""
    for statement in _ALARMS:
        conn.execute(statement.encode(), scale.values)


def fill_rollups(conn: Connection, scale: Scale) -> tuple[int, int]:
    """Copy the day's roll-ups to the days before it (five minutes to three of them); rows of hours, of five minutes."""
    rows = {"rollup_5m": 0, "rollup_1h": 0, "rollup_1d": 0}
    for back in (timedelta(days=days) for days in range(1, scale.days + 1)):
        for table in rows if back.days < _STEPS else ("rollup_1h", "rollup_1d"):
            values = {"back": back, "day": DAY, "now": NOW}
            conn.execute("SELECT lifeline.prepare_rollup(%s, %s)", (table, DAY - back))
            rows[table] += conn.execute(_BACK.format(table=table).encode(), values).rowcount
    for width in (60, 1440):
        conn.execute("SELECT lifeline.group_buckets(%s, %s, %s)", (width, DAY - timedelta(days=scale.days), NOW))
    return rows["rollup_1h"], rows["rollup_5m"]


def minutes(scale: Scale, first: int, count: int, seed: int = 7) -> Iterator[Readings]:
    """A reading of every sensor a minute, from minute `first` of the day on: whole seconds, values with two digits."""
    chance = np.random.default_rng(seed + first)
    sensors = np.arange(1, scale.sensors + 1, dtype=np.int32)
    offset_us = (sensors.astype(np.int64) * 7 % 60) * 1_000_000
    level = chance.uniform(0, 50, scale.sensors)
    for minute in range(first, first + count):
        level = level + chance.normal(0, 0.05, scale.sensors)
        value = np.round(level, 2)
        time_us = to_us(DAY) + minute * MINUTE_US + offset_us
        order = np.argsort(time_us, kind="stable")  # as they would arrive
        flag = np.ones(scale.sensors, np.uint8)
        yield Readings(sensors, time_us, time_us + 2_000_000, value, flag, value.copy()).take(order)
