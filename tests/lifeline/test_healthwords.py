"""What health says is said in Chinese too: every template, and every text that the store's checks make."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from city.words import catalogue, places, say
from lifeline.healthwords import retell, unit

STORE = Path(__file__).parents[2] / "store"
CHINESE = re.compile(r"[一-鿿]")
EXAMPLES = {
    "why": "there is no watcher", "clocks": "1 of 2 are off by more than 60 s; the most gw-1, 300.0 s ahead",
    "counted": "3 sent, 1 refused", "tier": "plain", "lacks": "no TimescaleDB: no compression", "size": "1.2 GB",
    "server": "PostgreSQL 17.2", "side": "behind", "time": "2026-07-01 08:00Z", "span": "2026-07-01 08:00Z",
    "role": "watcher", "table": "latest",
    **dict.fromkeys(("error", "last", "faults", "gaps", "client", "head", "piece", "pieces"), "HTTP 500"),
    **dict.fromkeys(("gateway", "follower", "variable", "after"), "x"),
}  # fmt: skip
TEMPLATES = sorted(
    key for key in catalogue() if key.startswith("health.") and not key.startswith(("health.word_", "health.unit_"))
)


@pytest.mark.parametrize("key", TEMPLATES)
def test_each_template_is_recognised_by_its_own_words(key: str) -> None:
    values = {place: EXAMPLES.get(place, "7") for place in places(catalogue()[key]["en"])}
    english = say(key, "en", **values)
    said = retell(english, "zh")
    plain = say(key, "zh", **{place: "" for place in values})
    assert CHINESE.search(said)
    assert all(word in said for word in re.findall(r"[一-鿿]{3,}", plain)), said
    assert retell(english, "en") == english


def texts() -> Iterator[str]:
    """Texts of the store's checks without places, from their source."""
    for name in ("health.py", "intakehealth.py"):
        for node in ast.walk(ast.parse((STORE / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Row":
                parts = [*node.args[2:3], *node.args[5:6]]
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("said", "text", "advice"):
                parts = [node.value]
            else:
                continue
            for part in parts:
                for one in (part.body, part.orelse) if isinstance(part, ast.IfExp) else (part,):
                    if isinstance(one, ast.Constant) and one.value:
                        yield str(one.value)


def literals(function: str, place: int) -> set[ast.Constant]:
    """The literal arguments at one place of every call of a function, in the rooms that write to health."""
    files = (path for room in ("store", "rules", "lifeline") for path in (STORE.parent / room).rglob("*.py"))
    sources = (path.read_text(encoding="utf-8") for path in files)
    trees = [ast.parse(source) for source in sources if f" {function}(" in source and "health" in source]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found = [call.args[place] for call in calls if ast.unparse(call.func) == function and len(call.args) > place]
    return {one for one in found if isinstance(one, ast.Constant)}


@pytest.mark.parametrize("text", sorted(set(texts())))
def test_every_text_of_the_store_is_said_in_chinese(text: str) -> None:
    assert CHINESE.search(retell(text, "zh"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plain: no TimescaleDB: no compression; PostgreSQL 17.2", "plain：没有 TimescaleDB：不压缩；PostgreSQL 17.2"),
        ("41.2 GB free, full in 1,012 days", "剩余 41.2 GB，1,012 天后写满"),
        ("1 of 2 are off by more than 60 s; the most gw-1, 300.0 s (± 0.1 s) ahead since 2026-07-01 08:00Z",
         "2 个中有 1 个偏差超过 60 秒；最大为 gw-1，超前 300.0 秒（± 0.1 秒），始于 2026-07-01 08:00Z"),
        ("2 sent, 1 to be tried again; last answer: HTTP 500", "已发 2、待重试 1；最近答复：HTTP 500"),
        ("no sign of life left the house: there is no watcher", "未能对外发出心跳：没有 watcher"),
        ("the changed city folder is refused, the old one stays:\nrules/a.yaml:1:1: x",
         "已拒绝改动后的城市配置，沿用原配置：\nrules/a.yaml:1:1: x"),
        ("nobody wrote this", "nobody wrote this"),
    ],
)  # fmt: skip
def test_what_health_says_is_said_with_its_figures(text: str, said: str) -> None:
    assert retell(text, "zh") == said


def test_what_is_counted_is_said_and_units_of_measure_stay() -> None:
    units = {one.value for one in literals("Row", 4) | literals("health.report", 4) if one.value}
    assert {"rows", "readings", "gaps", "failures in a row"} <= units
    counted = units - {"s", "d", "B", "B/d"}
    assert [one for one in counted if not CHINESE.search(unit(one, "zh"))] == []
    assert [unit(one, "zh") for one in ("s", "B", "")] == ["s", "B", ""]
    assert unit("rows", "en") == "rows"
