"""The API is what its description says: schemathesis sends what fits and what does not, to every operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import schemathesis
from argon2 import PasswordHasher
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok

from city.clock import SystemClock
from lifeline.http import commands, gate, passwords
from lifeline.http.gate import new_token
from lifeline.http.rates import Rates
from store import accounts
from store.accounts import Rights
from store.audit import Deed

if TYPE_CHECKING:
    from tests.http.conftest import World

Serve = Callable[..., Any]
EXAMPLES = 5  # of each operation and kind
KNOWN = {"incident": "I-7", "alarm": "A-I-7", "sensor": "wl-017", "notice": "a1b2c3d4", "account": "li"}


@pytest.fixture
def served(world: World, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """A server that waits for nothing, with something of everything; its address and an administrator's key."""
    # Beside apprise's urllib3-future schemathesis cannot count connections; it does so only to send again.
    monkeypatch.setattr("schemathesis.transport.requests._count_opened_connections", lambda _session: 0)
    monkeypatch.setattr(commands, "PATIENCE_S", 0.0)
    monkeypatch.setattr(gate, "Rates", lambda per_s, burst: Rates(1e6 * per_s, 1e6 * burst))
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", cheap)
    world.incident()
    world.notice()
    world.event("I-7", "acknowledge", "li")
    now, by = SystemClock().now(), Deed("root", "", how="cli")
    for name in ("root", "li"):
        accounts.add(world.conn, name, cheap.hash("x"), Rights("admin"), by, now)
    shown, public, secret = new_token()
    accounts.add_token(world.conn, public, "schema", secret, Rights("admin"), now + timedelta(days=1), by, now)
    with serve() as client:
        yield str(client.base_url), shown


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")  # schemathesis uses random itself
def test_the_description_is_true_of_every_operation(served: tuple[str, str]) -> None:
    url, key = served
    headers = {"Authorization": f"Bearer {key}"}
    description = httpx.get(f"{url}/api/v1/openapi.json", headers=headers, timeout=60).json()
    schema = schemathesis.openapi.from_dict(description)
    schema.config.update(base_url=url)
    tried, faults = 0, list[str]()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                try_out(operation, mode, headers)
            except (schemathesis.errors.SchemathesisError, FailureGroup) as error:
                faults.append(f"{operation.label} {mode.value}: {error}\n{getattr(error, 'exceptions', '')}")
        tried += 1
    assert not faults, "\n\n".join(faults)
    assert tried > 40


def try_out(operation: Any, mode: GenerationMode, headers: dict[str, str]) -> None:  # noqa: ANN401 - schemathesis' own
    @seed(20260701)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:  # noqa: ANN401 - schemathesis' own
        if mode is GenerationMode.POSITIVE:
            make_possible(case)
        case.call_and_validate(headers=headers)

    check()


def make_possible(case: Any) -> None:  # noqa: ANN401 - schemathesis' own
    """What no description can say: what exists (half of the time), which cursors there are, which version it is."""
    for name, value in KNOWN.items():
        if name in (case.path_parameters or {}) and len(case.path_parameters[name]) % 2:
            case.path_parameters[name] = value
    for name in ("after", "since") if case.path == "/api/v1/statistics" else ("after",):
        (case.query or {}).pop(name, None)
    if "If-Match" in (case.headers or {}) or "if-match" in (case.headers or {}):
        case.headers["if-match"] = "*"
