"""The alarm system's figures after ISA-18.2, IEC 62682 and EEMUA 191: each with its target, rating and formula."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from city.clock import to_us
from city.levels import COLOURS, Level
from lifeline.http.data import Data, Row
from rules.check import Checked
from rules.notify.display import number, span
from rules.response import rating, share, spread
from rules.statistics import FLOOD_STARTS, TARGET_SHARES, Load, Raise, load

MOST = 200_000
KINDS = ("acknowledge", "confirm", "dispatch", "on_site", "close")
RESPONSE_S = 7 * 60.0  # the mean response that Hefei reported


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: which (a key of the catalogue), what it is, what it ought to be, and how good that is.

    `rating`: `good`, `fair`, `poor`, or empty where there is no target or nothing is known.
    """

    key: str
    value: str
    target: str = ""
    rating: str = ""


@dataclass(frozen=True)
class Found:
    """All that the page shows of a span."""

    load: Load
    raises: Sequence[Row]
    groups: Sequence[tuple[str, Sequence[Figure]]]
    people: Mapping[str, Mapping[str, Any]]
    met: Mapping[tuple[str, str], Row]
    ages: Row
    channels: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which span, desk and district; and the language of the answer."""

    since: datetime
    until: datetime
    desk: str | None
    district: str | None
    language: str

    @property
    def given(self) -> dict[str, Any]:
        """As parameters of statements."""
        return {"since": self.since, "until": self.until, "desk": self.desk, "district": self.district}


def found(data: Data, checked: Checked | None, asked: Asked) -> Found:
    """Count everything."""
    rows = data.rows("raises", **asked.given, limit=MOST)
    raised = [_raise(row) for row in rows]
    carried = load(raised, to_us(asked.since), to_us(asked.until))
    responses = data.rows("responses", **asked.given, limit=MOST)
    channels = data.rows("channels", **asked.given)
    ages = data.row("standing_ages", **asked.given) or {}
    groups = [
        ("rate", [*_rate(carried)]),
        ("flood", [*_floods(carried, asked)]),
        ("worst", [*_worst(carried)]),
        ("standing", [*_standing(carried, ages)]),
        ("mix", [*_mix(carried)]),
        ("suppression", [*_suppression(data.row("suppression", **asked.given) or {}, asked)]),
        ("people", [*_people(responses, asked)]),
        ("quality", [*_quality(responses, data.row("late_and_near", **asked.given) or {}, asked)]),
        ("delivery", [*_delivery(data, channels, asked)]),
        ("system", [*_system(data, checked, asked)]),
    ]
    people = {
        level.word: {kind: spread(row[kind] for row in responses if row["level"] == level.word) for kind in KINDS}
        for level in reversed(COLOURS)
    }
    met = {(row["level"], row["clock"]): row for row in data.rows("clock_shares", **asked.given)}
    return Found(carried, rows, groups, people, met, ages, channels)


def _raise(row: Row) -> Raise:
    cleared_us = to_us(row["cleared_at"]) if row["cleared_at"] else None
    return Raise(row["key"], Level.of(row["level"]), to_us(row["at"]), cleared_us)


def _rate(seen: Load) -> Iterator[Figure]:
    yield Figure("raises", str(seen.raises))
    yield Figure("per_hour", _short(seen.per_hour), "≤ 6", rating(seen.per_hour, 6, 12))
    yield Figure("per_bin", _short(seen.per_bin), "≤ 1", rating(seen.per_bin, 1, 2))
    yield Figure("peak", str(seen.peak), f"≤ {FLOOD_STARTS}", rating(seen.peak, FLOOD_STARTS))
    yield Figure("bins_over", _percent(seen.bins_over), "< 1 %", rating(seen.bins_over, 0.01, 0.05, below=True))


def _floods(seen: Load, asked: Asked) -> Iterator[Figure]:
    lengths_s = [(flood.to_us - flood.from_us) / 1e6 for flood in seen.floods]
    yield Figure("flood_share", _percent(seen.flood_share), "< 1 %", rating(seen.flood_share, 0.01, below=True))
    yield Figure("flood_count", str(len(seen.floods)))
    yield Figure("flood_longest", span(max(lengths_s), asked.language) if lengths_s else "–")
    yield Figure("flood_peak", str(max((flood.peak for flood in seen.floods), default=0)))


def _worst(seen: Load) -> Iterator[Figure]:
    known = seen.top_share if seen.raises else None
    yield Figure("top_share", _percent(known), "< 5 %", rating(known, 0.05, 0.15, below=True))
    yield Figure("chattering", str(len(seen.chattering)), "0", rating(len(seen.chattering), 0))
    yield Figure("fleeting", str(seen.fleeting), "0", rating(seen.fleeting, 0))


def _standing(seen: Load, ages: Row) -> Iterator[Figure]:
    yield Figure("stale_peak", str(seen.standing_peak), "< 5", rating(seen.standing_peak, 5, below=True))
    yield Figure("stale_n", str(seen.standing))
    yield Figure("standing_now", str(ages.get("n", 0)))


def _mix(seen: Load) -> Iterator[Figure]:
    for level in COLOURS:
        known = seen.shares[level] if seen.raises else None
        off = "poor" if level in seen.off_target else "good"
        target = f"{TARGET_SHARES[level]:.0%} ± 15"
        yield Figure(f"mix_{level.word}", _percent(known), target, off if seen.raises else "")


def _suppression(row: Row, asked: Asked) -> Iterator[Figure]:
    yield Figure("shelved", str(row.get("shelved", 0)))
    yield Figure("mean_shelf", _span(row.get("mean_s"), asked))
    yield Figure("over_limit", str(row.get("over_limit", 0)), "0", rating(row.get("over_limit", 0), 0))
    yield Figure("out_of_service", str(row.get("out_of_service", 0)))
    yield Figure("inhibited", str(row.get("inhibited", 0)))
    yield Figure("unauthorised", str(row.get("unauthorised", 0)), "0", rating(row.get("unauthorised", 0), 0))


def _people(rows: Sequence[Row], asked: Asked) -> Iterator[Figure]:
    acknowledged = [row for row in rows if row["acknowledge"] is not None]
    idle = sum(row["acted"] is None for row in acknowledged)
    response = spread(row["acted"] for row in rows)
    yield Figure("incidents", str(len(rows)))
    mean_s = response.mean_s if response else None
    yield Figure(
        "mean_response", _span(mean_s, asked), f"≤ {span(RESPONSE_S, asked.language)}", rating(mean_s, RESPONSE_S)
    )
    yield Figure("ack_without_action", _percent(share(idle, len(acknowledged))))
    yield Figure("escalated", _percent(share(sum(row["escalated"] for row in rows), len(rows))))


def _quality(rows: Sequence[Row], late: Row, asked: Asked) -> Iterator[Figure]:
    false = sum(row["false_alarm"] for row in rows)
    judged = sum(row["false_alarm"] or row["confirmed"] for row in rows)
    lead = spread(row["lead_s"] for row in rows)
    yield Figure("false_share", _percent(share(false, judged)))
    yield Figure("lead", f"{_span(lead.p50_s, asked)} (n = {lead.n})" if lead else "–")
    yield Figure("late_detected", str(late.get("late", 0)))
    yield Figure("near_misses", str(late.get("near", 0)))


def _delivery(data: Data, channels: Sequence[Row], asked: Asked) -> Iterator[Figure]:
    rows = data.rows("deliveries", since=asked.since, until=asked.until, district=asked.district, limit=MOST)
    for key, column in (("from_event", "from_event_s"), ("from_ingest", "from_ingest_s")):
        found = spread(row[column] for row in rows)
        yield Figure(key, f"{_span(found.p50_s, asked)} / {_span(found.p95_s, asked)}" if found else "–")
    sent = sum(row["n"] for row in channels)
    failed, fallback, twice = (sum(row[key] for row in channels) for key in ("failed", "fallback", "twice"))
    outbox = data.row("outbox", since=asked.since) or {}
    yield Figure("oldest", _span(outbox.get("oldest_s"), asked))
    yield Figure("failed_share", _percent(share(failed, sent)))
    yield Figure("fallback", _percent(share(fallback, sent)))
    yield Figure("duplicates", str(twice), "0", rating(twice, 0))
    yield Figure("lost", str(outbox.get("lost", 0)), "0", rating(outbox.get("lost", 0), 0))


def _system(data: Data, checked: Checked | None, asked: Asked) -> Iterator[Figure]:
    row = data.row("freshness") or {}
    known = data.row("first_known") or {}
    yield Figure("fresh", _percent(share(row.get("fresh", 0), row.get("in_service", 0))))
    yield Figure("skewed", str(row.get("skewed", 0)), "0", rating(row.get("skewed", 0), 0))
    if known.get("bundle"):
        age_s = (asked.until - known["applied_at"]).total_seconds()
        yield Figure("bundle", f"{known['bundle'][:12]} · {_span(age_s, asked)}")
    beats = {row["name"]: row for row in data.rows("health")}
    beat = beats.get("heartbeat")
    yield Figure("heartbeat", _span(beat["value"], asked) if beat and beat["value"] is not None else "–")
    silent = without_guidance(checked)
    yield Figure("guidance", str(len(silent)) if checked else "–", "0", rating(len(silent), 0) if checked else "")


def without_guidance(checked: Checked | None) -> list[str]:
    """Rules in force that tell nobody what to do."""
    if checked is None:
        return []
    rules = {one.rule.id: one.rule for one in checked.book.instances.values()}
    rules |= {watch.rule.id: watch.rule for watch in checked.book.watches.values()}
    return sorted(name for name, rule in rules.items() if not any(text.strip() for text in rule.guidance.values()))


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:.1f} %"


def _span(value_s: float | None, asked: Asked) -> str:
    return "–" if value_s is None else span(value_s, asked.language)


def _short(value: float) -> str:
    return number(round(value, 2))
