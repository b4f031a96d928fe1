"""Recorded sets: files of the same kind are read whoever they are of, and what is wrong with them is told."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from bench.detection import recorded
from bench.detection.recordedsets import Folder, Record, floods, stage
from bench.detection.recordedstage import Event, count, events, recall_at
from bench.detection.report import Options

QUARTER_US = 900_000_000


def record(raw: list[float], corrected: list[float]) -> Record:
    return Record("r", np.arange(len(raw)) * QUARTER_US, np.array(raw), np.array(corrected))


def test_events_are_jumps_of_the_correction_and_missing_values_but_no_drift() -> None:
    raw = [10.0] * 100
    corrected = [12.0] * 40 + [25.0] * 20 + [25.0 + 0.01 * i for i in range(40)]
    raw[80:82] = [np.nan] * 2
    assert events(record(raw, corrected)) == [Event(40, 40, False), Event(80, 82, True)]


def test_an_alarm_that_touches_an_event_is_not_false_and_alarms_near_each_other_are_one() -> None:
    one = record([0.0] * 400, [0.0] * 400)
    scores = np.zeros(400)
    scores[[100, 102, 200, 201, 210, 300]] = 1.0
    assert count(one, [Event(100, 101, False), Event(350, 350, False)], scores, 1.0) == (1, 2)
    assert recall_at([one], [[Event(100, 101, False)]], [scores], 10.0)[0] == 1.0
    assert recall_at([one], [[Event(100, 101, False)]], [scores], 0.0)[0] == 0.0


def test_any_station_of_any_year_is_read_and_strange_files_are_told(tmp_path: Path) -> None:
    head = "datetime,stage,stage_cor,stage_qual\n"
    with gzip.open(tmp_path / "Elsewhere2031.csv.gz", "wt") as file:
        file.write(head + "2031-01-01 00:00,1,2,NULL\n2031-01-01 00:15,-9999,NULL,3\n2031-01-01 00:15,1,2,NULL\n")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    folder = Folder(tmp_path)
    [one] = stage(folder)
    assert (one.name, len(one.value), int(np.isnan(one.value).sum())) == ("Elsewhere2031", 2, 1)
    assert [text.partition(":")[0] for text in folder.skipped] == ["Elsewhere2031.csv.gz", "other.csv"]


def test_an_impossible_flood_is_told_and_passed_over(tmp_path: Path) -> None:
    (tmp_path / "sensor-metadata.csv").write_text("sensor_id,tidally_influenced\ns,Yes\n")
    head = "sensor_id,onset_time_mins,flood_profile_depth_inches,flood_profile_time_secs\n"
    good, long_, unknown = 's,5,"[0, 6]","[0, 60]"\n', 's,1379016,"[0, 6]","[0, 60]"\n', 'x,5,"[0]","[0]"\n'
    (tmp_path / "flood-events.csv").write_text(head + good + long_ + unknown)
    folder = Folder(tmp_path)
    [one] = floods(folder)
    assert one.tidal
    assert one.depth_cm.max() == pytest.approx(15.24)
    assert [text.split(": ")[0] for text in folder.skipped] == ["flood-events.csv:3", "flood-events.csv:4"]


def test_sets_that_are_not_there_say_so(tmp_path: Path) -> None:
    assert "SKIPPED" in recorded.section(Options()).words[0]
    words = recorded.section(Options(data=tmp_path)).words
    assert sum("SKIPPED" in text for text in words) == 5


def test_every_set_that_is_there_has_a_table(recorded_data: Path) -> None:
    there = [name for name in ("stage", "floodnet", "bridge", "gnss", "methane") if (recorded_data / name).is_dir()]
    found = recorded.section(Options(data=recorded_data, quick=True))
    assert len(found.tables) == len(there)
    assert all(table.rows for table in found.tables)
