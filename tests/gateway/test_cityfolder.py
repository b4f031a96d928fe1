"""The simulated city as a folder: what a real city would be asked to write."""

from pathlib import Path

import pytest

from city.errors import InputError
from city.folder import read_folder
from city.load import load_city
from gateway.cityfolder import city_files, write_city
from gateway.town import distance_m, plan
from rules.check import check_files

CREW = "http://127.0.0.1:8080/crew/"


@pytest.mark.parametrize("seed", [0, 1, 9])
def test_the_folder_is_accepted_without_a_fault(seed: int) -> None:
    assert check_files(city_files(seed, CREW)) == []


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    write_city(tmp_path / "city", 1, CREW)
    write_city(tmp_path / "city", 1, CREW)  # again is fine
    files = read_folder(tmp_path / "city")
    assert files == city_files(1, CREW)
    assert "http://127.0.0.1:8080/crew/wang" in files["escalation.yaml"]
    assert "@CREW_URL@" not in files["escalation.yaml"]
    city, town = load_city(files), plan(1)
    assert set(city.sensors) == set(town.sensors)
    for one, other in (("wl-old-01", "rg-old-01"), ("st-gardens-01", "st-gardens-10")):
        on_earth = city.place_of(city.sensors[one]).distance_m(city.place_of(city.sensors[other]))
        assert on_earth == pytest.approx(distance_m(town.at(one), town.at(other)), rel=0.002)
    assert {name.in_("zh") for name in (district.name for district in city.districts.values())} >= {"老城区", "港口区"}


def test_a_crew_address_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="crew_url"):
        city_files(1, "crew.example.org")
