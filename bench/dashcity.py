"""The city that the dashboards' benchmark fills: the store's, with what its pages of figures read besides."""

from __future__ import annotations

from datetime import timedelta

from bench.storecity import DAY, NOW, Scale, fill_alarms, fill_register, minutes
from store.connection import Connection
from store.readings import ReadingWriter

DAYS = 30
_FIVE_DAYS = 1  # days of five-minute roll-ups before today
_STEP = 10  # minutes of readings a transaction
# What the keeper would have made of readings: values that differ from sensor to sensor and from hour to hour.
_ROLLUP = """
INSERT INTO lifeline.{table} (sensor_id, n, bucket, sum, min, max, last, last_time, worst_flag)
SELECT s.sensor_id, w.n, w.bucket, w.n * v.mean, v.mean - 1, v.mean + 1, v.mean,
       w.bucket + %(width)s - interval '1 second', 1
FROM (SELECT bucket, extract(epoch FROM %(width)s::interval)::integer / 60 AS n
      FROM generate_series(%(first)s, %(last)s - %(width)s, %(width)s::interval) bucket) w
CROSS JOIN lifeline.sensors s
CROSS JOIN LATERAL (SELECT 10 + (s.sensor_id * 7 + extract(epoch FROM w.bucket)::bigint / 300) %% 40 AS mean) v"""
# As a keeper leaves them: the newest bucket of each width is still open.
_CLEAN = """
DELETE FROM lifeline.dirty_buckets WHERE bucket < CASE minutes
    WHEN 5 THEN %(now)s - interval '5 minutes' WHEN 60 THEN %(now)s - interval '1 hour' ELSE %(day)s END"""
_FIGURES = (
    """INSERT INTO lifeline.annunciations (annunciation, desk, alarm, incident, district, domain, counted, first, at)
       SELECT 'u' || n, 'duty', 'a' || n, 'i' || n / 4, 'd' || n %% %(sites)s %% %(districts)s,
              (%(domains)s::text[])[1 + n %% 4], true, n %% 4 = 0, %(now)s - n * interval '7 minutes'
       FROM generate_series(0, 5999) n""",
    """INSERT INTO lifeline.incident_events (event, time, incident, kind, actor, note)
       SELECT 'i' || n || '-' || k, %(now)s - n * interval '28 minutes' + k * interval '3 minutes', 'i' || n,
              (ARRAY['opened', 'acknowledge', 'confirm', 'dispatch', 'on_site', 'close'])[k + 1], 'li', ''
       FROM generate_series(0, 1499) n, generate_series(0, 5) k""",
    """INSERT INTO lifeline.incident_clocks (incident, number, clock, level, began_at, due_at, state, settled_at,
                                            reason)
       SELECT 'i' || n, k, (ARRAY['acknowledge', 'confirm', 'dispatch', 'on_site'])[k], 2,
              %(now)s - n * interval '28 minutes', %(now)s - n * interval '28 minutes' + k * interval '5 minutes',
              CASE WHEN n < 60 THEN 'running' WHEN n %% 9 = 0 THEN 'missed' ELSE 'met' END,
              CASE WHEN n >= 60 THEN %(now)s - n * interval '28 minutes' + k * interval '4 minutes' END, ''
       FROM generate_series(0, 1499) n, generate_series(1, 4) k""",
    """INSERT INTO lifeline.escalations (incident, round, step, repeat, due_at, state, reason, settled_at)
       SELECT 'i' || n, 1, k, 0, %(now)s - n * interval '28 minutes' + k * interval '10 minutes',
              CASE WHEN k = 0 THEN 'fired' WHEN n < 60 THEN 'due' ELSE 'cancelled' END, '', NULL
       FROM generate_series(0, 1499) n, generate_series(0, 2) k""",
    """INSERT INTO lifeline.limits (sensor, rule, level, side, value)
       SELECT sensor, 'rule', level, 'high', 40 + 10 * level FROM lifeline.sensors, generate_series(1, 4) level""",
    """INSERT INTO lifeline.findings (time, sensor, detector, channel, verdict, score, expected, low, high, reason)
       SELECT %(now)s - n * interval '2 minutes', 'x' || n %% %(sensors)s, 'seasonal',
              (ARRAY['value', 'late_detected', 'flat'])[1 + n %% 3], (ARRAY['abnormal', 'normal'])[1 + n %% 2], 3, 20,
              10, 30, 'because' FROM generate_series(0, 20000) n""",
    """INSERT INTO lifeline.rejections (received_at, gateway, topic, sensor, time, reason, detail, payload)
       SELECT %(now)s - n * interval '2 minutes', 'g' || n %% %(sites)s, 't', 'y' || n %% 50, %(now)s,
              (ARRAY['unknown_sensor', 'future', 'unreadable', 'unit'])[1 + n %% 4], 'x', '\\x00'::bytea
       FROM generate_series(0, 20000) n""",
    """INSERT INTO lifeline.floods (flood, desk, since, started_at, ended_at, alarms, peak, digests)
       SELECT 'f' || n, 'duty', %(now)s - n * interval '5 days', %(now)s - n * interval '5 days',
              CASE WHEN n > 0 THEN %(now)s - n * interval '5 days' + interval '3 hours' END, 60, 20, 9
       FROM generate_series(0, 5) n""",
    """INSERT INTO lifeline.shelves (shelf, hold, target, rule, scope, level, one_shot, since, until, by, reason, via)
       SELECT 'h' || n, 'shelved', 'rule/x' || n, 'rule', 'x' || n, 1, false, %(now)s - n * interval '7 minutes',
              %(now)s + interval '2 hours', 'li', 'known', 'api' FROM generate_series(0, 59) n""",
    """INSERT INTO lifeline.hold_events (event, time, target, kind, actor, note, via)
       SELECT 'h' || n, %(now)s - n * interval '70 minutes', 'rule/x' || n, 'shelved', 'li', 'known', 'api'
       FROM generate_series(0, 599) n""",
    """INSERT INTO lifeline.roles (role, pid, started_at, beat_at, heard_until, detail)
       SELECT role, 1, %(now)s, now(), %(now)s, '{}'
       FROM unnest(ARRAY['recorder', 'watcher', 'notifier', 'api', 'keeper']) role""",
    """INSERT INTO lifeline.health (name, value, unit, state, since, advice)
       SELECT 'check_' || n, n, '', CASE WHEN n < 2 THEN 'fault' ELSE 'ok' END, %(now)s, ''
       FROM generate_series(0, 19) n""",
    """INSERT INTO lifeline.sizes (hour, bytes)
       SELECT %(now)s - n * interval '1 hour', 9e9 - n * 1e6 FROM generate_series(0, 839) n""",
)  # fmt: skip


def fill(conn: Connection, scale: Scale) -> int:
    """Fill an empty migrated database through an autocommit connection; rows of hourly roll-ups.

    `scale.minutes` of readings before now, a reading a minute and sensor, and `scale.days` of roll-ups.
    """
    fill_register(conn, scale)
    writer = ReadingWriter(conn)
    for first in range(1440 - scale.minutes, 1440, _STEP):
        with conn.transaction():
            for batch in minutes(scale, first, min(_STEP, 1440 - first)):
                writer.write(batch)
    rows = _fill_rollups(conn, scale)
    conn.execute(_CLEAN, {"now": NOW, "day": DAY})
    fill_alarms(conn, scale)
    for statement in _FIGURES:
        conn.execute(statement.encode(), scale.values)
    conn.execute("VACUUM ANALYZE")
    return rows


def _fill_rollups(conn: Connection, scale: Scale) -> int:
    """Roll-ups a day at a time, up to the newest bucket, which is still open; rows of hours."""
    rows = {}
    for table, width, days in (
        ("rollup_5m", timedelta(minutes=5), min(_FIVE_DAYS, scale.days)),
        ("rollup_1h", timedelta(hours=1), scale.days),
        ("rollup_1d", timedelta(days=1), scale.days),
    ):
        rows[table] = 0
        for back in range(days, -1, -1):
            first = DAY - timedelta(days=back)
            last = min(first + timedelta(days=1), NOW - width)
            values = {"first": first, "last": last, "width": width}
            conn.execute("SELECT lifeline.prepare_rollup(%s, %s)", (table, first))
            rows[table] += conn.execute(_ROLLUP.format(table=table).encode(), values).rowcount
    for bucket_min in (60, 1440):
        conn.execute("SELECT lifeline.group_buckets(%s, %s, %s)", (bucket_min, DAY - timedelta(days=scale.days), NOW))
    return rows["rollup_1h"]
