"""Every fault of a rule book at once, each with its place and what to try."""

from __future__ import annotations

import pytest

from rules.check import check_files, load_files
from tests.rules.small_city import FILES, city_files

HEAD = "version: 1\nrules:\n"
RULE = HEAD + "  - id: r\n    watch: {quantity: water_depth}\n    ladder: {yellow: %s}\n"


def faults(text: str) -> list[str]:
    return [str(fault) for fault in check_files(city_files(rules__depth=text))]


def test_the_small_city_is_right() -> None:
    assert check_files(FILES) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (RULE % "{above: 15}", "rules/depth.yaml:5:30: expected a number with a unit, got 15, try 15 cm"),
        (RULE % "{abov: 15 cm}", "rules/depth.yaml:5:23: unknown key 'abov', try 'above'"),
        (RULE % "{above: 15 cm, fr: 3m}", "rules/depth.yaml:5:37: unknown key 'fr', try 'for'"),
        (RULE % "{above: 15 cm, for: 3 min}", "not a duration, got '3 min', try 3s, 3m or 3h"),
        (RULE % "{above: 15 cm, on_gap: forget}", "on_gap: not one of complete, hold, reset"),
        (RULE % "{above: 15 cm, deadband: -3 cm}", "a deadband is not negative"),
        (RULE % "{rising: 2 cm}", "missing key 'within'"),
        (RULE % "{detector: flod_onset}", "unknown detector, got 'flod_onset', try flood_onset"),
        (RULE % "{detector: methane_onset}", "methane_onset is not made for water_depth"),
        (RULE % "{near: {quantity: rainfal, within: 2 km}, sum: 30m, above: 15 mm}", "try 'rainfall'"),
        (RULE % "{near: {quantity: rainfall, within: 2 km}, above: 15 mm}", "near needs an aggregate over a time"),
        (RULE % "{outside: [20 cm, 10 cm]}", "outside: the first bound must be lower"),
        (RULE.replace("water_depth", "water_deph") % "{above: 15 cm}", "got 'water_deph', try 'water_depth'"),
        (RULE.replace("water_depth", "methane") % "{above: 15 %LEL}", "the rule watches no sensor of this city"),
        (HEAD + "  - id: r\n    watch: {quantity: water_depth}\n    ladder:\n"
         "      red: {above: 10 cm}\n      yellow: {above: 15 cm}\n", "red is no harder to reach than yellow"),
        (HEAD + "  - id: r\n    watch: {quantity: water_depth}\n    ladder:\n"
         "      red: {above: 20 cm, deadband: 6 cm}\n      yellow: {above: 15 cm}\n", "deadband of red reaches"),
        (RULE % "{above: 15 cm}" + "    escalate: drainag\n", "no such escalation chain, got 'drainag'"),
        (RULE % "{above: 15 cm}" + (RULE % "{above: 15 cm}").removeprefix(HEAD), "a second rule 'r'"),
    ],
)  # fmt: skip
def test_one_fault_is_told_with_what_to_try(text: str, message: str) -> None:
    found = faults(text)
    assert any(message in fault for fault in found), found
    assert all(fault.startswith("rules/depth.yaml:") for fault in found)


def test_all_faults_of_all_files_come_at_once() -> None:
    files = city_files(
        rules__depth=RULE % "{above: 15 kPa, for: soon}",
        escalation=FILES["escalation.yaml"].replace("group/ops", "group/opps"),
    )
    found = [str(fault) for fault in check_files(files)]
    assert len(found) == 4, found
    assert {fault.split(":")[0] for fault in found} == {"rules/depth.yaml", "escalation.yaml"}


def test_faults_of_the_register_do_not_hide_those_of_the_rules_nor_make_up_new_ones() -> None:
    files = city_files(
        sensors=FILES["sensors.csv"].replace("wl-1,g1", "wl-1,g9"), rules__depth=RULE % "{above: 15 cm, fr: 3m}"
    )
    found = [str(fault) for fault in check_files(files)]
    assert [fault.split(":")[0] for fault in found] == ["rules/depth.yaml", "sensors.csv"], found


def test_a_unit_is_converted_and_a_titleless_rule_shows_its_id() -> None:
    book = load_files(city_files(rules__depth=RULE % "{above: 0.15 m}")).book
    instance = book.instances["r/wl-1"]
    assert not instance.quiet(15.0)
    assert instance.quiet(14.99)
    assert instance.rule.title["en"] == "r"
