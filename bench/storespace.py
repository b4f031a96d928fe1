"""How many bytes a reading takes: as rows, with packed keys, in columns; on any server, over one connection."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta

from rich.table import Table

from bench.storecity import NOW, Scale, fill_register, minutes
from bench.storereport import MOST_BYTES, MOST_COMPRESSED, Space
from city.errors import InputError
from city.reading import Readings
from city.retention import Retention
from store.connection import Connection, connect
from store.migrate import Tier, detect_tier, migrate
from store.packing import pack
from store.readings import ReadingWriter
from store.retention import compress

ONE_SESSION = Scale(sensors=1000)  # a day of them is what a server that lives in memory has room for
_HOUR = 60
_LATER = NOW + timedelta(days=60)

_SPACE = """
WITH RECURSIVE piece AS (
    SELECT 'lifeline.readings'::regclass::oid AS oid
    UNION ALL SELECT i.inhrelid FROM pg_inherits i JOIN piece p ON i.inhparent = p.oid
    WHERE i.inhrelid IN (SELECT oid FROM pg_class WHERE relkind IN ('r', 'p'))
)
SELECT sum(pg_table_size(oid)), sum(pg_indexes_size(oid)), (SELECT count(*) FROM lifeline.readings) FROM piece"""
_COLUMNS = "SELECT after_compression_total_bytes FROM hypertable_compression_stats('lifeline.readings')"


@dataclass(frozen=True, slots=True)
class SpaceReport:
    """What one server takes: its tier, how many readings of how many sensors, and the bytes of each."""

    tier: str
    readings: int
    sensors: int
    space: Space
    name: str = "store space"

    def json(self) -> str:
        """The report as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def render(self) -> Table:
        """The report as a table for a terminal."""
        table = Table(title=f"bytes a reading: {self.tier}", show_header=False, title_justify="left")
        table.add_row("readings", f"{self.readings:,} of {self.sensors:,} sensors")
        table.add_row("as rows", f"table {self.space.table:.1f}, indexes {self.space.indexes:.1f}")
        used = self.space.table + self.space.packed
        met = "met" if used <= MOST_BYTES else "NOT met"
        table.add_row("with its key, packed", f"{used:.1f} (wanted <= {MOST_BYTES:g}: {met})")
        if (columns := self.space.compressed) is not None:
            met = "met" if columns <= MOST_COMPRESSED else "NOT met"
            table.add_row("in columns", f"{columns:.2f} (wanted <= {MOST_COMPRESSED:g}: {met})")
        return table


def run(dsn: str, scale: Scale = ONE_SESSION, progress: Callable[[str], None] = lambda _: None) -> SpaceReport:
    """Fill the empty database behind `dsn` with a day of readings and measure what they take.

    One connection at a time does: a server of a single session, such as TimescaleDB's community build of the tests, is
    measured so.

    Raises
    ------
    InputError
        When the database holds readings already.
    """
    migrate(dsn)
    with connect(dsn, autocommit=True, application_name="lifeline bench") as conn:
        if conn.execute("SELECT EXISTS (SELECT FROM lifeline.readings)").fetchone() != (False,):
            raise InputError("--space: this database holds readings, try an empty one")
        tier, writer = detect_tier(conn), ReadingWriter(conn)
        fill_register(conn, scale)
        for first in range(0, scale.minutes, _HOUR):
            progress(f"{tier.value}: writing {first}/{scale.minutes} minutes")
            hour = list(minutes(scale, first, min(_HOUR, scale.minutes - first)))
            with conn.transaction():
                writer.write(Readings.joined(hour))
        progress(f"{tier.value}: packing")
        return SpaceReport(tier.value, scale.sensors * scale.minutes, scale.sensors, space(conn, tier, beside=False))


def space(conn: Connection, tier: Tier, *, beside: bool = True) -> Space:
    """Bytes of each reading in this database, as rows and as the keeper leaves them; packs and compresses all.

    `beside` as in `store.packing.pack`: what it makes is the same.
    """
    table, indexes = _bytes(conn)
    while pack(conn, _LATER, beside=beside):
        pass
    packed = _bytes(conn)[1]
    if tier is not Tier.COMMUNITY:
        return Space(table, indexes, packed, None)
    (rows,) = conn.execute("SELECT count(*) FROM lifeline.readings").fetchone() or (1,)
    while compress(conn, Retention(compress_after_s=0.0), _LATER):
        pass
    (after,) = conn.execute(_COLUMNS).fetchone() or (0,)
    return Space(table, indexes, packed, float(after) / float(rows))


def _bytes(conn: Connection) -> tuple[float, float]:
    """Bytes of table and indexes for each reading."""
    table, indexes, rows = conn.execute(_SPACE).fetchone() or (0, 0, 1)
    return float(table) / float(rows), float(indexes) / float(rows)
