"""What the engine wrote is said again in the reader's language; what people typed, and what is unknown, stays."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

import rules
from city.words import catalogue, say
from lifeline.cli import run_command
from rules.drillplan import DrillPlan, DrillSaid
from rules.effects import (
    AlarmEvent,
    AlarmSet,
    ClockSet,
    DrillSet,
    Effect,
    EscalationSet,
    FindingMade,
    HoldEvent,
    IncidentEvent,
    ShelfEnded,
)
from rules.engine import Engine
from rules.inputs import CommandKind, HoldKind
from rules.language.retelling import LONGEST, retell
from rules.language.saying import say_reason
from rules.reasons import also, because
from tests.rules.small_city import FILES, T0_US, desk_of
from tests.rules.test_loop_story import Loop
from tests.rules.test_stateful import Story

PARTS = ("both", "also", "comma", "target")  # of sentences; alone they are none
KEYS = sorted(
    name
    for key in catalogue()
    if key.startswith("reasons.")
    and not (name := key.removeprefix("reasons.")).startswith("word_")
    and name not in PARTS
)
# What may stand in a place, in English as it is kept and as each language says it.
ALIKE = {
    "actor": "Li Na", "one": "Li", "other": "Bo", "note": "the pump runs: nobody goes; see 'C'", "rule": "depth",
    "target": "site/up-1", "desk": "north", "channel": "sms", "old": "a1b2", "new": "c3d4", "alarm": "A-KD4WZ",
    "ids": "A-KD4WZ, A-7TTQA", "quoted": "'wl 1'", "time": "2026-07-01T10:00:00+00:00", "person": "li",
    "address": "https://city.example/new", "lacking": "webhook", "seconds": "0.5", "minutes": "12", "hours": "1e+06",
    "metres": "300",
    "n": "10", "most": "3", "sensors": "4", "alarms": "2", "version": "7", "seen": "6", "status": "503",
}  # fmt: skip
SPOKEN = {
    "level": ("red", "红色"), "was": ("none", "无"), "now": ("orange", "橙色"), "cap": ("yellow", "黄色"),
    "what": ("yellow", "黄色"), "kind": ("report", "反馈"), "stage": ("closed", "已关闭"), "hold": ("shelved", "搁置"),
    "condition": ("clearing", "解除中"), "clock": ("confirm", "核实"), "shown": ("late data", "迟到数据"),
    "place": ("sensor", "传感器"), "via": ("console", "控制台"), "by": ("Li and Bo", "Li和Bo"),
    "notify": ("roster/day", "值班表 day"), "via_target": ("group/ops", "群组 ops"),
    "told": ("told everybody", "已通知所有人"), "clocks": ("confirm, close", "核实、关闭"),
    "why": ("red: held 60 s", "红色：已持续 60 秒"),
    "until": ("until 2026-07-01T10:00:00+00:00 by Li: a: b; c", "至 2026-07-01T10:00:00+00:00，由Li决定：a: b; c"),
}  # fmt: skip


def filled(key: str, **given: str) -> tuple[str, str]:
    """A sentence as it is kept, and as Chinese says it."""
    places = {name for _, name, _, _ in Formatter().parse(catalogue()[f"reasons.{key}"]["en"]) if name}
    kept = {name: given.get(name) or ALIKE.get(name) or SPOKEN[name][0] for name in places}
    chinese = {name: given.get(name) or ALIKE.get(name) or SPOKEN[name][1] for name in places}
    return because(key, **kept), say(f"reasons.{key}", "zh", **chinese)


@pytest.mark.parametrize("key", KEYS)
def test_every_sentence_is_recognised_and_said_in_chinese(key: str) -> None:
    kept, chinese = filled(key)
    assert retell(kept, "zh") == chinese
    assert retell(kept, "en") == kept


TYPED = st.lists(
    st.sampled_from(
        ["pump", "水退了", " ", "; ", ": ", "'", '"', "{n}", "}", " and ", ", in digest", "\n", "(", " (until "]
    ),
    min_size=1,
    max_size=8,
).map("".join).filter(lambda text: text == text.strip() and text)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(note=TYPED, key=st.sampled_from(["noted", "held_until", "until", "until_normal", "reset_by", "said_by_because"]))
def test_what_people_typed_stays_whatever_is_in_it(note: str, key: str) -> None:
    kept, chinese = filled(key, note=note)
    assert retell(kept, "zh") == chinese
    assert retell(kept, "en") == kept
    refused = also(because("needs_note", kind="close"), note)
    assert retell(refused, "zh") == f"“关闭”须附说明；{note}"


@pytest.mark.parametrize(
    "text",
    [
        "", "seen", "told Wang to come", "above all, it is dry", "the pump runs: nobody goes; see 'C'", "held",
        "by the river", "needs a note", "yellow and red", "close; by", "purple: held 3 s", "A-1", "ok: ok",
    ],
)  # fmt: skip
def test_what_is_no_sentence_of_ours_stays(text: str) -> None:
    assert (retell(text, "zh"), retell(text, "en")) == (text, text)


@given(st.text(max_size=80))
def test_no_text_makes_it_fail(text: str) -> None:
    for language in ("en", "zh"):
        assert isinstance(retell(text, language), str)


def test_sentences_within_sentences_and_beside_each_other() -> None:
    kept = "told roster/day: clock missed: confirm, on_site; nobody was reached, in digest ab12, cd34"
    assert retell(kept, "zh") == "已通知值班表 day：超时：核实、到场；未能通知到任何人，见汇总 ab12, cd34"
    held = "first alarm A-7: no longer out_of_service: in_service by Li: cleaned; and dried"
    assert retell(held, "zh") == "首个报警 A-7：解除“停用”：Li：恢复使用（cleaned; and dried）"
    assert retell("false_alarm does not follow on_site", "en") == "false alarm does not follow on site"


def test_times_are_told_by_the_city_s_clock() -> None:
    kept = because("time_up")
    assert retell(kept, "en", ZoneInfo("Asia/Shanghai")) == kept
    end = because("end_past", time="2026-07-01T10:00:00+00:00")
    assert retell(end, "en", ZoneInfo("Asia/Shanghai")) == "its end 2026-07-01 18:00:00 +08:00 is past"
    assert retell("until 2026-99-01T10:00:00 by a: b", "en", ZoneInfo("UTC")) == "until 2026-99-01T10:00:00 by a: b"


def test_no_text_takes_long() -> None:
    pieces = (
        "told roster/x: ", "; ", ": ", " (until 2026-01-01T00:00, by ", "A-1: ", "yellow: ", "first alarm A-1: ",
        ", in digest ", "no longer shelved: ", "a, ", "'", "x", " and ", "HTTP 1; ",
    )  # fmt: skip
    began_s = sum(os.times()[:2])  # of the processor, whatever else it does
    for piece in pieces:
        text = (piece * LONGEST)[: LONGEST - 2] + "x)"
        retell(text, "zh")
        assert retell(text + piece * LONGEST, "zh") == text + piece * LONGEST  # too long for a reason
    assert sum(os.times()[:2]) - began_s < len(pieces)


# -- the engine's stories --------------------------------------------------------------------------------------------

_TYPED = ("pump test", "seen", "no answer for 5 min", "no answer", "a stranger", "Li Na", "wl 1")
_RUN = re.compile(r"[A-Za-z]{2,}[ ,;:]+[A-Za-z]{2,}")  # two words of English beside each other


def texts_of(effects: list[Effect]) -> Iterator[str]:
    """Every reason and note that these effects bring to people."""
    for effect in effects:
        match effect:
            case AlarmEvent() | EscalationSet() | ClockSet():
                yield effect.reason
            case IncidentEvent() | HoldEvent():
                yield effect.note
            case AlarmSet():
                yield effect.alarm.hold_reason
            case ShelfEnded() | DrillSet():
                yield effect.why
            case FindingMade():
                yield effect.finding.reason
            case _:
                pass


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What every engine writes while the test runs."""
    found: set[str] = set()
    step = Engine.step

    def listening(self: Engine, seq: int, entry: object, now_us: int) -> list[Effect]:
        effects = step(self, seq, entry, now_us)  # type: ignore[arg-type]  # whatever an engine takes
        found.update(filter(None, texts_of(effects)))
        return effects

    monkeypatch.setattr(Engine, "step", listening)
    return found


def check(texts: set[str]) -> None:
    for text in texts:
        chinese = say_reason(text, "zh")
        for typed in _TYPED:
            chinese = chinese.replace(typed, "")
        assert not _RUN.search(chinese), (text, chinese)


def test_nothing_that_stories_of_people_and_levels_write_stays_english(told: set[str]) -> None:
    run_state_machine_as_test(Loop, settings=settings(max_examples=8, stateful_step_count=25, deadline=None))
    run_state_machine_as_test(Story, settings=settings(max_examples=5, stateful_step_count=20, deadline=None))
    assert len({re.sub(r"[\w-]*\d[\w.:+-]*|A-\w+", "#", text) for text in told}) > 40
    check(told)


def test_nothing_that_the_shipped_rules_write_stays_english(told: set[str], tmp_path: Path) -> None:
    folder = tmp_path / "city"
    assert run_command(["init", str(folder)]) == 0
    assert run_command(["rules", "test", str(folder), "--only", "water rises"]) == 0
    assert len(told) > 20
    check(told)


def test_nothing_that_holds_drills_and_refusals_write_stays_english(told: set[str]) -> None:
    desk = desk_of(FILES)
    desk.series("wl-1", [50] * 5)
    alarm, incident = desk.alarms()[0], next(iter(desk.engine.state.incidents))
    for kind in HoldKind:
        for target in (alarm.key, "wl-1", "site/up-1", "nobody/wl 1", "x"):
            for until_s in (None, 100, 400, 10**7):
                desk.hold(kind, target, 300, until_s=until_s)
                desk.hold(kind, target, 301, until_s=until_s, actor="Bo", note="")
    for word in CommandKind:
        for expected in (None, 1):
            desk.command(word, incident, 400, expected=expected)
            desk.command(word, incident, 400, "seen", actor="Li Na")
    for number, sensors in enumerate((("wl-1",), ("wl 1",), ()), 1):
        drill = DrillPlan("storm", "d", {"en": "Storm"}, sensors, (), T0_US + 900_000_000)
        desk.step(DrillSaid(f"d{number}", "Li", "seen", drill), 500)
    desk.step(DrillSaid("d1", "Li", "seen", None), 600)
    assert {"red is not held by one person alone: a second one must ask for the same; pump test"} <= told
    assert any(text.startswith("no sensor ") for text in told)
    check(told)


# -- the catalogue and the code --------------------------------------------------------------------------------------


def sources() -> Iterator[ast.Module]:
    for path in sorted(Path(rules.__file__).parent.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "rules.reasons import" in text:
            yield ast.parse(text)


def test_every_sentence_of_the_catalogue_is_said_somewhere() -> None:
    said = {
        node.value
        for tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set(KEYS) - said == set()


MAKERS = {
    "happen": 3, "event": 3, "ShelfEnded": 3, "Ended": 2, "_refused": 2, "HoldEvent": 5, "IncidentEvent": 5,
    "cancel": 2, "settle": 2, "hurry": 2, "rest": 2, "Turn": 3, "_said": 3,
}  # fmt: skip


def test_reasons_are_not_written_beside_the_catalogue() -> None:
    found = []
    for tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                for given_ in node.args[MAKERS.get(name, 99) :]:
                    sentence = isinstance(given_, ast.JoinedStr) or (
                        isinstance(given_, ast.Constant) and " " in str(given_.value)
                    )
                    found += [ast.unparse(node)] if sentence else []
    assert found == []
