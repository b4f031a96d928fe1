"""Settings: flags over variables over the file, and messages that say where a wrong one stood."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from city.errors import InputError
from lifeline.settings import Settings, default_data, load, prepare_data, secret


def test_flags_win_over_variables_which_win_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "lifeline.toml").write_text('http = "127.0.0.1:1"\ncity = "town"\ndata = "kept"\n')
    variables = {"LIFELINE_HTTP": "127.0.0.1:2", "LIFELINE_DATA": "/somewhere"}
    found = load(variables, folder=tmp_path, http="127.0.0.1:3")
    assert found.http == "127.0.0.1:3"
    assert found.data == Path("/somewhere")
    assert found.city == tmp_path / "town"


def test_a_file_named_by_a_variable_must_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="LIFELINE_CONFIG"):
        load({"LIFELINE_CONFIG": str(tmp_path / "no.toml")}, folder=tmp_path)


def test_an_unknown_key_is_refused_with_its_line_and_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "lifeline.toml").write_text('city = "town"\ndatabse_url = "postgresql://db/x"\n')
    with pytest.raises(InputError, match=r"lifeline.toml:2:1: unknown key 'databse_url', try database_url"):
        load({}, folder=tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("mqtt_url", "tcp://:hunter2@broker"), ("database_url", "mysql://a:hunter2@db/x"), ("http", "8080x")],
)
def test_a_wrong_value_is_refused_naming_its_place_and_never_its_password(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(InputError, match=f"LIFELINE_{key.upper()}: not") as caught:
        load({f"LIFELINE_{key.upper()}": value}, folder=tmp_path)
    assert "hunter2" not in str(caught.value)


def test_a_child_process_reads_the_same_settings_from_its_environment(tmp_path: Path) -> None:
    found = Settings(data=tmp_path, database_url="postgresql://u:p@h/d", mqtt_url="mqtt://u:p@h:1", http="127.0.0.1:1")
    assert load(found.environment(), folder=tmp_path) == found


def test_files_for_the_broker_are_found_from_where_they_are_named(tmp_path: Path) -> None:
    for name in ("ca.pem", "me.pem", "me.key"):
        (tmp_path / name).touch()
    (tmp_path / "lifeline.toml").write_text('mqtt_ca = "ca.pem"\nmqtt_share = "city"\nmqtt_client_id = "one"\n')
    flags = {"mqtt_certificate": tmp_path / "me.pem", "mqtt_key": tmp_path / "me.key"}
    found = load({"LIFELINE_MQTT_CLIENT_ID": "two"}, folder=tmp_path, **flags)
    assert (found.mqtt_ca, found.mqtt_certificate, found.mqtt_key) == tuple(
        tmp_path / name for name in ("ca.pem", "me.pem", "me.key")
    )
    assert (found.mqtt_share, found.mqtt_client_id) == ("city", "two")
    assert load(found.environment(), folder=tmp_path / "elsewhere") == found


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("mqtt_ca", "nowhere.pem", "no such file"), ("mqtt_share", "a/b", "not a name of a shared subscription")],
)
def test_a_wrong_word_for_the_broker_is_refused(tmp_path: Path, key: str, value: str, said: str) -> None:
    with pytest.raises(InputError, match=f"LIFELINE_{key.upper()}: {said}"):
        load({f"LIFELINE_{key.upper()}": value}, folder=tmp_path)


def test_the_default_folder_depends_on_who_we_are(tmp_path: Path) -> None:
    assert default_data({}, is_root=True) == Path("/var/lib/lifeline")
    assert default_data({"XDG_DATA_HOME": str(tmp_path)}, is_root=False) == tmp_path / "lifeline"
    assert default_data({}, is_root=False) == Path.home() / ".local/share/lifeline"


def test_the_secret_is_private_and_stays_the_same(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    prepare_data(settings)
    first = secret(settings)
    assert len(first) == 32
    assert secret(settings) == first
    assert stat.S_IMODE((settings.data / "secret").stat().st_mode) == 0o600
    (settings.data / "secret").write_text("no hex")
    with pytest.raises(InputError, match="not a secret"):
        secret(settings)


def test_a_secret_comes_from_the_file_that_a_variable_names(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://u:p@h/d\n")
    named = {"LIFELINE_DATABASE_URL_FILE": str(tmp_path / "url"), "LIFELINE_DATA": str(tmp_path)}
    found = load(named, folder=tmp_path)
    assert found.database_url == "postgresql://u:p@h/d"
    assert load({**named, **found.environment()}, folder=tmp_path) == found  # a child is told in so many words
    with pytest.raises(InputError, match="LIFELINE_DATABASE_URL and LIFELINE_DATABASE_URL_FILE are both set"):
        load({**named, "LIFELINE_DATABASE_URL": "postgresql://h/d"}, folder=tmp_path)
    (tmp_path / "url").write_text("mysql://a:hunter2@db/x")
    with pytest.raises(InputError, match="LIFELINE_DATABASE_URL_FILE: not a database address") as caught:
        load(named, folder=tmp_path)
    assert "hunter2" not in str(caught.value)
    (tmp_path / "url").write_text("\n")
    with pytest.raises(InputError, match="empty"):
        load(named, folder=tmp_path)
    (tmp_path / "url").unlink()
    with pytest.raises(InputError, match="try a file this user may read"):
        load(named, folder=tmp_path)
