"""The laws again for sensors with neighbours, and those that take another process to see."""

from __future__ import annotations

import hashlib
import importlib
import math
import os
import pkgutil
import random
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import detectors
from city.errors import InputError
from city.levels import Flag
from city.reading import Sample
from detectors import registry
from detectors.per_sensor import PerSensor
from detectors.protocol import Detector, Finding, Verdict
from detectors.river_adapter import PREFIX
from detectors.subject import Neighbour, Subject, Surroundings
from tests.detectors.test_laws import LONG_ENOUGH, MINUTE_US, every_detector, lawful, noise, steady, stream, streams

every_listener = pytest.mark.parametrize("name", [name for name in registry.names() if not name.startswith(PREFIX)])


class _City:
    """What stands around: the two sensors of the tests hear each other, the weather, and something that often fails."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = sorted(
            (s.sensor, s.time_us, s.value)
            for s in samples
            if s.flag in (Flag.PASS, Flag.SUSPECT) and math.isfinite(s.value)
        )

    def before(self, sensor: str, time_us: int) -> tuple[int, float] | None:
        then_us = time_us - 1 - time_us % MINUTE_US
        if sensor == "of temperature":
            return then_us, 15 + 5 * math.sin(then_us / 1e10)
        if sensor == "of rainfall":
            return then_us, 0.0
        if sensor == "failing":
            return None if then_us // MINUTE_US % 50 < 20 else (then_us, math.cos(then_us / 3e9))
        past = [(t, v) for name, t, v in self._samples if name == sensor and t < time_us]
        return past[-1] if past else None


def beside(name: str) -> Detector:
    """A new detector that knows what stands around the sensors of these tests."""
    detector = registry.create(name)
    quantity = min(detector.quantities, default="gas_pressure")
    others = Neighbour("of temperature", "temperature", 20.0), Neighbour("of rainfall", "rainfall", 90.0)
    failing = Neighbour("failing", "wind", 50.0)
    context = {one: (Neighbour(other, quantity, 10.0), *others, failing) for one, other in ("ab", "ba")}
    detector.watch({one: Subject(one, quantity, context=near) for one, near in context.items()})
    return detector


def _fed(detector: Detector, samples: Sequence[Sample], city: Surroundings) -> list[Finding]:
    return [finding for sample in samples for finding in detector.update([sample], city)]


@every_listener
@lawful(4)
@given(samples=streams, seed=st.integers(0, 99))
def test_neither_batches_nor_the_order_inside_an_instant_matter_beside_neighbours(
    name: str, samples: list[Sample], seed: int
) -> None:
    city = _City(samples)
    whole = beside(name).update(samples, city)
    dice = random.Random(seed)
    pairs = [samples[i : i + 2] for i in range(0, len(samples), 2)]
    mixed = _fed(beside(name), [s for pair in pairs for s in dice.sample(pair, 2)], city)
    for sensor in "ab":
        assert [f for f in mixed if f.sensor == sensor] == [f for f in whole if f.sensor == sensor]


@every_listener
@lawful(4)
@given(samples=streams, cut=st.integers(0, 320))
def test_going_on_from_a_snapshot_equals_the_full_replay_beside_neighbours(
    name: str, samples: list[Sample], cut: int
) -> None:
    city = _City(samples)
    whole = beside(name).update(samples, city)
    first, second = beside(name), beside(name)
    head = first.update(samples[:cut], city)
    assert whole[: len(head)] == head
    second.restore(first.snapshot())
    assert head + second.update(samples[cut:], city) == whole
    assert first.update(samples[cut:], city) == whole[len(head) :], "taking a snapshot changed the detector"


@every_listener
@lawful(4)
@given(samples=streams)
def test_bad_readings_leave_no_trace_beside_neighbours(name: str, samples: list[Sample]) -> None:
    good = [s for s in samples if s.flag not in (Flag.FAIL, Flag.MISSING) and abs(s.value) < 1e12]
    city = _City(good)
    whole, clean = beside(name).update(samples, city), beside(name).update(good, city)
    assert [f for f in whole if not f.reason.startswith("reading ")] == clean


@every_listener
def test_neighbours_that_fall_silent_or_say_nonsense_do_not_blind_for_good(name: str) -> None:
    detector, silent = beside(name), _City([])
    usual = steady(noise(LONG_ENOUGH)) + steady(noise(LONG_ENOUGH, 3), sensor="b")
    detector.update(sorted(usual, key=lambda s: s.time_us), _City(usual))
    detector.update(steady(noise(60), LONG_ENOUGH * MINUTE_US), silent)
    again = steady([1e11, -1e11] * 3 + noise(600), (LONG_ENOUGH + 60) * MINUTE_US, "b")
    back = steady(noise(600, 2), (LONG_ENOUGH + 66) * MINUTE_US)
    after = [f for f in detector.update(sorted(back + again, key=lambda s: s.time_us), _City(again)) if f.sensor == "a"]
    assert after[-1].verdict is not Verdict.BLIND


def test_no_detector_of_the_package_is_spared_the_laws() -> None:
    for module in pkgutil.iter_modules(detectors.__path__, "detectors."):
        importlib.import_module(module.name)
    open_: list[Any] = [PerSensor]
    found: set[str] = set()
    while open_:
        kinds = open_.pop().__subclasses__()
        open_ += kinds
        found |= {kind.name for kind in kinds if kind.__module__.startswith("detectors.")}
    assert len(found) > 10
    assert found - set(registry.names()) == set()


def _story() -> str:
    """All that all detectors say of one history, as a digest."""
    samples = stream(7, [(20, "nan"), (60, "gap"), (90, "spike"), (120, "step")], 160)
    told = hashlib.sha256()
    for name in registry.names():
        detector = registry.create(name) if name.startswith(PREFIX) else beside(name)
        told.update(repr(detector.update(samples, _City(samples))).encode())
    return told.hexdigest()


def test_another_process_with_other_hashes_tells_the_same_story() -> None:
    program = "from tests.detectors.test_laws_beside import _story; print(_story())"
    told = {**os.environ, "PYTHONHASHSEED": "4242", "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-c", program], env=told, capture_output=True, text=True, check=True, timeout=240
    )
    assert ran.stdout.strip() == _story()


@every_detector
def test_a_state_of_nonsense_is_refused_and_the_sensor_keeps_what_it_knew(name: str) -> None:
    detector = registry.create(name)
    detector.update(steady(noise(60)))
    before = detector.snapshot()
    for nonsense in (b"", b"\x00" * 40, os.urandom(1032), before[:-1]):
        with pytest.raises((InputError, TypeError)):
            detector.put_state("a", nonsense)
    for nonsense in (b"", before[:-1], before[: len(before) // 2], os.urandom(200)):
        with pytest.raises(InputError):
            detector.restore(nonsense)
    if not name.startswith(PREFIX):
        assert detector.snapshot() == before
