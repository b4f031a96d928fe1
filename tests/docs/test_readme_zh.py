"""README.zh.md says what README.md says: the same commands, links, variables and headings, in the same order."""

from __future__ import annotations

import re

from tests.docs.fenced import ROOT, fenced, fences

ENGLISH = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh.md").read_text(encoding="utf-8")


def prose(text: str) -> str:
    return re.sub(r"(?ms)^```.*?^```$", "", text)


def headings(text: str) -> list[str]:
    return re.findall(r"^#+", prose(text), re.MULTILINE)


def links(text: str) -> list[str]:
    return [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("README")]


def commands(text: str) -> list[str]:
    """The commands of a block, without what is said about them."""
    return [line.partition("#")[0].rstrip() for line in text.splitlines()]


def test_each_links_the_other() -> None:
    assert "[中文](README.zh.md)" in ENGLISH.splitlines()[2]
    assert "[English](README.md)" in CHINESE.splitlines()[2]


def test_headings_and_links_are_the_same() -> None:
    assert headings(CHINESE) == headings(ENGLISH)
    assert links(CHINESE) == links(ENGLISH)


def test_what_is_typed_and_sent_is_the_same() -> None:
    here, there = fences("README.zh.md"), fences("README.md")
    assert [one.info for one in here] == [one.info for one in there]
    shell = [commands(one.text) for one in fenced("README.zh.md", "sh")]
    assert shell == [commands(one.text) for one in fenced("README.md", "sh")]
    assert [one.text for one in fenced("README.zh.md", "json")] == [one.text for one in fenced("README.md", "json")]
    assert [one.text for one in fenced("README.zh.md", "text")] == [one.text for one in fenced("README.md", "text")]


def test_commands_variables_topics_and_figures_are_the_same() -> None:
    code = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
    assert code.findall(prose(CHINESE)) == code.findall(prose(ENGLISH))
    rows = [len(re.findall(r"^\|", prose(text), re.MULTILINE)) for text in (CHINESE, ENGLISH)]
    assert rows[0] == rows[1]


def test_every_row_of_the_tables_has_chinese_in_it() -> None:
    told = [line for line in prose(CHINESE).splitlines() if line.startswith("| ")]
    assert [line for line in told if not re.search(r"[\u4e00-\u9fff]", line)] == []
