"""An unknown sensor into the register: a row of `sensors.csv`, checked with the whole folder before it stands."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from city.errors import InputError
from city.folder import read_folder
from city.load import load_city
from ingest.quarantine import Stranger
from lifeline.files import write_atomic
from rules.check import load_files

FILE = "sensors.csv"


@dataclass(frozen=True)
class Adoption:
    """What a person says of a sensor; empty text and 0 where what it sent should tell."""

    sensor: str
    quantity: str
    site: str
    gateway: str = ""
    unit: str = ""
    interval_s: float = 0.0


def adopt(folder: Path, wanted: Adoption, heard: Stranger) -> str:
    """Add the sensor to the folder's register; the row as written.

    Raises
    ------
    InputError, FaultyInput
        When it is there already, what it sent does not tell enough, or the folder would be faulty with it; nothing is
        written then.
    """
    files = read_folder(folder)
    city = load_city(files)
    if wanted.sensor in city.sensors:
        raise InputError(f"{FILE}: has this sensor already, got {wanted.sensor!r}, try `lifeline quarantine replay`")
    quantity = city.quantities.get(wanted.quantity)
    usual = quantity.unit if quantity is not None else ""
    told = {
        "sensor": wanted.sensor,
        "gateway": wanted.gateway or _only("--gateway", heard.gateways),
        "site": wanted.site,
        "quantity": wanted.quantity,
        "unit": wanted.unit or (_only("--unit", heard.units) if heard.units else usual),
        "interval_s": f"{_interval_s(wanted, heard):g}",
    }
    text = _with_row(files[FILE], told)
    load_files({**files, FILE: text})
    write_atomic(folder / FILE, text, 0o644)
    return text.splitlines()[-1]


def _only(flag: str, heard: tuple[str, ...]) -> str:
    if len(heard) != 1:
        raise InputError(f"{flag}: cannot be told from what came, got {', '.join(heard) or 'nothing'}, try {flag} …")
    return heard[0]


def _interval_s(wanted: Adoption, heard: Stranger) -> float:
    seconds = wanted.interval_s or heard.interval_s
    if not seconds:
        raise InputError("--interval: cannot be told from what came, got one reading, try --interval 60")
    return seconds


def _with_row(text: str, told: Mapping[str, str]) -> str:
    header = next(csv.reader(io.StringIO(text)))
    row = io.StringIO()
    csv.writer(row, lineterminator="\n").writerow([told.get(column.strip(), "") for column in header])
    return text.rstrip("\n") + "\n" + row.getvalue()
