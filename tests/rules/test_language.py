"""What rule engineers may write, what they are told when it is wrong, and the compound signs of a city."""

from __future__ import annotations

import pytest

from rules.alarm.ladder import Flags
from rules.book import Instance
from rules.check import check_files, load_files
from rules.conditions.condition import (
    All,
    Any_,
    Compare,
    Condition,
    CountOf,
    Near,
    Presumed,
    Quiet,
    Reaches,
    Trend,
    Window,
)
from tests.rules.small_city import city_files

HEAD = "version: 1\nrules:\n"
MINUTE_US = 60_000_000


def book(level: str, more: str = "") -> str:
    return (
        HEAD + f"  - id: r\n    watch: {{quantity: water_depth, sensors: [wl-1]}}\n    ladder: {{red: {level}}}\n{more}"
    )


def faults(level: str, more: str = "") -> list[str]:
    found = check_files(city_files(rules__depth=book(level, more), rules__platform=None))
    return [str(fault).removeprefix("rules/depth.yaml:") for fault in found]


def instance(level: str, more: str = "") -> Instance:
    return load_files(city_files(rules__depth=book(level, more))).book.instances["r/wl-1"]


def condition(level: str) -> Condition:
    return instance(level).ladder.rungs[0].condition


@pytest.mark.parametrize(
    ("level", "made"),
    [
        ("{above: 0.15 m, count: 3, of: 5, within: 10m}",
         CountOf(Compare(None, 15.0, "above 0.15 m"), 3, 5, 10 * MINUTE_US,
                 "above 0.15 m, 3 of the last 5 within 10m")),
        ("{above: 15 cm, count: 2, of: 4}",
         CountOf(Compare(None, 15.0, "above 15 cm"), 2, 4, 12 * MINUTE_US, "above 15 cm, 2 of the last 4")),
        ("{mean: 30m, outside: [1 cm, 0.2 m]}",
         Window("mean", 30 * MINUTE_US, Compare(1.0, 20.0, "outside 1 cm to 0.2 m"),
                "mean over 30m outside 1 cm to 0.2 m")),
        ("{count: 30m, below: 5}",
         Window("count", 30 * MINUTE_US, Compare(5.0, None, "below 5"), "count over 30m below 5")),
        ("{falling: 20 mm, within: 1h}", Trend(-2.0, 60 * MINUTE_US, "falling 20 mm within 1h")),
        ("{reaches: 27 cm, within: 30m}",
         Reaches(27.0, True, 30 * MINUTE_US, 15 * MINUTE_US, "reaches 27 cm from below within 30m")),
        ("{reaches: 2 cm, from: above, within: 1h, over: 2h}",
         Reaches(2.0, False, 60 * MINUTE_US, 120 * MINUTE_US, "reaches 2 cm from above within 1h")),
        ("{near: {quantity: any, on: district}, silent: 15m, k_of_n: 2}",
         Near(("rain-1", "wl-2"), Quiet(15 * MINUTE_US), 2, 0, "any on the same district, 2 of them: silent 15m")),
        ("{near: {quantity: rainfall, within: 2 km}, rising: 2 mm, within: 1h, min_valid: 1}",
         Near(("rain-1",), Trend(2.0, 60 * MINUTE_US, "rising 2 mm within 1h"), 1, 1,
              "rainfall within 2 km: rising 2 mm within 1h")),
    ],
)  # fmt: skip
def test_what_is_written_becomes_values_in_canonical_units(level: str, made: Condition) -> None:
    assert condition(level) == made


def test_sequences_are_numbered_and_look_no_further_back_than_their_parts() -> None:
    one = "{sequence: [{above: 1 cm}, {below: 1 cm}], within: 7d}"
    other = "{sequence: [{above: 2 cm}, {mean: 5m, above: 3 cm}], within: 2h}"
    level = f"{{any: [{one}, {other}]}}"
    ladder = instance(level).ladder
    assert [sequence.slot for sequence in ladder.sequences] == [1, 0]
    assert ladder.looks == (5 * MINUTE_US, frozenset())


def test_confirmation_is_written_into_the_levels() -> None:
    more = "    confirm: {within: 10 km}\n"
    text = HEAD + (
        "  - id: r\n    watch: {quantity: water_depth, sensors: [wl-1]}\n    ladder:\n      red: {above: 40 cm}\n"
        "      orange: {above: 27 cm}\n      yellow: {above: 15 cm}\n      blue: {rising: 2 cm, within: 10m}\n" + more
    )
    rungs = load_files(city_files(rules__depth=text)).book.instances["r/wl-1"].ladder.rungs
    lowest = Compare(None, 15.0, "above 15 cm")
    said = "seen by a neighbour within 10 km: above 15 cm"
    seen = Presumed(Near(("wl-2",), Window("extreme", 5 * MINUTE_US, lowest, said), 1, 1, said))
    red, orange = Compare(None, 40.0, "above 40 cm"), Compare(None, 27.0, "above 27 cm")
    assert [rung.condition for rung in rungs] == [
        All((red, seen)), Any_((All((orange, seen)), red)), Any_((All((lowest, seen)), orange)),
        Any_((Trend(2.0, 10 * MINUTE_US, "rising 2 cm within 10m"), lowest)),
    ]  # fmt: skip


def test_what_a_rule_carries() -> None:
    more = (
        "    latch: true\n    inhibited_by: [{rule: gateway-silent, same: gateway}]\n"
        "    flags: {raise: [pass, 3], clear: [1]}\n"
    )
    made = instance("{above: 15 cm, clear_after: 3m}", more + "    clear_after: 5m\n")
    assert made.rule.latch
    assert made.rule.inhibited_by == (("gateway-silent", "gateway"),)
    assert made.ladder.flags == Flags(frozenset({1, 3}), frozenset({1}))  # type: ignore[arg-type]  # numbers are flags
    assert made.ladder.rungs[0].clear_after_us == 3 * MINUTE_US


@pytest.mark.parametrize(
    ("level", "message"),
    [
        ("{above: 15 cm, below: 2 cm}", "5:19: a condition has exactly one form, got above, below, try one of above"),
        ("{above: 15 cm, count: 3}", "5:41: count without of, got 3, try of: 5"),
        ("{above: 15 cm, count: 6, of: 5}", "5:41: count is more than of, got 6 of 5, try count: 5"),
        ("{above: 15 cm, count: 0, of: 5}", "5:41: count: expected a whole number from 1 on, got 0"),
        ("{above: 15 cm, within: 5m}", "5:42: within goes with count and of, try count: 3, of: 5"),
        ("{mean: 30m}", "5:19: expected one comparison, got none, try above: 15 cm"),
        ("{mean: 30m, max: 5m, above: 1 cm}", "a condition has exactly one form, got mean, max"),
        ("{mean: 0s, above: 1 cm}", "5:26: mean: expected a duration above 0, got '0s', try 5m"),
        ("{count: 30m, above: 5 cm}", "5:39: expected a plain number, got '5 cm', try 5"),
        ("{count: 30, above: 5 cm}", "5:27: count without of, got 30, try of: 5, or a time: count: 30m"),
        ("{mean: 30m, above: 40 kPa}", "5:38: unit 'kPa' does not convert to 'cm', try m, cm, mm, um, km"),
        ("{rising: -2 cm, within: 5m}", "5:28: rising: expected an amount above 0, got '-2 cm', try 2 cm"),
        ("{reaches: 27 cm}", "5:19: missing key 'within', try adding 'within: …'"),
        ("{reaches: 27 cm, within: 5m, from: side}", "from: not one of below, above, got 'side', try above, below"),
        ("{reaches: 27 cm, withn: 5m}", "5:36: unknown key 'withn', try 'within'"),
        ("{near: {quantity: rainfall}, sum: 30m, above: 5 mm}",
         "near needs within or on, try within: 300 m, or on: site"),
        ("{near: {quantity: rainfall, on: pip}, sum: 30m, above: 5 mm}",
         "on: not one of pipe, site, gateway, district, got 'pip', try 'pipe'"),
        ("{near: {quantity: any, within: 1 km}, sum: 30m, above: 5 mm}",
         "any goes with silent and detector only, try one quantity"),
        ("{near: {quantity: rainfall, within: 1 km}, sum: 30m, above: 5 mm, silent: 5m}",
         "near needs an aggregate over a time and a comparison, a change"),
        ("{near: {quantity: rainfall, within: 1 km}, silent: 5m, above: 5 mm}",
         "5:74: above does not go with silent, try leaving above out"),
        ("{near: {quantity: rainfall, within: 1 km}, rising: 5 mm}",
         "rising needs a time to do it in, try within: 10m"),
        ("{near: {quantity: rainfall, within: 5 kg}, sum: 30m, above: 5 mm}", "5:55: unit 'kg'"),
        ("{beside: {kind: gas_man, within: 30 m}}", "5:35: unknown kind of site, got 'gas_man', try 'gas_main'"),
        ("{beside: {kind: gas_main}}", "5:28: missing key 'within'"),
        ("{sequence: [{above: 1 cm}], within: 1h}",
         "a sequence has two parts or more, got 1, try the condition itself"),
        ("{sequence: {above: 1 cm}, within: 1h}", "sequence: expected a list of conditions, got a mapping"),
        ("{all: [{above: 1 cm}, {silent: 5m}]}", "silent is the only condition of a rule of silence"),
        ("{all: []}", "all: expected a list of conditions"),
        ("{above: 1 cm, only: nigth}", "no such calendar, got 'nigth'"),
        ("{above: 1 cm, clear_after: soon}", "not a duration, got 'soon'"),
        ("{}", "a condition has exactly one form, got nothing"),
        ("15 cm", "expected a condition, got '15 cm', try {above: 15 cm}"),
    ],
)  # fmt: skip
def test_each_fault_of_a_condition_is_told_with_its_place_and_what_to_try(level: str, message: str) -> None:
    found = faults(level)
    assert any(message in fault for fault in found), found


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("    flags: {raise: [pss]}\n", "6:21: no such quality flag, got 'pss', try 'pass'"),
        ("    flags: {clear: [5]}\n", "no such quality flag, got 5, try pass (1), not_evaluated (2), suspect (3)"),
        ("    flags: {raise: pass}\n", "raise: expected a list of flags, got 'pass', try [pass, not_evaluated]"),
        ("    latch: often\n", "6:12: latch: expected true or false, got 'often', try latch: true"),
        ("    confirm: {neighbours: 1}\n", "6:14: missing key 'within'"),
        ("    confirm: {within: 300 m, else: lower}\n", "else: not one of one_level_lower, nothing, got 'lower'"),
        ("    confirm: {within: 300 kg}\n", "6:23: "),
        ("    inhibited_by: [{rule: s, same: gateway}]\n", "6:27: no such rule, got 's', try r"),
        ("    inhibited_by: [{rule: r, same: gateway}]\n",
         "a rule that holds itself back, got r by r, try leaving one out"),
        ("    inhibited_by: [{rule: r}]\n", "6:20: missing key 'same'"),
        ("    inhibited_by: {rule: r, same: gateway}\n", "inhibited_by: expected a list, got a mapping"),
        ("    stale_afte: 5m\n", "6:5: unknown key 'stale_afte', try 'stale_after'"),
        ("    title: Water at {sit}\n", "unknown place in a template, got '{sit}', try 'site'"),
    ],
)  # fmt: skip
def test_each_fault_of_a_rule_is_told_with_its_place_and_what_to_try(more: str, message: str) -> None:
    found = faults("{above: 15 cm}", more)
    assert any(message in fault for fault in found), found


def test_rules_that_hold_each_other_back_are_told_once() -> None:
    text = HEAD + "".join(
        f"  - id: {name}\n    watch: {{quantity: water_depth}}\n    ladder: {{red: {{above: 15 cm}}}}\n"
        f"    inhibited_by: [{{rule: {other}, same: site}}]\n"
        for name, other in (("a", "b"), ("b", "c"), ("c", "a"))
    )
    found = [str(fault) for fault in check_files(city_files(rules__depth=text, rules__platform=None))]
    assert found == [
        "rules/depth.yaml:6:27: rules that hold each other back, got a by b by c by a, try leaving one out"
    ]


def test_a_rule_of_silence_takes_no_key_that_is_about_samples() -> None:
    text = HEAD + (
        "  - id: s\n    watch: {gateways: all}\n    ladder: {yellow: {silent: 5m}}\n    clear_after: 5m\n"
        "    flags: {raise: [pass]}\n    latch: true\n"
    )
    found = [str(fault) for fault in check_files(city_files(rules__platform=text))]
    assert found == [
        "rules/platform.yaml:6:5: clear_after does not go with a rule of silence, try leaving clear_after out",
        "rules/platform.yaml:7:5: flags does not go with a rule of silence, try leaving flags out",
    ]


def test_all_faults_of_a_rule_come_at_once() -> None:
    found = faults(
        "{all: [{above: 15 kPa}, {near: {quantity: rainfal, on: stie}, sum: soon, above: 1 mm}], fr: 1m}",
        "    latch: 1\n    inhibited_by: [{rule: x, same: y}]\n    flags: {raise: [good]}\n",
    )
    assert len(found) == 8, found


# Signs of several networks together, as a city may write them: distances and times are examples.
COMPOUND = {
    "settling beside a main, then methane": ("settlement", """{all: [
      {beside: {kind: gas_main, within: 30 m}},
      {sequence: [
        {detector: settlement_rate, direction: up},
        {near: {quantity: methane, within: 30 m}, rising: 5 %LEL, within: 2h}], within: 72h}]}"""),
    "rain, then settling near a sewer": ("settlement", """{sequence: [
      {near: {quantity: rainfall, within: 2 km}, sum: 24h, above: 50 mm},
      {all: [
        {beside: {kind: drain, within: 20 m}},
        {any: [
          {falling: 3 mm, within: 24h},
          {near: {quantity: water_level, within: 20 m}, range: 6h, above: 0.5 m}]}]}], within: 7d}"""),
    "water under a bridge that moves": ("tilt", """{all: [
      {range: 1h, above: 2 mm/m},
      {near: {quantity: water_depth, on: site}, max: 48h, above: 15 cm}]}"""),
    "pressure falls and a well smells": ("gas_pressure", """{all: [
      {falling: 20 kPa, within: 1h},
      {near: {quantity: methane, on: pipe, within: 50 m}, rising: 5 %LEL, within: 2h},
      {not: {near: {quantity: gas_pressure, within: 20 km}, falling: 20 kPa, within: 1h, k_of_n: 2}}]}"""),
    "works, a strained pipe and sinking ground": ("strain", """{all: [
      {beside: {kind: pit, within: 40 m}},
      {range: 14d, above: 200 um/m},
      {near: {quantity: settlement, within: 40 m}, falling: 5 mm, within: 14d}]}"""),
    "lost after an abnormal reading": ("methane", """{sequence: [
      {above: 10 %LEL},
      {near: {quantity: any, on: site}, silent: 15m}], within: 1h}"""),
    "many silent in a storm": ("rainfall", """{all: [
      {sum: 1h, above: 20 mm},
      {near: {quantity: any, on: district}, silent: 15m, k_of_n: 2}]}"""),
    "the same step on unlike sensors of one logger": ("strain", """{all: [
      {range: 2m, above: 100 um/m},
      {near: {quantity: tilt, on: gateway}, range: 2m, above: 1 mm/m},
      {near: {quantity: temperature, on: gateway}, range: 2m, above: 5 K}]}"""),
}  # fmt: skip
UNITS = {"settlement": "mm", "methane": "%LEL", "rainfall": "mm", "water_level": "m", "water_depth": "cm",
         "tilt": "mm/m",
         "gas_pressure": "kPa", "strain": "um/m", "temperature": "Cel"}  # fmt: skip


@pytest.mark.parametrize("sign", COMPOUND)
def test_signs_of_several_networks_together_can_be_written(sign: str) -> None:
    quantity, level = COMPOUND[sign]
    sensors = "sensor,gateway,site,quantity,unit,interval_s\n" + "".join(
        f"{name}-{site},g1,{site},{name},{unit},60\n"
        for name, unit in UNITS.items()
        for site in ("up-1", "up-2", "rg-1")
    )
    rule = f"  - id: sign\n    watch: {{quantity: {quantity}}}\n    ladder: {{orange: {level}}}\n"
    made = load_files(city_files(sensors=sensors, rules__depth=HEAD + rule, rules__platform=None)).book
    assert len(made.instances) == 3
    assert made.instances[f"sign/{quantity}-up-1"].ladder.rungs
