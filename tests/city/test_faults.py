"""Every fault a city folder can have is told with its place, what stood there, and what to try.

Each folder in `faults/` is laid over `faults/_good`; its `message.txt` is the whole message expected.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from city.errors import FaultyInput
from city.folder import read_folder
from city.load import NEEDED, load_city, load_city_faults

FAULTS = Path(__file__).parent / "faults"
GOOD = FAULTS / "_good"


def _laid_over(fault: Path, folder: Path) -> Path:
    shutil.copytree(GOOD, folder, dirs_exist_ok=True)
    shutil.copytree(fault, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("message.txt"))
    return folder


@pytest.mark.parametrize("fault", sorted(path.name for path in FAULTS.iterdir() if path != GOOD))
def test_a_fault_is_told_with_its_place(fault: str, tmp_path: Path) -> None:
    expected = (FAULTS / fault / "message.txt").read_text(encoding="utf-8")
    with pytest.raises(FaultyInput) as caught:
        load_city(read_folder(_laid_over(FAULTS / fault, tmp_path)))
    assert str(caught.value) + "\n" == expected


def test_the_good_folder_has_no_fault() -> None:
    city = load_city(read_folder(GOOD))
    assert set(city.sensors) == {"wl-1", "st-1", "t-1"}


def test_all_faults_of_all_files_are_told_at_once() -> None:
    files = read_folder(GOOD)
    files["city.yaml"] = files["city.yaml"].replace("Asia/Shanghai", "Nowhere")
    files["sites.geojson"] = files["sites.geojson"].replace("underpass", "undrpass")
    files["gateways.csv"] = files["gateways.csv"].replace("60", "-1")
    files["sensors.csv"] = files["sensors.csv"].replace("strain", "strian")
    files["calibrations.csv"] = files["calibrations.csv"].replace("-1.2", "much")
    _, faults = load_city_faults(files)
    assert [(fault.file, fault.line) for fault in faults] == [
        ("calibrations.csv", 2),
        ("city.yaml", 2),
        ("gateways.csv", 2),
        ("gateways.csv", 3),
        ("sensors.csv", 3),
        ("sites.geojson", 5),
    ]


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_file_is_a_fault(name: str) -> None:
    files = read_folder(GOOD)
    del files[name]
    _, faults = load_city_faults(files)
    assert f"{name}:1:1: file is missing, try 'lifeline init' for an example" in map(str, faults)


def test_a_misspelt_file_is_suggested() -> None:
    files = read_folder(GOOD)
    files["sensor.csv"] = files.pop("sensors.csv")
    _, faults = load_city_faults(files)
    assert "sensors.csv:1:1: file is missing, try renaming 'sensor.csv'" in map(str, faults)
