"""Units as people write them, converted exactly."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.errors import InputError
from city.quantity import DOMAINS, QUANTITIES
from city.units import _COMMON, UnitError, convert, converter, measure, parse, same_dimension, split_measure


@pytest.mark.parametrize(
    ("value", "from_unit", "to_unit", "expected"),
    [
        (1.5, "m", "cm", 150.0),
        (16.2, "cm", "cm", 16.2),
        (0.1, "m", "cm", 10.0),
        (1, "in", "cm", 2.54),
        (1, "ft", "mm", 304.8),
        (1, "µε", "um/m", 1.0),
        (1, "με", "um/m", 1.0),
        (2, "microstrain", "um/m", 2.0),
        (1, "mε", "um/m", 1000.0),
        (0, "°C", "K", 273.15),
        (25, "℃", "Cel", 25.0),
        (212, "°F", "Cel", 100.0),
        (-40, "degF", "degC", -40.0),
        (1, "MPa", "kPa", 1000.0),
        (1, "bar", "kPa", 100.0),
        (1, "mmH2O", "Pa", 9.80665),
        (1, "psi", "Pa", 6894.757293168362),
        (1, "kgf/cm2", "kPa", 98.0665),
        (1, "m³/h", "m3/h", 1.0),
        (1, "L/s", "m3/h", 3.6),
        (1, "立方米/小时", "m3/h", 1.0),
        (3, "毫米", "cm", 0.3),
        (36, "mm/h", "mm/min", 0.6),
        (1, "g", "m/s²", 9.80665),
        (1, "mg", "m/s2", 0.00980665),
        (1, "m s^-2", "m/s/s", 1.0),
        (1, "m·s⁻²", "m/s2", 1.0),
        (1, "%LEL", "%lel", 1.0),
        (20, "LEL%", "%LEL", 20.0),
        (1, "mrad", "mm/m", 1.0),
        (180, "°", "rad", math.pi),
        (5, "％", "‰", 50.0),
        (12, "mV", "V", 0.012),
        (365.25, "mm/a", "mm/d", 1.0),
    ],
)
def test_a_value_converts_exactly(value: float, from_unit: str, to_unit: str, expected: float) -> None:
    assert convert(value, from_unit, to_unit) == expected


def test_rainfall_rate_is_not_rainfall() -> None:
    with pytest.raises(UnitError) as caught:
        converter("mm/h", "mm")
    assert str(caught.value) == "unit 'mm/h' does not convert to 'mm', try m, cm, mm, um, km"


def test_percent_by_volume_never_becomes_a_share_of_the_explosive_limit() -> None:
    assert not same_dimension("%vol", "%LEL")


@pytest.mark.parametrize(
    ("text", "nearest"),
    [("CM", "cm"), ("kpa", "kPa"), ("Mm/h", "mm/h"), ("celcius", ""), ("%LELL", "%LEL"), ("m3//h", "m3/h")],
)
def test_an_unknown_unit_gets_the_nearest_suggestion(text: str, nearest: str) -> None:
    with pytest.raises(UnitError, match=r"got .*, try ") as caught:
        parse(text)
    assert str(caught.value).endswith(f"try {nearest}" if nearest else "try cm, mm/h, kPa or %LEL")
    assert isinstance(caught.value, InputError)


@pytest.mark.parametrize(
    "text", ["", "  ", "m" * 50, "/", "m/", "/s", "m^9", "m99", "h1/2", "mh", "kmin", "uin", "kfoo"]
)
def test_what_is_no_unit_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse(text)


@given(st.text(max_size=12))
def test_no_text_makes_the_parser_fail_in_another_way(text: str) -> None:
    try:
        unit = parse(text)
    except UnitError:
        return
    assert unit.scale > 0


@given(st.floats(-1e9, 1e9), st.sampled_from(_COMMON), st.sampled_from(_COMMON))
def test_there_and_back_again_is_where_it_began(value: float, a: str, b: str) -> None:
    if same_dimension(a, b):
        there = convert(value, a, b)
        ulps = max(math.ulp(there) * float(converter(b, a)[0]), math.ulp(value))
        assert abs(convert(there, b, a) - value) <= 2 * ulps


@given(st.floats(-1e6, 1e6), st.sampled_from(_COMMON), st.sampled_from(_COMMON))
def test_scale_and_offset_agree_with_the_exact_conversion(value: float, a: str, b: str) -> None:
    if same_dimension(a, b):
        scale, offset = converter(a, b)
        size = abs(value * scale) + abs(offset)
        assert math.isclose(value * scale + offset, convert(value, a, b), rel_tol=0, abs_tol=8 * math.ulp(size))


def test_infinity_and_nan_stay_what_they_are() -> None:
    assert convert(math.inf, "m", "cm") == math.inf
    assert math.isnan(convert(math.nan, "°C", "K"))


def test_a_measure_is_a_number_with_a_unit() -> None:
    assert split_measure("15 cm") == (15.0, "cm")
    assert split_measure("-2.5e1mm/h") == (-25.0, "mm/h")
    assert split_measure("20%LEL") == (20.0, "%LEL")
    assert measure("0.27 m", "cm") == 27.0
    assert measure("5 °C", "K", difference=True) == 5.0
    assert measure("5 °C", "K") == 278.15


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("15", "a number without a unit, got '15', try 15 cm"),
        ("cm", "not a number with a unit, got 'cm', try 15 cm"),
        ("15 kPa", "unit 'kPa' does not convert to 'cm', try m, cm, mm, um, km"),
    ],
)
def test_a_faulty_measure_says_what_to_try(text: str, message: str) -> None:
    with pytest.raises(UnitError) as caught:
        measure(text, "cm")
    assert str(caught.value) == message


def test_every_quantity_has_a_unit_a_domain_two_names_and_a_range() -> None:
    for id_, quantity in QUANTITIES.items():
        assert quantity.id == id_
        parse(quantity.unit)
        assert quantity.domain in DOMAINS
        assert set(quantity.name) == {"en", "zh"}
        assert quantity.hard_min < quantity.hard_max
