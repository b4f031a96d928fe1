"""Reading a folder from disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from city import folder as folder_module
from city.errors import FaultyInput, InputError
from city.folder import read_folder


def test_hidden_and_foreign_files_are_passed_over_and_line_ends_made_plain(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "rules" / "a.yaml").write_bytes("\ufeffversion: 1\r\nrules: []\r\n".encode())
    for name in (".hidden.yaml", ".git/config.yaml", "notes.docx", "a.yaml~"):
        (tmp_path / name).write_text("x")
    assert read_folder(tmp_path) == {"rules/a.yaml": "version: 1\nrules: []\n"}


def test_a_folder_that_is_not_there_is_the_users_fault(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such folder, got .*try 'lifeline init"):
        read_folder(tmp_path / "nowhere")


def test_a_folder_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "MAX_BYTES", 10)
    (tmp_path / "a.csv").write_text("x" * 6)
    (tmp_path / "b.csv").write_text("x" * 6)
    with pytest.raises(InputError, match=r"over 50 MB at b\.csv"):
        read_folder(tmp_path)


def test_every_unreadable_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("ok\n雨".encode("gbk"))
    (tmp_path / "b.csv").write_bytes(b"ok\nx\0y")
    with pytest.raises(FaultyInput) as caught:
        read_folder(tmp_path)
    assert [str(fault) for fault in caught.value.faults] == [
        "a.csv:2:1: not UTF-8, got byte 0xd3, try saving it as UTF-8 ('CSV UTF-8' in a spreadsheet)",
        "b.csv:2:2: a NUL character, try saving it as UTF-8 text",
    ]
