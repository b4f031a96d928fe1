"""Recorded files as a backtest's columns: read by a mapping, judged by the same admission as live readings."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from city.errors import InputError
from city.levels import Flag
from city.model import City
from gateway.mapping import Mapping
from gateway.recorded import BadRow, find_files, read_rows
from gateway.translate import Refused, Translator
from ingest.admit import Admission
from ingest.message import Arrival, ReadingsMessage
from ingest.sensortable import SensorTable
from rules.trials.sources import ColumnWriter

_BATCH = 200_000  # readings judged together
_NOT_EVALUATED = int(Flag.NOT_EVALUATED)
_SCALES_US = {"unix_s": 1_000_000, "unix_ms": 1_000}


@dataclass
class Taken:
    """What was read: readings kept, and how many were not, by reason."""

    readings: int = 0
    refused: Counter[str] = field(default_factory=Counter)


@dataclass
class _Rows:
    """Readings of one gateway, as the decoder gives them."""

    message: ReadingsMessage
    latest_us: int = 0


@dataclass
class _Intake:
    """Judges readings in batches, each under its sensor's own gateway: whose file it is does not matter here."""

    city: City
    writer: ColumnWriter
    taken: Taken
    admission: Admission
    rows: dict[str, _Rows] = field(default_factory=dict)
    held: int = 0

    def add(self, sensor: str, time_us: int, value: float, unit: str | None, flag: int) -> None:
        known = self.city.sensors.get(sensor)
        if known is None:
            self.taken.refused["unknown_sensor"] += 1
            return
        own = self._own(known.gateway)
        message = own.message
        message.sensor.append(sensor)
        message.time_us.append(time_us)
        message.value.append(value)
        message.unit.append(unit)
        message.flag.append(flag or _NOT_EVALUATED)
        own.latest_us = max(own.latest_us, time_us)
        self.held += 1
        if self.held >= _BATCH:
            self.flush()

    def _own(self, gateway: str) -> _Rows:
        own = self.rows.get(gateway)
        if own is None:
            district = self.city.gateways[gateway].district
            own = self.rows[gateway] = _Rows(ReadingsMessage("", district, gateway))
        return own

    def flush(self) -> None:
        if not self.rows:
            return
        arrivals = [Arrival(own.message, own.latest_us) for own in self.rows.values()]
        admitted = self.admission.admit_all(arrivals)
        self.writer.add(admitted.readings)
        self.taken.readings += len(admitted.readings)
        for refused in admitted.refused:
            for one in refused:
                self.taken.refused[str(one.reason)] += one.count
        self.rows, self.held = {}, 0


def read_columns(source: Path, mapping: Mapping, city: City, folder: Path, progress: Callable[[int], None]) -> Taken:
    """Read files into a folder of columns that `rules.trials.sources.ColumnSource` reads.

    Raises
    ------
    InputError
        The mapping does not fit the files, or nothing of them belongs to the city.
    OutsideError
        A file cannot be read.
    """
    ids = {name: number for number, name in enumerate(city.sensors)}
    writer = ColumnWriter(folder, {number: name for name, number in ids.items()})
    taken = Taken()
    intake = _Intake(city, writer, taken, Admission(SensorTable(city, ids)))
    for path in find_files(source, mapping):
        parts = _plain(path, mapping)
        unit = mapping.values[0].unit or None if mapping.values else None
        for count in _translate(intake, path, mapping) if parts is None else _take(intake, parts, unit):
            progress(count)
    intake.flush()
    writer.close()
    if not taken.readings:
        why = ", ".join(f"{count} {reason}" for reason, count in taken.refused.most_common()) or "no rows"
        raise InputError(f"backtest {source}: no readings of this city in it ({why}), try another mapping or --city")
    return taken


def _translate(intake: _Intake, path: Path, mapping: Mapping) -> Iterator[int]:
    """Row by row, as `lifeline replay` reads."""
    translator = Translator(mapping)
    for number, row in enumerate(read_rows(path, mapping), 1):
        if isinstance(row, BadRow):
            intake.taken.refused["unreadable_row"] += 1
            continue
        try:
            for found in translator.readings(row.cells):
                if isinstance(found, Refused):
                    intake.taken.refused[str(found.why)] += 1
                else:
                    intake.add(found.source.sensor, found.time_us, found.value, found.source.unit or None, found.flag)
        except Refused as refused:
            intake.taken.refused[str(refused.why)] += 1
        if number % 10_000 == 0:
            yield intake.taken.readings + intake.held


@dataclass(frozen=True, slots=True)
class _Part:
    """Some rows of a plain file: names, and for each row which one, when (microseconds) and what."""

    names: list[str]
    code: NDArray[np.int64]
    time_us: NDArray[np.int64]
    value: NDArray[np.float64]


def _take(intake: _Intake, parts: Iterator[_Part], unit: str | None) -> Iterator[int]:
    """Whole columns at a time: a tenth of the time of going row by row."""
    intake.flush()
    city = intake.city
    for part in parts:
        gateways = sorted(city.gateways)
        place = {gateway: number for number, gateway in enumerate(gateways)}
        own = [place[city.sensors[name].gateway] if name in city.sensors else -1 for name in part.names]
        gateway = np.array(own or [-1], np.int64)[part.code]
        order = np.argsort(gateway, kind="stable")
        starts = np.flatnonzero(np.diff(gateway[order], prepend=-2)).tolist()
        for rows in np.split(order, starts[1:]):
            number = int(gateway[rows[0]])
            if number < 0:
                intake.taken.refused["unknown_sensor"] += len(rows)
                continue
            name = gateways[number]
            times_us = part.time_us[rows].tolist()
            sensors = [part.names[code] for code in part.code[rows].tolist()]
            message = ReadingsMessage(
                "", city.gateways[name].district, name, None, None, sensors, times_us, part.value[rows].tolist(),
                [unit] * len(rows), [_NOT_EVALUATED] * len(rows),
            )  # fmt: skip
            intake.rows[name] = _Rows(message, max(times_us))
        intake.flush()
        yield intake.taken.readings


def _plain(path: Path, mapping: Mapping) -> Iterator[_Part] | None:
    """The columns of a Parquet file whose mapping needs no work on single rows; None for every other one."""
    value = mapping.values[0] if len(mapping.values) == 1 else None
    work = mapping.profile or mapping.derived or mapping.plausible or mapping.flag_column
    if value is None or work or value.match or value.unit_column or value.sensor or len(mapping.time.columns) != 1:
        return None
    if (
        mapping.sensor.text not in [f"{{{name}}}" for name in mapping.sensor.columns]
        or path.suffix.lower() != ".parquet"
    ):
        return None
    if find_spec("pyarrow") is None or any(_is_number(text) for text in mapping.missing):
        return None
    from pyarrow import parquet, types

    schema = parquet.read_schema(path)
    names = (mapping.sensor.columns[0], mapping.time.columns[0], value.column)
    if not set(names) <= set(schema.names):
        return None
    sensor, time, number = (schema.field(name).type for name in names)
    scale_us = _SCALES_US.get(mapping.time.format)
    timed = (types.is_timestamp(time) and time.tz) if scale_us is None else types.is_integer(time)
    texts = types.is_string(sensor) or (types.is_dictionary(sensor) and types.is_string(sensor.value_type))
    if not (timed and texts and types.is_floating(number)):
        return None
    return _parts(path, names, scale_us or 0)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _parts(path: Path, names: tuple[str, str, str], scale_us: int) -> Iterator[_Part]:
    import pyarrow
    from pyarrow import compute, parquet

    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_BATCH, columns=list(names)):
            batch = pyarrow.RecordBatch.from_arrays([batch.column(name) for name in names], names=list("stv"))
            batch = batch.filter(compute.is_finite(batch["v"])).drop_null()
            sensor = batch["s"]
            coded = sensor if isinstance(sensor, pyarrow.DictionaryArray) else sensor.dictionary_encode()
            times = batch["t"] if scale_us else batch["t"].cast(pyarrow.timestamp("us", "UTC"), safe=False)
            time_us = times.cast(pyarrow.int64()).to_numpy(zero_copy_only=False) * (scale_us or 1)
            code = coded.indices.cast(pyarrow.int64()).to_numpy(zero_copy_only=False)
            if len(code):
                value = batch["v"].cast(pyarrow.float64()).to_numpy(zero_copy_only=False)
                yield _Part(coded.dictionary.to_pylist(), code, time_us, value)
