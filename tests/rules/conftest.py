"""The engine at a small city's desk."""

from __future__ import annotations

import pytest

from tests.rules.small_city import Desk, desk_of


@pytest.fixture
def desk() -> Desk:
    """A desk that has been told nothing yet."""
    return desk_of()
