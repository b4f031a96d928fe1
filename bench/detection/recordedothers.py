"""Street floods, a bridge's strain, ground positions, methane from a car: what each can show, and what it cannot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from bench.detection.engines import return_periods, run
from bench.detection.nabcorpus import Floats
from bench.detection.recordedsets import Flood, Folder, Record, bridge, floods, gnss, methane
from bench.detection.report import Section, Table
from city.levels import Flag
from city.reading import Sample
from detectors.protocol import Detector, Verdict
from detectors.registry import create, names
from detectors.river_adapter import PREFIX
from detectors.subject import Subject

_LIMIT_CM = 15.0
_DRY_MIN = 2880  # a dry bed before each flood: two days of zeros
_QUICK_FLOODS = 150
_STRAIN_LIMIT = 10.0  # um/m above the record's start: what a fixed limit would wait for
_LEL_PPM = 500.0  # 1 %LEL of methane, whose lower explosive limit is 5 % by volume
_STEPS_MM: Final = (2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0)
_WITHIN_DAYS, _SETTLED_DAYS = 30, 730  # a step counts as seen within a month; the first two years are for learning
_TRIES = 12  # places of steps in each station's record
_DAY_US: Final = 86_400_000_000


def _made_for(quantity: str) -> Iterator[Detector]:
    """Every detector of ours that is made for a quantity, or for any, freshly built and told of the sensor."""
    for name in names():
        if not name.startswith(PREFIX):
            detector = create(name)
            if not detector.quantities or quantity in detector.quantities:
                yield detector


def _first(detector: Detector, samples: Sequence[Sample]) -> int:
    """The place of the first ABNORMAL sample, -1 when there is none."""
    for at, sample in enumerate(samples):
        if any(one.verdict is Verdict.ABNORMAL for one in detector.update([sample])):
            return at
    return -1


def _samples(record: Record, scale: float = 1.0) -> list[Sample]:
    pairs = zip(record.time_us.tolist(), record.value.tolist(), strict=True)
    return [Sample("s", time_us, value * scale, Flag.PASS, 0) for time_us, value in pairs]


class _Lead(NamedTuple):
    """Of one kind of flood by one detector: minutes from the first alarm to the limit, found ones only."""

    name: str
    reached: int
    minutes: list[float]


def floodnet_section(folder: Folder, *, quick: bool) -> Section:
    """How long before 15 cm each detector speaks, rain and tide apart."""
    every = floods(folder)
    rows, figures = [], dict[str, object]()
    for kind, tidal in (("rain", False), ("tide", True)):
        chosen = [one for one in every if one.tidal is tidal and one.depth_cm.max() >= _LIMIT_CM]
        chosen = chosen[:: max(len(chosen) // _QUICK_FLOODS, 1)] if quick else chosen
        for lead in _leads(chosen):
            early = [one for one in lead.minutes if one > 0]
            p10, p50 = np.percentile(lead.minutes, (10, 50)) if lead.minutes else (np.nan, np.nan)
            shares = (f"{len(lead.minutes) / max(lead.reached, 1):.0%}", f"{len(early) / max(lead.reached, 1):.0%}")
            rows.append((f"{kind}: {lead.name}", str(lead.reached), *shares, _minutes(p50), _minutes(p10)))
            figures[f"{kind} {lead.name}"] = {"reached": lead.reached, "early": len(early), "median_min": float(p50)}
    words = (
        f"{len(every)} floods can be read, {sum(one.tidal for one in every)} where the sea reaches. Two days of a dry "
        "bed (zeros) stand before each flood. Lead: minutes from the first alarm to 15 cm; a fixed limit of 15 cm has "
        "none.",
        "What these records cannot tell: how often a detector cries wolf. They are floods only, without dry weather; "
        "the rate of false alarms comes from the simulator and from river stage. A depth that starts at a flood's "
        "first sample also hides what came before it.",
        *_skipped(folder),
    )
    head = ("flood: detector", "reach 15 cm", "found", "before 15 cm", "median lead, min", "p10 lead, min")
    table = Table("Street floods that reach 15 cm", head, tuple(rows))
    return Section("Recorded: street floods", words, (table,), (), figures)


def _leads(chosen: Sequence[Flood]) -> Iterator[_Lead]:
    dry = [Sample("s", minute * 60_000_000, 0.0, Flag.PASS, 0) for minute in range(_DRY_MIN)]
    for detector in _made_for("water_depth"):
        detector.watch({"s": Subject("s", "water_depth", 60.0)})
        detector.update(dry)
        ready, minutes = detector.state_of("s"), list[float]()
        for one in chosen:
            detector.put_state("s", ready)
            times = _DRY_MIN * 60 + one.time_s
            samples = [
                Sample("s", round(time * 1e6), depth, Flag.PASS, 0)
                for time, depth in zip(times.tolist(), one.depth_cm.tolist(), strict=True)
            ]
            first = _first(detector, samples)
            if first >= 0:
                reached = int(np.argmax(one.depth_cm >= _LIMIT_CM))
                minutes.append((samples[reached].time_us - samples[first].time_us) / 60e6)
        yield _Lead(detector.name, len(chosen), minutes)


def bridge_section(folder: Folder) -> Section:
    """When a lasting change of strain is told, and how often a record without one is called abnormal."""
    rows, figures = [], dict[str, object]()
    for record in bridge(folder):
        head = float(np.median(record.value[:60]))
        shift = float(np.median(record.value[-60:])) - head
        beyond = np.flatnonzero(np.abs(record.value - head) >= _STRAIN_LIMIT)
        limit_s = float(record.time_us[beyond[0]] - record.time_us[0]) / 1e6 if len(beyond) else np.nan
        for detector in _made_for("strain"):
            detector.watch({"s": Subject("s", "strain", 1.0)})
            first = _first(detector, _samples(record))
            first_s = float(record.time_us[first] - record.time_us[0]) / 1e6 if first >= 0 else np.nan
            then = f"{record.value[first] - head:+.1f}" if first >= 0 else ""
            cells = (f"{shift:+.1f}", _seconds(first_s), then, _seconds(limit_s), _seconds(limit_s - first_s))
            rows.append((f"{record.name}: {detector.name}", str(len(record.value)), *cells))
            figures[f"{record.name} {detector.name}"] = {"shift": shift, "first_s": first_s, "limit_s": limit_s}
    words = (
        "One-second medians, each record from new. A record whose end stands where it began should be calm; one with a "
        "lasting shift should be told, and sooner than a fixed limit of 10 µm/m above its start.",
        "What these records cannot tell: anything that needs days of habit or temperature. Minutes are too short for "
        "return periods of a year; detectors that need a longer history stay blind here, and say so.",
        *_skipped(folder),
    )
    head_row = ("record: detector", "s", "shift, µm/m", "first alarm, s", "by then", "limit, s", "lead, s")
    table = Table(
        "Strain of a test bridge", head_row, tuple(rows), "Shift: median of the last minute less the first's."
    )
    return Section("Recorded: bridge", words, (table,), (), figures)


def gnss_section(folder: Folder, *, quick: bool) -> Section:
    """False alarms per station-year on daily positions, and the smallest step that is seen within a month."""
    records = gnss(folder)
    rows, figures = [], dict[str, object]()
    for record in records:
        answers = run(record.time_us, record.value, quantity="settlement")
        alarms, years = _onsets(return_periods(answers) >= 1.0), record.days / 365.25
        seen = [(step, _seen(record, step, quick=quick)) for step in _STEPS_MM]
        visible = next((step for step, share in seen if share >= 0.9), float("nan"))
        scatter = float(np.nanstd(np.diff(record.value)) / np.sqrt(2))
        cells = (f"{years:.1f}", f"{scatter:.1f}", f"{alarms / years:.2f}")
        rows.append((record.name, *cells, "none of these" if np.isnan(visible) else f"{visible:g}"))
        figures[record.name] = {"years": years, "alarms": alarms, "seen": dict((f"{a:g}", b) for a, b in seen)}
    total = sum(one.days for one in records) / 365.25
    alarms_all = sum(int(one["alarms"]) for one in figures.values() if isinstance(one, dict))
    words = (
        f"{len(records)} stations, {total:.1f} station-years of daily heights; {alarms_all} alarms at a return period "
        f"of a year, {alarms_all / total if total else 0:.2f} a station-year. Nobody labelled them: earthquakes and "
        "changes of an antenna are real and count as false here.",
        f"A step of {', '.join(f'{step:g}' for step in _STEPS_MM)} mm is added at places spread over each record after "
        "its second year; the smallest that is told within 30 days (by an alarm the untouched record does not have) "
        "nine times in ten is what such a station can see.",
        *_skipped(folder),
    )
    head = ("station", "years", "day-to-day scatter, mm", "alarms a year", "smallest step seen, mm")
    table = Table("Daily ground position, early_sign", head, tuple(rows))
    return Section("Recorded: ground", words, (table,), (), figures)


def _seen(record: Record, step_mm: float, *, quick: bool) -> float:
    """Share of places at which an added step gives an alarm within a month that was not there without it."""
    first = int(np.searchsorted(record.time_us, record.time_us[0] + _SETTLED_DAYS * _DAY_US))
    places = np.linspace(first, len(record.value) - 60, _TRIES // (4 if quick else 1)).astype(int)
    before = return_periods(run(record.time_us, record.value, quantity="settlement")) >= 1.0
    seen = 0
    for place in places[places > 0]:
        last = int(np.searchsorted(record.time_us, record.time_us[place] + _WITHIN_DAYS * _DAY_US))
        moved = record.value[:last].copy()
        moved[place:] -= step_mm
        after = return_periods(run(record.time_us[:last], moved, quantity="settlement")) >= 1.0
        seen += bool((after[place:] & ~before[place:last]).any())
    return seen / max(len(places), 1)


def _onsets(above: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
    """Alarms: rows above without the row before being so."""
    return int((above & ~np.append(False, above[:-1])).sum())


def methane_section(folder: Folder) -> Section:
    """When a plume on the street is told."""
    rows, figures = [], dict[str, object]()
    for record in methane(folder):
        base, peak = float(np.median(record.value)), int(np.argmax(record.value))
        spread = _spread(record.value)
        onset = int(np.argmax(record.value >= base + (record.value[peak] - base) / 10))
        for detector in _made_for("methane"):
            detector.watch({"s": Subject("s", "methane", 0.5)})
            first = _first(detector, _samples(record, 1 / _LEL_PPM))
            late = f"{(record.time_us[first] - record.time_us[onset]) / 1e6:+.1f}" if first >= 0 else ""
            seconds = f"{(record.time_us[-1] - record.time_us[0]) / 1e6:.0f}"
            cells = (f"{base:.2f}", f"{record.value[peak]:.2f}", f"{(record.value[peak] - base) / spread:.0f}", late)
            rows.append((f"{record.name}: {detector.name}", seconds, *cells))
            figures[f"{record.name} {detector.name}"] = {"peak_ppm": float(record.value[peak]), "found": first >= 0}
    words = (
        "A car drives by at two samples a second: each plume is a place passed, not a leak that grows, "
        "and a drive is shorter than any detector's warm-up at a fixed site. It shows whether a few ppm in the street "
        "raise an alarm, and whether units, cadence and gaps are read well.",
        "What it cannot show: onset times, recall, a rate of false alarms, or leak against sewage.",
        *_skipped(folder),
    )
    head = ("drive: detector", "s", "median ppm", "peak ppm", "peak in spreads", "alarm after a tenth of the peak, s")
    table = Table("Methane from a car", head, tuple(rows), "No alarm: empty.")
    return Section("Recorded: methane", words, (table,), (), figures)


def _spread(value: Floats) -> float:
    return float(1.4826 * np.median(np.abs(value - np.median(value)))) or 1e-3


def _minutes(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.1f}"


def _seconds(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.0f}"


def _skipped(folder: Folder) -> tuple[str, ...]:
    shown = tuple(f"SKIPPED: {one}." for one in folder.skipped[:10])
    more = len(folder.skipped) - len(shown)
    return (*shown, f"SKIPPED: {more} more.") if more > 0 else shown
