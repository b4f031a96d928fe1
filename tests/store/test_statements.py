"""Named SQL files are well formed, and ill formed ones are refused."""

from importlib.resources import files

import pytest

from store.statements import parse, statements


def test_every_shipped_file_parses() -> None:
    for file in (files("store") / "sql").iterdir():
        assert statements(file.name.removesuffix(".sql"))


def test_a_block_gives_its_statement_without_comments() -> None:
    text = "-- name: one\n-- Says one.\nSELECT 1;\n\n-- name: two\n-- Says two.\nSELECT 2\n-- why\n+ 0"
    assert parse(text, "x.sql") == {"one": "SELECT 1", "two": "SELECT 2\n+ 0"}


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1\n-- name: a\n-- Why.\nSELECT 1",
        "-- name: a\nSELECT 1",
        "-- name: a\n-- Why.\n",
        "-- name: a\n-- b\n1\n" * 2,
    ],
    ids=["text-before", "no-comment", "no-statement", "twice"],
)
def test_an_ill_formed_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"x\.sql"):
        parse(text, "x.sql")
