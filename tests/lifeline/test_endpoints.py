"""endpoints.json and the lock: one system on a data folder, found by others only while it lives."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from city.errors import InputError
from lifeline import endpoints
from lifeline.endpoints import Endpoints
from lifeline.files import DataLock, open_log, tail
from lifeline.settings import Settings

FOUND = Endpoints("postgresql://u:p@127.0.0.1:1/x", "mqtt://u:p@127.0.0.1:2", "http://127.0.0.1:3", {"api": 4})


def test_a_folder_takes_one_supervisor_and_says_who_has_it(tmp_path: Path) -> None:
    first, second = DataLock(tmp_path), DataLock(tmp_path)
    first.take()
    with pytest.raises(InputError, match=rf"already runs on this data folder \(process {os.getpid()}\)"):
        second.take()
    first.give_back()
    first.give_back()
    second.take()
    second.give_back()


def test_endpoints_count_only_while_their_system_lives(tmp_path: Path) -> None:
    FOUND.write(tmp_path)
    assert stat.S_IMODE((tmp_path / "endpoints.json").stat().st_mode) == 0o600
    assert endpoints.read(tmp_path) is None, "left behind by a killed system"
    lock = DataLock(tmp_path)
    lock.take()
    assert endpoints.read(tmp_path) == FOUND
    endpoints.remove(tmp_path)
    assert endpoints.read(tmp_path) is None
    lock.give_back()


def test_commands_find_a_running_demonstration_too_but_given_settings_win(tmp_path: Path) -> None:
    demo = tmp_path / "demo"
    demo.mkdir()
    lock = DataLock(demo)
    lock.take()
    FOUND.write(demo)
    found = endpoints.with_running(Settings(data=tmp_path, mqtt_url="mqtt://other:1"))
    assert (found.data, found.database_url, found.mqtt_url) == (demo, FOUND.database, "mqtt://other:1")
    lock.give_back()


def test_a_stopped_demonstrations_own_files_are_no_systems(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text("{}")
    assert endpoints.running(Settings(data=tmp_path)) is None


def test_logs_are_bounded_and_their_end_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "role.log"
    path.write_bytes(b"x\n" * 2_000_000)
    with open_log(path) as log:
        log.write(b"one\ntwo\n")
    assert path.stat().st_size < 100
    assert tail(path, 1) == "two"
