"""What findings rest on is said in words, in every language, for every detector there is."""

from __future__ import annotations

import ast
import re
from importlib.resources import files

import pytest

from city.words import catalogue, languages, places
from detectors import registry
from detectors.early.channels import BLIND_REASONS
from detectors.methane_origin import _TRACE_GASES
from detectors.river_adapter import RIVER_EXAMPLES
from rules.language.findingwords import say_evidence
from rules.language.saying import say_test

NATIVE = [name for name in registry.names() if name not in RIVER_EXAMPLES]
NOT_EVIDENCE = {"level", "demand", "slow_demand", "overload", "gas_pressure", "anomaly"}  # pairs of other things


def _written() -> set[str]:
    """The names of all pieces of evidence: pairs that begin with one, anywhere in the detectors' source."""
    found = {f"{gas}_present" for gas in _TRACE_GASES}
    for module in files("detectors").iterdir():
        if module.name.endswith(".py"):
            for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
                match node:
                    case ast.Tuple(elts=[ast.Constant(value=str(name)), _]) if re.fullmatch("[a-z][a-z0-9_]+", name):
                        found.add(name)
    return found - NOT_EVIDENCE


def test_every_piece_of_evidence_has_words_in_every_language_and_no_words_are_left_over() -> None:
    written = _written()
    assert len(written) > 60
    lacking = [(n, lg) for n in written for lg in languages if not catalogue().get(f"findings.{n}", {}).get(lg)]
    assert lacking == []
    told = {key.removeprefix("findings.").removesuffix("_open") for key in catalogue() if key.startswith("findings.")}
    assert told - written == set()
    for key, sentence in catalogue().items():
        if key.startswith("findings."):
            assert {places(text) for text in sentence.values()} <= {frozenset({"value"}), frozenset()}


@pytest.mark.parametrize("name", NATIVE)
def test_every_detector_and_each_of_its_channels_has_a_name_in_every_language(name: str) -> None:
    assert set(languages) <= set(catalogue()[f"detectors.{name}"])
    single = getattr(registry.create(name), "channel", "")
    for channel in {*registry.channels(name), single} - {"", "early_sign"}:
        assert set(languages) <= set(catalogue()[f"signs.channel_{channel}"]), channel


def test_why_nothing_can_be_judged_is_said_in_every_language() -> None:
    for code in range(1, len(BLIND_REASONS)):
        assert set(languages) <= set(catalogue()[f"signs.why_{code}"])


@pytest.mark.parametrize(
    ("detector", "piece", "english", "chinese"),
    [
        ("gas_drop", ("kind", "supply_event"), "what it looks like: supply event", "判为供气侧事件"),
        ("gas_drop", ("drop_kpa", 12.5), "drop 12.5 kPa", "下降 12.5 kPa"),
        ("methane_onset", ("near_gas_main", 1.0), "a gas main near (+1)", "附近有燃气管道（+1）"),
        ("methane_onset", ("leak_score", 0.82), "leak score 0.82 (0 sewer gas, 1 a leak)",
         "泄漏评分 0.82（0 为污水气，1 为泄漏）"),
        ("flood_nowcast", ("reaches_latest_min", "not sure to"), "may not reach it", "可能不会到达"),
        ("flood_nowcast", ("reaches_latest_min", 12.0), "there at the latest in 12 min", "最迟 12 分钟后到达"),
        ("differential_settlement", ("one_in", 1234.5678), "distortion 1/1235", "角变形 1/1235"),
        ("some_other", ("unheard_of", 3.0), "unheard_of 3.0", "unheard_of 3.0"),
    ],
)  # fmt: skip
def test_a_piece_of_evidence_is_a_phrase(
    detector: str, piece: tuple[str, float | str], english: str, chinese: str
) -> None:
    assert say_evidence(detector, [piece], "en") == [english]
    assert say_evidence(detector, [piece], "zh") == [chinese]


def test_a_rule_that_names_a_channel_is_said_with_the_channels_words() -> None:
    assert say_test("gas_demand up, by night_flow, demand", "zh").endswith("（夜间最小流量、半小时用量）")
    assert "night_flow" not in say_test("gas_demand up, by night_flow", "en")
