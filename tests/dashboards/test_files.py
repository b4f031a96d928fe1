"""What an administrator copies into Grafana's provisioning folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from psycopg import conninfo
from ruamel.yaml import YAML

from city.errors import InputError
from dashboards.files import DataSource, build, export, tier_of, write
from dashboards.pages import PAGES
from store.connection import connect


def test_write_puts_every_dashboard_in_every_language(tmp_path: Path) -> None:
    written = write(tmp_path, "https://lifeline.example.org")
    assert sorted(path.name for path in written) == sorted(
        f"{uid}{ending}.json" for uid in PAGES for ending in ("", "-zh")
    )
    assert (
        json.loads((tmp_path / "lifeline-wall.json").read_text())
        == build("en", "https://lifeline.example.org")["lifeline-wall"]
    )


def test_export_is_what_grafana_provisions_from(tmp_path: Path) -> None:
    source = DataSource("db.example.org:5432", "city_lifeline", "wall", "verify-full", timescaledb=True)
    files = export(tmp_path, source=source)
    yaml = YAML(typ="safe")
    sources = yaml.load((tmp_path / "datasources/lifeline.yaml").read_text())
    assert sources["apiVersion"] == 1
    (one,) = sources["datasources"]
    assert (one["uid"], one["type"], one["url"], one["user"]) == (
        "lifeline", "grafana-postgresql-datasource", "db.example.org:5432", "wall",
    )  # fmt: skip
    assert one["jsonData"]["database"] == "city_lifeline"  # Grafana 13 ignores it at the top level
    assert one["secureJsonData"] == {"password": "$LIFELINE_GRAFANA_PASSWORD"}
    (provider,) = yaml.load((tmp_path / "dashboards/lifeline.yaml").read_text())["providers"]
    assert provider["folderUid"] == "lifeline"
    assert provider["options"]["path"] == "/etc/grafana/provisioning/dashboards/lifeline"
    assert [p for p in files if p.suffix == ".json"] == sorted(
        (tmp_path / "dashboards/lifeline").glob("*.json"), key=files.index
    )
    before = {path: path.read_bytes() for path in files}
    assert {path: path.read_bytes() for path in export(tmp_path, source=source)} == before


def test_a_data_source_from_a_database_address_never_holds_its_password() -> None:
    source = DataSource.of("postgresql://wall:se%40cret@db.example.org:6432/city?sslmode=verify-ca")
    assert source == DataSource("db.example.org:6432", "city", "wall", "verify-ca")
    assert "se" not in json.dumps(source.json()["user"])
    assert DataSource.of("postgresql://127.0.0.1/x").sslmode == "disable"


@pytest.mark.parametrize("dsn", ["mysql://x/y", "postgresql:///x", "nonsense"])
def test_what_is_no_database_address_is_refused_without_repeating_it(dsn: str) -> None:
    with pytest.raises(InputError, match="try postgresql://") as caught:
        DataSource.of(dsn)
    assert dsn not in str(caught.value)


def test_a_data_source_takes_its_tier_from_the_database_and_no_role_that_sees_too_much(
    seeded_city: str, timescale_dsn: str
) -> None:
    with pytest.raises(InputError, match="role lifeline may see more than the public views"):
        tier_of(seeded_city)
    reader = conninfo.make_conninfo(seeded_city, options="-c role=wall_reader")
    assert not tier_of(reader)
    with connect(timescale_dsn, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    assert tier_of(timescale_dsn)  # and not migrated yet: nothing to see there
