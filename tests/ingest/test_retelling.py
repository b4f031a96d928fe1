"""What was refused is said in Chinese too: every reason, and every detail that decoders and admission write."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from city.words import languages
from ingest.decoders import Decoders
from ingest.message import ReadingsMessage
from ingest.reasons import Reason
from ingest.retelling import advice, name, retell
from tests.ingest.fed import START_US, TOPIC

INGEST = Path(__file__).parents[2] / "ingest"
CHINESE = re.compile(r"[一-鿿]")
# What stands in a place of a detail in the source, where a number would not do.
STANDS_FOR = {
    "what": "text", "part": "gateway", "mapping.file": "mappings/a.yaml", "self._mapping.file": "mappings/a.yaml",
    "error": "not a number: 'x'", "bad.detail": "no value, got none of v, s, vs, vb, vd", "_HINT": "a mapping",
    "why": "there is no such drill", "detail": "mappings/a.yaml: no reading in it, 7 items at a and nothing at b",
    "hint, common.py": "RFC 3339 with an offset: 2026-07-01T08:00:00+08:00",
    "hint, admit.py": ", try milliseconds: these look like seconds",
}  # fmt: skip
FAULTS = "{type(error).__name__}"  # details that are a fault's own words


def written(node: ast.expr, file: str) -> str:
    """What an expression of a detail might say."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(written(part, file) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        said = ast.unparse(node.value)
        return STANDS_FOR.get(f"{said}, {file}", STANDS_FOR.get(said, "7"))
    return ""


def details() -> Iterator[tuple[str, str]]:
    """Where a detail is made, and an example of it."""
    for path in sorted(INGEST.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            made: list[ast.expr] = []
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Bad", "Refusal", "Refused", "_NotUnderstood"):
                made = node.args[1:3]
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "detail" and path.name != "mapped.py":
                made = [node.value]
            elif isinstance(node, ast.FunctionDef) and node.name in ("_detail", "stranger") and "admit" in path.name:
                returned = [part.value for part in ast.walk(node) if isinstance(part, ast.Return) and part.value]
                made = [one.elts[1] if isinstance(one, ast.Tuple) else one for one in returned]
            for one in made:
                if " " in (text := written(one, path.name)) and FAULTS not in ast.unparse(one):
                    yield f"{path.name}:{one.lineno}", text


@pytest.mark.parametrize(("where", "detail"), sorted(details()))
def test_every_detail_that_the_source_writes_is_said_in_chinese(where: str, detail: str) -> None:
    said = retell(detail, "zh")
    assert CHINESE.search(said), where
    assert "原文" not in said, where
    assert retell(detail, "en") == detail


def test_details_are_found_in_the_source() -> None:
    found = [detail for _, detail in details()]
    assert len(found) > 60
    assert "sensor not in the register, try adding it to sensors.csv" in found


def test_what_was_sent_stands_in_the_sentence_as_it_came() -> None:
    message = Decoders().decode(
        TOPIC, b'{"seq": -3, "readings": [{"sensor": "a", "time": "soon", "value": 1}]}', START_US
    )
    assert isinstance(message, ReadingsMessage)
    assert [retell(refused.detail, "zh") for refused in message.refused] == [
        "“seq”未采用：不是从 0 起的整数，所给为 -3",
        "不是时间，所给为 soon，应为带时区偏移的 RFC 3339，如 2026-07-01T08:00:00+08:00",
    ]


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ("unit does not convert to cm, got kPa, try cm", "单位不能换算为 cm，所给为 kPa，应为 cm"),
        ("in service from ever to 2026-01-01", "服役期为 最初 至 2026-01-01"),
        ("drill a: bad_value: not a finite number, got nan", "演习 a：数值无效：不是有限数值，所给为 nan"),
        (f"nested too deeply (payload cut from 9 bytes, sha256 {'0' * 64})",
         f"嵌套过深（报文原为 9 字节，已截短，sha256 {'0' * 64}）"),
        ("mappings/a.yaml: not a time: 'x', try %Y", "mappings/a.yaml：不是时间：'x'，应为 %Y"),
        ("mappings/a.yaml: '2026-07-01', try an offset, or `zone` in the mapping",
         "mappings/a.yaml：'2026-07-01' 没有时区偏移，请加上偏移，或在映射中写明 `zone`"),
        ("KeyError: 'x'", "原文：KeyError: 'x'"),
        ("not a finite number, got {got}", "不是有限数值，所给为 {got}"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_detail_is_said_whole_or_marked_as_the_original(detail: str, said: str) -> None:
    assert retell(detail, "zh") == said


@pytest.mark.parametrize("language", languages)
@pytest.mark.parametrize("reason", sorted(Reason))
def test_every_reason_has_a_name_and_something_to_try(reason: Reason, language: str) -> None:
    assert bool(CHINESE.search(name(reason, language))) == (language == "zh")
    assert bool(CHINESE.search(advice(reason, language))) == (language == "zh")
    assert (name("x", language), advice("x", language)) == ("x", "")
