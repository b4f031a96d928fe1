"""Units as people read them, on pages and in notices; files and interfaces keep their codes."""

from __future__ import annotations

import pytest

from city.display import measured, plain, unit_name, units_named
from city.quantity import QUANTITIES
from city.units import converter
from city.words import languages


@pytest.mark.parametrize(
    ("unit", "shown"),
    [("um/m", "µε"), ("Cel", "°C"), ("m3/h", "m³/h"), ("m/s2", "m/s²"), ("cm", "cm"), ("%LEL", "%LEL"), ("", "")],
)
@pytest.mark.parametrize("language", languages)
def test_a_unit_has_the_name_that_people_write(unit: str, shown: str, language: str) -> None:
    assert unit_name(unit, language) == shown


@pytest.mark.parametrize("unit", sorted({quantity.unit for quantity in QUANTITIES.values()}))
def test_what_is_shown_can_be_written_and_means_the_same(unit: str) -> None:
    shown = unit_name(unit, "zh")
    assert converter(shown, unit) == (1.0, 0.0)
    assert not any(code in shown for code in ("um", "Cel", "2", "3")), "nobody writes it so"


def test_values_and_conditions_are_said_with_it() -> None:
    assert measured(21.5, "Cel", "en") == "21.5 °C"
    assert measured(3, None, "en") == "3"
    assert plain({"value": 412.0, "unit": "um/m"}, "zh") == "412 µε"
    assert units_named("-400 um/m", "en") == "-400 µε"
    assert units_named("[-400 um/m, 400 um/m]", "en") == "[-400 µε, 400 µε]"
    assert units_named("2 cm of 3 Cel", "en") == "2 cm of 3 °C"
