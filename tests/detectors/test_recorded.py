"""The native detectors on recorded_data from the field (`LIFELINE_DATA_DIR`); bounds are the measured ones, rounded."""

from __future__ import annotations

import csv
import gzip
import json
import zipfile
from collections.abc import Iterator
from datetime import datetime
from itertools import islice, pairwise
from pathlib import Path
from statistics import median

import pytest

from city.levels import Flag
from city.reading import Sample
from detectors.flood_onset import FloodOnset
from detectors.protocol import Verdict
from detectors.registry import create

CM_PER_INCH = 2.54
LEL_PPM = 500.0  # 1 %LEL of methane, whose lower explosive limit is 5 % by volume


def _us(text: str) -> int:
    return int(datetime.fromisoformat(f"{text.strip()}+00:00").timestamp() * 1e6)


def _strain(folder: Path, name: str) -> list[Sample]:
    """One-second medians of a 100 Hz record."""
    seconds: dict[int, list[float]] = {}
    with (
        zipfile.ZipFile(folder / "bridge" / f"{name}.csv.zip") as archive,
        archive.open(archive.namelist()[0]) as lines,
    ):
        next(lines)
        for line in lines:
            moment, value = line.decode().split(",")
            seconds.setdefault(_us(moment) // 1_000_000, []).append(float(value))
    return [Sample("b", second * 1_000_000, median(v), Flag.PASS, 0) for second, v in sorted(seconds.items())]


def test_the_support_that_was_lowered_is_found_and_nothing_else(recorded_data: Path) -> None:
    for quiet in ("reference", "before_lowering", "support_01_lowering_02", "after_lowering_01"):
        findings = create("baseline_shift").update(_strain(recorded_data, quiet))
        assert [f for f in findings if f.verdict is Verdict.ABNORMAL] == [], quiet
    samples = _strain(recorded_data, "support_01_lowering_01")
    findings = create("baseline_shift").update(samples)
    first = next(i for i, finding in enumerate(findings) if finding.verdict is Verdict.ABNORMAL)
    assert findings[first].direction == "up"
    assert samples[first].value < samples[-1].value, "found before the lowering was over"
    assert all(finding.verdict is Verdict.ABNORMAL for finding in findings[first:])


def _floods(folder: Path, *, tidal: bool) -> Iterator[list[Sample]]:
    with (folder / "floodnet" / "sensor-metadata.csv").open() as lines:
        tides = {row["sensor_id"]: row["tidally_influenced"] == "Yes" for row in csv.DictReader(lines)}
    dry = [Sample("w", minute * 60_000_000, 0.0, Flag.PASS, 0) for minute in range(30)]
    with gzip.open(folder / "floodnet" / "flood-events.csv.gz", "rt") as lines:
        for row in csv.DictReader(lines):
            if tides.get(row["sensor_id"]) is not tidal:
                continue
            depths, times = json.loads(row["flood_profile_depth_inches"]), json.loads(row["flood_profile_time_secs"])
            yield dry + [
                Sample("w", (1800 + second) * 1_000_000, inches * CM_PER_INCH, Flag.PASS, 0)
                for second, inches in zip(times, depths, strict=True)
            ]


@pytest.mark.parametrize(
    ("tidal", "least_found", "least_early", "least_lead_min"), [(True, 0.93, 0.88, 18), (False, 1.0, 0.65, 3)]
)
def test_street_floods_that_reach_15_cm(
    recorded_data: Path, *, tidal: bool, least_found: float, least_early: float, least_lead_min: float
) -> None:
    leads_min = []
    for samples in _floods(recorded_data, tidal=tidal):
        reached_us = next((sample.time_us for sample in samples if sample.value >= 15), None)
        if reached_us is None:
            continue
        detector = FloodOnset()
        first = None
        for sample in samples:
            if any(f.verdict is Verdict.ABNORMAL for f in detector.update([sample])):
                first = sample
                break
        leads_min.append((reached_us - first.time_us) / 60e6 if first else float("-inf"))
    found = [lead for lead in leads_min if lead > float("-inf")]
    assert len(found) >= least_found * len(leads_min)
    assert sum(lead > 0 for lead in leads_min) >= least_early * len(leads_min)
    assert median(found) >= least_lead_min


@pytest.mark.parametrize(
    ("tidal", "least_early", "most_false", "least_lead_min"), [(True, 0.65, 0.2, 9), (False, 0.55, 0.5, 3)]
)
def test_street_floods_announced_from_their_depth_alone(
    recorded_data: Path, *, tidal: bool, least_early: float, most_false: float, least_lead_min: float
) -> None:
    leads_min, reached, held, false, never = [], 0, 0, 0, 0
    for samples in islice(_floods(recorded_data, tidal=tidal), 0, None, 4 if tidal else 1):
        first = next((f for f in create("flood_nowcast").update(samples) if f.verdict is Verdict.ABNORMAL), None)
        crossed_us = next((sample.time_us for sample in samples if sample.value >= 15), None)
        if crossed_us is None:
            never, false = never + 1, false + (first is not None)
            continue
        reached += 1
        if first is not None and first.time_us < crossed_us:
            evidence, lead_min = dict(first.evidence), (crossed_us - first.time_us) / 60e6
            leads_min.append(lead_min)
            latest = evidence["reaches_latest_min"]
            held += float(evidence["reaches_earliest_min"]) - 1 <= lead_min
            held -= isinstance(latest, float) and lead_min > latest + 1
    assert len(leads_min) >= least_early * reached
    assert false <= most_false * never
    assert median(leads_min) >= least_lead_min
    assert held >= 0.8 * len(leads_min)


@pytest.mark.parametrize("station", ["BlackSmithFork2019", "MainStreet2019", "Mendon2019"])
def test_a_year_of_river_stage_with_its_jumps_gives_few_onsets(recorded_data: Path, station: str) -> None:
    with gzip.open(recorded_data / "stage" / f"{station}.csv.gz", "rt") as lines:
        rows = [(_us(row["datetime"]), row["stage"]) for row in csv.DictReader(lines)]
    samples = [
        Sample("r", time_us, float(text), Flag.FAIL if text == "-9999" else Flag.PASS, 0)
        for time_us, text in sorted(rows)
        if text not in ("", "NULL")
    ]
    abnormal = [f.verdict is Verdict.ABNORMAL for f in create("flood_onset").update(samples)]
    assert sum(now and not before for before, now in pairwise(abnormal)) <= 15


@pytest.mark.parametrize("resolution_lel", [0.1, 0.0005])
def test_street_methane_of_a_few_ppm_is_calm(recorded_data: Path, resolution_lel: float) -> None:
    drives = sorted((recorded_data / "methane").glob("*.dat.gz"))
    assert drives
    for drive in drives:
        with gzip.open(drive, "rt") as lines:
            header, *rows = (line.split() for line in lines)
        at, ppm = header.index("EPOCH_TIME"), header.index("CH4")
        samples = [
            Sample("m", int(float(row[at]) * 1e6), float(row[ppm]) / LEL_PPM, Flag.PASS, 0)
            for row in rows
            if float(row[ppm]) > 0
        ]
        findings = create("methane_onset", resolution_lel=resolution_lel).update(samples)
        assert Verdict.ABNORMAL not in {finding.verdict for finding in findings}
