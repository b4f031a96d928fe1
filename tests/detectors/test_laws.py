"""Laws that every detector obeys, found through the registry: a new one is under them as soon as it is registered."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from city.errors import InputError
from city.levels import Flag
from city.reading import Sample
from detectors import registry
from detectors.protocol import Detector, Finding, Verdict
from detectors.registry import names
from detectors.river_adapter import PREFIX
from detectors.subject import NOTHING, Neighbour, Subject, Surroundings

MINUTE_US = 60_000_000
LONG_ENOUGH = 320  # samples after which every registered detector has warmed up (half-space trees ask for 280)
INCIDENTS = ("nan", "inf", "huge", "fail", "missing", "suspect", "gap", "spike", "step", "ramp", "repeat", "old")

BESIDE = {  # detectors that judge by what stands around, and what stands around both sensors
    name: tuple(Neighbour(f"of {quantity}", quantity, 20.0) for quantity in quantities)
    for name, quantities in {
        "baseline_shift": ["temperature"],
        "settlement_rate": ["temperature"],
        "settlement_trend": ["temperature"],
        "creep_to_failure": ["temperature"],
        "differential_settlement": ["settlement"],
    }.items()
}

every_detector = pytest.mark.parametrize("name", names())
streams = st.builds(
    lambda seed, incidents, length: stream(seed, incidents, length),
    st.integers(0, 2**16),
    st.lists(st.tuples(st.integers(0, 159), st.sampled_from(INCIDENTS)), max_size=12),
    st.integers(60, 160),
)


class _Around:
    """Warm by day; and a point of the ground that stays where it is."""

    def before(self, sensor: str, time_us: int) -> tuple[int, float] | None:
        then_us = time_us - MINUTE_US // 2
        return then_us, 15 + 5 * math.sin(then_us / 1e10) if sensor == "of temperature" else 5.0


class _Hearing:
    """A detector that hears what stands around, whoever gives it samples."""

    def __init__(self, inner: Detector) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def update(self, batch: Sequence[Sample], around: Surroundings = NOTHING) -> list[Finding]:
        return self._inner.update(batch, _Around())


def create(name: str) -> Detector:
    """A new detector; one that judges by neighbours knows the two sensors of these tests, and hears around them."""
    detector = registry.create(name)
    context = BESIDE.get(name)
    if context is None:
        return detector
    quantity = next(iter(detector.quantities))
    detector.watch({sensor: Subject(sensor, quantity, context=context) for sensor in ("a", "b")})
    return cast("Detector", _Hearing(detector))


def lawful(examples: int = 8) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """How many histories a law is tried on."""
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=examples, deadline=None, suppress_health_check=checks)


def stream(seed: int, incidents: Sequence[tuple[int, str]], length: int) -> list[Sample]:
    """Two sensors, a sample of each a minute or so, with things that happen to the first one."""
    dice, at = random.Random(seed), dict(incidents)
    samples: list[Sample] = []
    time_us, shift, slope = 0, 0.0, 0.0
    for i in range(length):
        time_us += MINUTE_US + dice.choice((0, 0, 0, 1_000_000, -1_000_000))
        kind = at.get(i, "")
        time_us += 6 * 3600 * 1_000_000 if kind == "gap" else 0
        shift += 40.0 if kind == "step" else slope
        slope = 2.0 if kind == "ramp" else slope
        noise = 5 + dice.gauss(0, 0.3)
        value = {"nan": math.nan, "inf": math.inf, "huge": 1e300, "spike": noise + 60}.get(kind, noise + shift)
        flag = {"fail": Flag.FAIL, "missing": Flag.MISSING, "suspect": Flag.SUSPECT}.get(kind, Flag.PASS)
        when_us = time_us - {"repeat": MINUTE_US, "old": 5 * MINUTE_US}.get(kind, 0)
        pair = [Sample("a", when_us, value, flag, time_us), Sample("b", time_us, noise, Flag.PASS, time_us)]
        samples += pair
    return samples


def steady(values: Sequence[float], start_us: int = 0, sensor: str = "a") -> list[Sample]:
    """A sample a minute."""
    return [Sample(sensor, start_us + i * MINUTE_US, value, Flag.PASS, 0) for i, value in enumerate(values)]


def noise(n: int, seed: int = 1) -> list[float]:
    """Values around 5."""
    dice = random.Random(seed)
    return [5 + dice.gauss(0, 0.3) for _ in range(n)]


def _of(findings: Sequence[Finding], sensor: str) -> list[Finding]:
    return [finding for finding in findings if finding.sensor == sensor]


@every_detector
@lawful()
@given(samples=streams)
def test_one_finding_per_new_sample_in_order_and_scores_that_mean_what_they_say(
    name: str, samples: list[Sample]
) -> None:
    before = list(samples)
    detector = create(name)
    for sample in samples:
        found = detector.update([sample])
        assert [(f.sensor, f.time_us, f.detector) for f in found] in ([], [(sample.sensor, sample.time_us, name)])
        for finding in found:
            assert math.isfinite(finding.score)
            assert finding.score >= 0
            assert (finding.score >= 1) == (finding.verdict is Verdict.ABNORMAL)
            assert finding.verdict is not Verdict.BLIND or (finding.score == 0 and finding.reason)
            assert finding.verdict is not Verdict.ABNORMAL or (finding.reason and finding.channel)
            assert finding.direction in ("", "up", "down")
    assert all(a is b for a, b in zip(samples, before, strict=True)), "the input was changed"


@every_detector
@lawful()
@given(samples=streams, seed=st.integers(0, 99))
def test_any_batching_and_any_order_of_sensors_within_an_instant_tell_the_same(
    name: str, samples: list[Sample], seed: int
) -> None:
    whole = create(name).update(samples)
    one_by_one = create(name)
    assert [f for sample in samples for f in one_by_one.update([sample])] == whole
    dice = random.Random(seed)
    shuffled = [pair[k] for i in range(0, len(samples), 2) for pair in [samples[i : i + 2]] for k in _either(dice)]
    mixed = create(name).update(shuffled)
    assert (_of(mixed, "a"), _of(mixed, "b")) == (_of(whole, "a"), _of(whole, "b"))


def _either(dice: random.Random) -> tuple[int, int]:
    return (0, 1) if dice.random() < 0.5 else (1, 0)


@every_detector
@lawful()
@given(samples=streams, cut=st.integers(0, 320))
def test_replaying_a_prefix_or_going_on_from_a_snapshot_equals_the_full_replay(
    name: str, samples: list[Sample], cut: int
) -> None:
    whole = create(name).update(samples)
    first = create(name)
    head = first.update(samples[:cut])
    assert whole[: len(head)] == head
    second = create(name)
    second.update(steady([1.0, 2.0, 3.0], sensor="gone after restore"))
    second.restore(first.snapshot())
    assert second.state_of("gone after restore") is None
    assert head + second.update(samples[cut:]) == whole
    assert first.update(samples[cut:]) == whole[len(head) :], "taking a snapshot changed the detector"


@every_detector
@lawful()
@given(samples=streams, cut=st.integers(0, 320), back=st.integers(0, 60))
def test_rolling_a_sensor_back_and_giving_it_the_same_samples_gives_the_same_findings(
    name: str, samples: list[Sample], cut: int, back: int
) -> None:
    detector = create(name)
    detector.update(samples[:cut])
    kept = detector.state_of("a")
    again = [sample for sample in samples[cut : cut + back] if sample.sensor == "a"]
    first = detector.update(again)
    b = detector.state_of("b")
    detector.put_state("a", kept)
    assert detector.update(again) == first
    detector.put_state("a", kept)
    assert detector.update(again) == first, "the kept state was changed by using it"
    assert name.startswith(PREFIX) or detector.state_of("b") == b  # river models pickle equal, not always identical


@every_detector
@lawful()
@given(samples=streams)
def test_sensors_do_not_influence_each_other(name: str, samples: list[Sample]) -> None:
    together = create(name).update(samples)
    for sensor in ("a", "b"):
        assert create(name).update([s for s in samples if s.sensor == sensor]) == _of(together, sensor)


@every_detector
@lawful()
@given(samples=streams)
def test_bad_readings_are_blind_and_leave_no_trace(name: str, samples: list[Sample]) -> None:
    good = [s for s in samples if s.flag not in (Flag.FAIL, Flag.MISSING) and abs(s.value) < 1e12]
    whole, clean = create(name).update(samples), create(name).update(good)
    bad = [f for f in whole if f.reason.startswith("reading ")]
    assert [f for f in whole if f not in bad] == clean
    assert {f.verdict for f in bad} <= {Verdict.BLIND}


@every_detector
@pytest.mark.parametrize("pause_h", [0, 5, 240])
def test_neither_nan_nor_a_pause_blinds_for_good(name: str, pause_h: int) -> None:
    detector = create(name)
    detector.update(steady([math.nan, 4.0] * 3 + noise(LONG_ENOUGH) + [math.nan, math.inf, -math.inf] * 4))
    start_us = (LONG_ENOUGH + 18) * MINUTE_US + pause_h * 3600 * 1_000_000
    after = detector.update(steady(noise(40, seed=2), start_us))
    assert after[-1].verdict is Verdict.NORMAL
    assert (after[0].verdict is Verdict.BLIND) == (pause_h > 0), "a pause is not calm"


@every_detector
def test_warming_up_is_blind_never_normal(name: str) -> None:
    found = create(name).update(steady(noise(LONG_ENOUGH)))
    verdicts = [finding.verdict for finding in found]
    warm_up = verdicts.index(Verdict.NORMAL)
    assert verdicts[:warm_up] == [Verdict.BLIND] * warm_up
    assert Verdict.BLIND not in verdicts[warm_up:]
    assert warm_up >= 3
    if not name.startswith(PREFIX):
        assert warm_up <= (24 if name.startswith("settlement_") else 30)


@every_detector
@pytest.mark.parametrize("value", [0.0, -3.25, 5.0, 1e-9, 1e11])
def test_a_constant_signal_never_alarms(name: str, value: float) -> None:
    found = create(name).update(steady([value] * (3 * LONG_ENOUGH)))
    assert {finding.verdict for finding in found} == {Verdict.BLIND, Verdict.NORMAL}
    assert found[-1].verdict is Verdict.NORMAL


@every_detector
def test_samples_not_newer_than_the_last_are_ignored(name: str) -> None:
    detector = create(name)
    samples = steady(noise(50))
    detector.update(samples)
    state = detector.state_of("a")
    assert detector.update(samples[-5:]) == []
    assert detector.state_of("a") == state


@every_detector
def test_an_unknown_sensor_has_no_state_and_none_forgets_one(name: str) -> None:
    detector = create(name)
    assert detector.state_of("a") is None
    fresh = detector.update(steady(noise(60)))
    detector.put_state("a", None)
    assert detector.state_of("a") is None
    assert detector.update(steady(noise(60))) == fresh


@every_detector
def test_foreign_snapshots_and_states_are_refused(name: str) -> None:
    detector: Detector = create(name)
    other = create(next(n for n in names() if n != name))
    with pytest.raises(InputError, match="belongs to another detector"):
        detector.restore(other.snapshot())
    with pytest.raises(InputError, match="cannot be read"):
        detector.restore(b"\xff\x00")
    if not name.startswith(PREFIX):
        with pytest.raises(InputError, match="cannot be read"):
            detector.put_state("a", b"\x93\x01\x02\x03")
    with pytest.raises(TypeError, match="not a state of mine"):
        detector.put_state("a", [1])  # type: ignore[arg-type]  # that is the point


@every_detector
def test_its_docstring_says_what_a_rule_engineer_must_know(name: str) -> None:
    text = type(registry.create(name)).__doc__ or ""
    wanted = ("Parameters", "Warm-up", "Direction", "Blind spots", "Source", "Examples", ">>> ")
    assert [word for word in wanted if word not in text] == []
