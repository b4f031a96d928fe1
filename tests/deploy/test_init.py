"""`lifeline deploy`: a folder with no default and nothing open in it, that follows the register and renews itself."""

from __future__ import annotations

import shutil
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from city.clock import SystemClock
from lifeline.cli import run_command
from lifeline.deployment import brokerfiles, create, credentials, ledger
from lifeline.deployment.authority import (
    AUTHORITY_DAYS,
    AUTHORITY_RENEW_DAYS,
    CLIENT_DAYS,
    RENEW_DAYS,
    SERVER_DAYS,
    Authority,
    days_left,
)
from lifeline.deployment.brokerfiles import parts, read_passwords
from lifeline.deployment.layout import ACCOUNTS, own, unreadable
from lifeline.deployment.plan import Plan, read_env

GATEWAYS = {"gw-river-drain", "gw-river-gas", "gw-stone-bridge", "gw-hill"}
Out = pytest.CaptureFixture[str]


@pytest.fixture
def own_city(city_folder: Path, tmp_path: Path) -> Path:
    """A city folder of this test's own."""
    return Path(shutil.copytree(city_folder, tmp_path / "city"))


@pytest.fixture
def made(deployment: Path, city_folder: Path, own_city: Path, tmp_path: Path) -> Path:
    """A deployment of it."""
    folder = Path(shutil.copytree(deployment, tmp_path / "lifeline"))
    told = (folder / ".env").read_text()
    (folder / ".env").write_text(told.replace(str(city_folder), str(own_city)))
    return folder


def test_every_secret_is_random_and_nobody_elses_to_read(own_city: Path, tmp_path: Path, deployment: Path) -> None:
    made = tmp_path / "lifeline"
    assert run_command(["deploy", "init", str(made), "--city", str(own_city)]) == 0
    contents = [path.read_text() for path in (made / "secrets").iterdir()]
    assert len(contents) == len(set(contents))
    assert not {text for text in contents if "database:5432" not in text and len(text.strip()) < 32}
    assert not set(contents) & {path.read_text() for path in (deployment / "secrets").iterdir()}
    for path in made.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        name = path.relative_to(made).as_posix()
        if path.suffix == ".key" or name.startswith(("secrets/", "gateways/", "authority")) or name == "notifier.env":
            assert mode & 0o077 == 0, name
        assert mode & 0o022 == 0, name
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    plain = (made / ".env").read_text() + (made / "compose.yaml").read_text()
    assert not any(text.strip() in plain for text in contents)


def test_each_secret_belongs_to_the_account_that_reads_it(made: Path) -> None:
    owned = dict(own(made)) if made.stat().st_uid == 0 else {}
    for name, account in owned.items():
        assert (made / name).stat().st_uid == ACCOUNTS[account], name
    assert unreadable(made) == [] or not owned
    (made / "secrets/links").chmod(0o600)
    if owned:
        shutil.chown(made / "secrets/links", 0)
        assert unreadable(made) == ["secrets/links"]


def test_nothing_is_written_over(made: Path, own_city: Path, tmp_path: Path, capsys: Out) -> None:
    before = {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}
    assert run_command(["deploy", "init", str(made), "--city", str(own_city)]) == 1
    assert "there is a deployment already, try lifeline deploy acl" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in made.rglob("*") if path.is_file()} == before
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").touch()
    assert run_command(["deploy", "init", str(tmp_path / "full"), "--city", str(own_city)]) == 1
    assert "there is something already" in capsys.readouterr().err


def test_a_faulty_city_or_wish_leaves_nothing_behind(own_city: Path, tmp_path: Path, capsys: Out) -> None:
    target = tmp_path / "none"
    wishes = ["--host", "no host", "--mqtt-listen", "8883x", "--public-url", "lifeline"]
    assert run_command(["deploy", "init", str(target), "--city", str(own_city), *wishes]) == 1
    told = capsys.readouterr().err
    assert all(word in told for word in ("--host:", "--mqtt-listen:", "--public-url:"))
    assert run_command(["deploy", "init", str(target), "--city", str(own_city), "--sparkplug", "gw-9"]) == 1
    (own_city / "gateways.csv").write_text("gateway\n")
    assert run_command(["deploy", "init", str(target), "--city", str(own_city)]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["city"]


def test_the_next_steps_are_told(own_city: Path, tmp_path: Path, capsys: Out) -> None:
    (tmp_path / "d").mkdir()  # an empty folder is fine
    assert run_command(["deploy", "init", str(tmp_path / "d"), "--city", str(own_city)]) == 0
    told = capsys.readouterr().out
    for step in ("docker build", "authority/ca.key elsewhere", "notifier.env", "docker compose up -d", "gateways"):
        assert step in told
    assert not any(path.read_text() in told for path in (tmp_path / "d/secrets").iterdir())
    variables = read_env(tmp_path / "d/notifier.env")
    assert set(variables) == {"LIFELINE_SMTP_PASSWORD", "LIFELINE_WEBHOOK_SECRET"}  # what the city's channels name


def test_the_access_list_follows_the_register(made: Path, own_city: Path, capsys: Out) -> None:
    passwords, listed = made / "mosquitto/passwords", made / "mosquitto/acl"
    before = read_passwords(passwords.read_text())
    assert set(before) == {*GATEWAYS, "lifeline-recorder", "lifeline-tools", "lifeline-health", "source-vendor"}
    letter = (made / "gateways/gw-hill.env").read_text()
    capsys.readouterr()
    assert run_command(["deploy", "acl", str(made)]) == 0
    assert capsys.readouterr().out == "nothing has changed\n"
    (made / "gateways/gw-hill.env").unlink()  # handed over

    register = own_city / "gateways.csv"
    lines = register.read_text().splitlines()
    bridge = next(line for line in lines if line.startswith("gw-stone-bridge"))
    lines[lines.index(bridge)] = bridge.replace("riverside", "hillside")
    register.write_text("\n".join([*lines, "gw-new,hillside,60,New,,"]) + "\n")
    (own_city / "mappings/vendor.yaml").unlink()
    assert run_command(["deploy", "acl", str(made)]) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[:4] == [
        "new: gw-new", "other topics: lifeline-recorder", "other topics: gw-stone-bridge", "gone: source-vendor",
    ]  # fmt: skip
    assert "docker compose kill -s HUP broker" in told
    after = read_passwords(passwords.read_text())
    assert {name: after[name] for name in before if name != "source-vendor"} == {
        name: one for name, one in before.items() if name != "source-vendor"
    }
    assert set(after) - set(before) == {"gw-new"}
    assert "topic write lifeline/v1/hillside/gw-stone-bridge/#" in parts(listed.read_text())["gw-stone-bridge"]
    assert not (made / "gateways/gw-hill.env").exists()
    assert not (made / "gateways/source-vendor.env").exists()
    assert stat.S_IMODE((made / "gateways/gw-new.env").stat().st_mode) == 0o600

    assert run_command(["deploy", "acl", str(made), "--renew", "gw-hill"]) == 0
    assert "new credentials: gw-hill" in capsys.readouterr().out
    assert (made / "gateways/gw-hill.env").read_text() != letter
    assert read_passwords(passwords.read_text())["gw-hill"] != after["gw-hill"]
    assert run_command(["deploy", "acl", str(made), "--renew", "gw-9"]) == 1


def test_an_access_list_cannot_be_written_by_a_mapping(made: Path, own_city: Path, capsys: Out) -> None:
    mapping = own_city / "mappings/vendor.yaml"
    before = (made / "mosquitto/acl").read_text()
    evil = mapping.read_text().replace("topic: vendor/+/data", 'topic: "vendor/x\\ntopic write x"')
    mapping.write_text(evil)
    assert run_command(["deploy", "acl", str(made)]) == 1
    assert "control character" in capsys.readouterr().err
    mapping.write_text(evil.replace('"vendor/x\\ntopic write x"', "vendor/+/data"))
    mapping.rename(mapping.with_name("a b.yaml"))
    assert run_command(["deploy", "acl", str(made)]) == 1
    assert (made / "mosquitto/acl").read_text() == before


def test_certificates_are_for_their_servers_alone_and_are_renewed_in_time(made: Path, capsys: Out) -> None:
    now = SystemClock().now()
    broker = x509.load_pem_x509_certificate((made / "tls/broker/server.crt").read_bytes())
    names = broker.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["broker", "localhost"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "10.0.0.5"]
    database = x509.load_pem_x509_certificate((made / "tls/database/server.crt").read_bytes())
    inner = database.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert inner.get_values_for_type(x509.DNSName) == ["database", "localhost"]
    assert run_command(["deploy", "certificates", str(made), "--check"]) == 0
    assert capsys.readouterr().out.endswith(f"broker: {SERVER_DAYS - 1} days\ndatabase: {SERVER_DAYS - 1} days\n")
    assert ("authority", AUTHORITY_DAYS - 401, False) in create.lasting(made, now + timedelta(days=400))
    assert create.lasting(made, now + timedelta(days=AUTHORITY_DAYS - AUTHORITY_RENEW_DAYS + 1))[0][2]
    assert create.certificates(made, now) == []
    late = now + timedelta(days=SERVER_DAYS - RENEW_DAYS + 1)
    key = made.parent / "safe.key"
    (made / create.AUTHORITY_KEY).rename(key)  # kept elsewhere
    old = (made / "tls/broker/server.crt").read_text()
    assert run_command(["deploy", "certificates", str(made), "--all"]) == 1
    assert "try --authority FILE" in capsys.readouterr().err
    assert create.certificates(made, late, key) == ["broker", "database"]
    assert (made / "tls/broker/server.crt").read_text() != old
    assert days_left(made / "tls/broker/server.crt", late) == SERVER_DAYS - 1
    assert run_command(["deploy", "certificates", str(made), "--all", "--authority", str(key)]) == 0
    assert "docker compose kill -s HUP broker database" in capsys.readouterr().out
    key.write_text(Authority.make(now).pair.key)
    assert run_command(["deploy", "certificates", str(made), "--all", "--authority", str(key)]) == 1
    assert "not the key of" in capsys.readouterr().err


def test_a_new_gateway_gets_a_certificate_where_the_broker_asks_for_them(own_city: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mutual"
    assert run_command(["deploy", "init", str(folder), "--city", str(own_city), "--client-certificates"]) == 0
    assert not (folder / "mosquitto/passwords").read_text()
    assert {path.stem for path in (folder / "gateways").glob("*.crt")} == {*GATEWAYS, "source-vendor"}
    register = own_city / "gateways.csv"
    register.write_text(register.read_text() + "gw-new,hillside,60,New,,\n")
    key = tmp_path / "safe.key"
    (folder / create.AUTHORITY_KEY).rename(key)
    assert run_command(["deploy", "acl", str(folder)]) == 1
    assert run_command(["deploy", "acl", str(folder), "--authority", str(key)]) == 0
    made = x509.load_pem_x509_certificate((folder / "gateways/gw-new.crt").read_bytes())
    assert made.subject.rfc4514_string() == "CN=gw-new"
    assert Plan.read(folder).client_certificates
    assert stat.S_IMODE((folder / ledger.FILE).stat().st_mode) == 0o600
    # Gone from the register: shut out, and revoked, which takes the authority's key.
    register.write_text(register.read_text().replace("gw-new,hillside,60,New,,\n", ""))
    assert revoked(folder) == set()
    assert run_command(["deploy", "acl", str(folder)]) == 1
    assert run_command(["deploy", "acl", str(folder), "--authority", str(key)]) == 0
    assert revoked(folder) == {made.serial_number}


def revoked(folder: Path) -> set[int]:
    """Serial numbers on a deployment's list, which its authority signed and which ends with it."""
    listed = x509.load_pem_x509_crl((folder / ledger.REVOKED).read_bytes())
    authority = x509.load_pem_x509_certificate((folder / "tls/ca.crt").read_bytes())
    public = authority.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert listed.is_signature_valid(public)
    assert listed.next_update_utc == authority.not_valid_after_utc
    return {one.serial_number for one in listed}


def test_certificates_of_gateways_are_renewed_in_time_and_overlap(own_city: Path, tmp_path: Path, capsys: Out) -> None:
    folder = tmp_path / "mutual"
    assert run_command(["deploy", "init", str(folder), "--city", str(own_city), "--client-certificates"]) == 0
    now = SystemClock().now()  # after the command's own: certificates end at its whole second
    for file in (folder / "gateways").iterdir():
        file.unlink()  # handed over
    assert dict(list(credentials.due(folder, now).items())[:1]) == {"gw-hill": CLIENT_DAYS - 1}
    late = now + timedelta(days=CLIENT_DAYS - RENEW_DAYS + 1)
    renewed = create.certificates(folder, late)
    assert set(renewed) == {"broker", "database", *GATEWAYS, "source-vendor", *brokerfiles.OWN}
    assert days_left(folder / "gateways/gw-hill.crt", late) == CLIENT_DAYS - 1
    assert days_left(folder / "tls/recorder/client.crt", late) == CLIENT_DAYS - 1
    assert revoked(folder) == set(), "the old ones count until they end"
    assert create.certificates(folder, late) == []
    capsys.readouterr()
    assert run_command(["deploy", "certificates", str(folder), "--check"]) == 0
    assert "gw-hill: " in capsys.readouterr().out
    # Revoking takes back both, and is told from what cannot be.
    assert run_command(["deploy", "certificates", str(folder), "--revoke", "gw-hill"]) == 0
    assert f"lifeline deploy acl {folder} --renew gw-hill" in capsys.readouterr().out
    assert len(revoked(folder)) == 2
    assert "gw-hill" not in parts((folder / "mosquitto/acl").read_text())
    for name, word in (("gw-hill", "no certificate of that name counts"), ("lifeline-recorder", "Lifeline's own")):
        assert run_command(["deploy", "certificates", str(folder), "--revoke", name]) == 1
        assert word in capsys.readouterr().err
    (folder / ledger.FILE).write_text("user,serial\ngw-1,zz\n")
    assert run_command(["deploy", "certificates", str(folder), "--check"]) == 1
    assert "damaged" in capsys.readouterr().err


def test_revoking_leaves_to_the_next_list_whoever_is_new_or_gone(own_city: Path, tmp_path: Path, capsys: Out) -> None:
    register, folder = own_city / "gateways.csv", tmp_path / "mutual"
    everybody = register.read_text()
    register.write_text(everybody + "gw-old,hillside,60,Old,,\n")
    assert run_command(["deploy", "init", str(folder), "--city", str(own_city), "--client-certificates"]) == 0
    register.write_text(everybody + "gw-new,hillside,60,New,,\n")
    out = ["--revoke", "gw-hill", "--revoke", "gw-river-gas"]
    assert run_command(["deploy", "certificates", str(folder), *out]) == 0
    assert "--renew gw-hill --renew gw-river-gas #" in capsys.readouterr().out
    assert {"gw-old", "gw-new"} & set(parts((folder / "mosquitto/acl").read_text())) == {"gw-old"}
    renewed = create.certificates(folder, SystemClock().now() + timedelta(days=CLIENT_DAYS - RENEW_DAYS + 1))
    assert "source-vendor" in renewed
    assert not {"gw-old", "gw-new", "gw-hill", "gw-river-gas"} & set(renewed), "nothing is made for these"
    assert run_command(["deploy", "acl", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "new: gw-new" in said
    assert "revoked: the old certificate of gw-old" in said
    assert (folder / "gateways/gw-new.crt").exists()


def test_a_deployment_with_passwords_says_how_to_shut_a_gateway_out(made: Path, capsys: Out) -> None:
    assert run_command(["deploy", "certificates", str(made), "--revoke", "gw-hill"]) == 1
    assert "try lifeline deploy acl DIR --renew GATEWAY" in capsys.readouterr().err


def test_a_folder_without_a_deployment_is_refused(tmp_path: Path, capsys: Out) -> None:
    for command in ("acl", "certificates", "own"):
        assert run_command(["deploy", command, str(tmp_path)]) == 1
        assert "no deployment there" in capsys.readouterr().err
