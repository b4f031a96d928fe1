"""What alarms ask of the people who must answer them: figures after ISA-18.2 and EEMUA 191, as pure functions.

Everything is counted over *raises*: one for each time an alarm is told to somebody, without diagnostic alarms (a silent
gateway is maintenance, not operation). Limits are the usual ones for one operator's desk; where a function names a
rating, `good`, `fair` and `poor` follow them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from city.levels import COLOURS, Level

MINUTE_US = 60_000_000
BIN_US = 10 * MINUTE_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
FLOOD_STARTS, FLOOD_ENDS = 10, 5  # more than, fewer than, in ten minutes
CHATTER_RAISES, CHATTER_US = 3, MINUTE_US
FLEETING_US, FLEETING_AGAIN_US = 10_000_000, MINUTE_US
STALE_US = DAY_US
TARGET_SHARES: Mapping[Level, float] = {Level.RED: 0.01, Level.ORANGE: 0.05, Level.YELLOW: 0.15, Level.BLUE: 0.80}


@dataclass(frozen=True, slots=True)
class Raise:
    """One alarm that was raised: `key` is `rule/scope`, `level` its highest, `cleared_us` None while it stands."""

    key: str
    level: Level
    at_us: int
    cleared_us: int | None = None


@dataclass(frozen=True, slots=True)
class Flood:
    """A span with more alarms than a person can take in, from the raise that began it, with how many came in it."""

    from_us: int
    to_us: int
    count: int
    peak: int


@dataclass(frozen=True, slots=True)
class Load:
    """What a desk had to bear in a span.

    Attributes
    ----------
    raises, per_hour, per_bin
        How many, an hour, and in ten minutes on average (1 in ten minutes is what a person can do well).
    rating
        `good` up to 6 an hour, `fair` up to 12, `poor` above.
    peak, bins_over
        Most in one of the ten-minute bins, and the share of bins with more than ten.
    floods, flood_share
        Floods, and the share of the time that was flood (target below 1 %).
    top, top_share
        The ten most frequent keys with their counts, and their share of all raises (target below 5 %).
    chattering
        Keys that came at least three times within a minute.
    fleeting
        How many cleared within ten seconds and did not come again within a minute.
    standing
        How many stood longer than a day, and the most of them on any day (target below 5).
    shares
        Share of the raises by level; `off_target` names the levels more than 15 points off 80/15/5/1.
    """

    raises: int
    per_hour: float
    per_bin: float
    rating: str
    peak: int
    bins_over: float
    floods: tuple[Flood, ...]
    flood_share: float
    top: tuple[tuple[str, int], ...]
    top_share: float
    chattering: tuple[str, ...]
    fleeting: int
    standing: int
    standing_peak: int
    shares: Mapping[Level, float]
    off_target: tuple[Level, ...]


def load(raises: Iterable[Raise], from_us: int, to_us: int) -> Load:
    """The figures of a span [from_us, to_us); raises outside it are left out.

    Raises
    ------
    ValueError
        The span is empty.
    """
    if to_us <= from_us:
        raise ValueError("a span of time needs an end after its beginning")
    inside = sorted((r for r in raises if from_us <= r.at_us < to_us), key=lambda r: (r.at_us, r.key))
    bins = binned([r.at_us for r in inside], from_us, to_us)
    found = floods([r.at_us for r in inside], to_us)
    top, top_share = top_ten(inside)
    per_hour = len(inside) / ((to_us - from_us) / HOUR_US)
    standing, standing_peak = stood(inside, to_us)
    shares = mix(inside)
    return Load(
        len(inside), per_hour, per_hour / 6, "good" if per_hour <= 6 else "fair" if per_hour <= 12 else "poor",
        max(bins), sum(n > FLOOD_STARTS for n in bins) / len(bins),
        found, sum(f.to_us - f.from_us for f in found) / (to_us - from_us),
        top, top_share, chattering(inside), len(fleeting(inside)), standing, standing_peak, shares,
        tuple(lv for lv, share in shares.items() if inside and abs(share - TARGET_SHARES[lv]) > 0.15),
    )  # fmt: skip


def binned(times_us: Sequence[int], from_us: int, to_us: int, bin_us: int = BIN_US) -> list[int]:
    """How many times fall into each bin of a span; the last bin may be shorter."""
    counts = [0] * max(1, -(-(to_us - from_us) // bin_us))
    for at_us in times_us:
        if from_us <= at_us < to_us:
            counts[(at_us - from_us) // bin_us] += 1
    return counts


def floods(times_us: Sequence[int], to_us: int) -> tuple[Flood, ...]:
    """Floods in raise times (in order): from the eleventh within ten minutes until fewer than five are left of them.

    A flood that goes on at `to_us` ends there.
    """
    found: list[Flood] = []
    last: deque[int] = deque()
    began: tuple[int, int] | None = None  # when, and how many there were before
    peak = 0
    for number, at_us in enumerate(times_us):
        if began is not None:
            end_us = _ebbed_us(last, at_us)
            if end_us is not None:
                found.append(Flood(began[0], end_us, number - began[1], peak))
                began = None
        while last and last[0] <= at_us - BIN_US:
            last.popleft()
        last.append(at_us)
        peak = max(peak, len(last)) if began is not None else len(last)
        if began is None and len(last) > FLOOD_STARTS:
            began = (at_us, number + 1 - len(last))
    if began is not None:
        end_us = _ebbed_us(last, to_us)
        found.append(Flood(began[0], to_us if end_us is None else end_us, len(times_us) - began[1], peak))
    return tuple(found)


def _ebbed_us(last: Sequence[int], by_us: int) -> int | None:
    """When, up to `by_us` and without further raises, fewer than five of `last` are within ten minutes."""
    if len(last) < FLOOD_ENDS:
        return by_us
    ebbs_us = last[len(last) - FLOOD_ENDS] + BIN_US
    return ebbs_us if ebbs_us <= by_us else None


def top_ten(raises: Sequence[Raise]) -> tuple[tuple[tuple[str, int], ...], float]:
    """The ten keys that were raised most, with their counts, and their share of all raises (0 when there are none)."""
    counts = Counter(r.key for r in raises)
    top = tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:10])
    return top, sum(n for _, n in top) / len(raises) if raises else 0.0


def chattering(raises: Sequence[Raise], count: int = CHATTER_RAISES, within_us: int = CHATTER_US) -> tuple[str, ...]:
    """Keys raised at least `count` times in any `within_us`."""
    found = []
    for key, times in _by_key(raises).items():
        if any(
            late.at_us - early.at_us <= within_us
            for early, late in zip(times, times[count - 1 :], strict=False)  # windows of `count` raises
        ):
            found.append(key)
    return tuple(sorted(found))


def fleeting(raises: Sequence[Raise]) -> list[Raise]:
    """Raises that cleared before anybody could look, and did not come again soon."""
    found = []
    for times in _by_key(raises).values():
        for one, following in zip(times, [*times[1:], None], strict=True):
            brief = one.cleared_us is not None and one.cleared_us - one.at_us < FLEETING_US
            if brief and (following is None or following.at_us - one.at_us > FLEETING_AGAIN_US):
                found.append(one)
    return sorted(found, key=lambda r: r.at_us)


def stood(raises: Sequence[Raise], to_us: int) -> tuple[int, int]:
    """How many stood longer than a day by `to_us`, and the most of them at one time."""
    spans = [(r.at_us + STALE_US, min(to_us, to_us if r.cleared_us is None else r.cleared_us)) for r in raises]
    long = [(since_us, until_us) for since_us, until_us in spans if until_us > since_us]
    ends = sorted(until_us for _, until_us in long)
    begun = sorted(since_us for since_us, _ in long)
    most = max((n + 1 - bisect_left(ends, since_us + 1) for n, since_us in enumerate(begun)), default=0)
    return len(long), most


def mix(raises: Sequence[Raise]) -> Mapping[Level, float]:
    """Share of the raises by level, from blue to red (0 when there are none)."""
    counts = Counter(r.level for r in raises)
    return {level: counts[level] / len(raises) if raises else 0.0 for level in COLOURS}


def _by_key(raises: Sequence[Raise]) -> dict[str, list[Raise]]:
    found: dict[str, list[Raise]] = {}
    for one in sorted(raises, key=lambda r: r.at_us):
        found.setdefault(one.key, []).append(one)
    return found
