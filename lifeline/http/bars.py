"""Small bar charts as SVG: who is on duty when, and how many alarms came when. No script, no style attribute."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from zoneinfo import ZoneInfo

from markupsafe import Markup

from rules.notify.display import at, number

WIDTH = 960
LEFT, RIGHT = 120, 8
ROW, HEAD = 22, 22
BARS_HEIGHT = 130


@dataclass(frozen=True, slots=True)
class Stretch:
    """A bar of a row: from when until when, and what it says when pointed at. `gap`: nobody, hatched."""

    start: datetime
    end: datetime
    says: str
    gap: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A named row of stretches."""

    name: str
    stretches: Sequence[Stretch]


def duty(rows: Sequence[Row], since: datetime, until: datetime, now: datetime, zone: ZoneInfo, label: str) -> Markup:
    """Rows of stretches over whole days of `zone`."""
    height = HEAD + ROW * len(rows) + 6

    def x(moment: datetime) -> float:
        moment = min(max(moment, since), until)
        return LEFT + (moment - since) / (until - since) * (WIDTH - LEFT - RIGHT)

    parts = [
        f'<svg class="chart duty" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">',
        f'<title>{escape(label)}</title><defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><line class="hatch" x1="0" y1="0" x2="0" y2="7"/></pattern></defs>',
    ]
    for day in _days(since, until, zone):
        parts.append(f'<line class="tick" x1="{x(day):.1f}" x2="{x(day):.1f}" y1="{HEAD - 4}" y2="{height}"/>')
        word = f"{day.astimezone(zone):%m-%d}"
        parts.append(f'<text class="quiet" x="{x(day) + 3:.1f}" y="{HEAD - 8}">{word}</text>')
    for n, row in enumerate(rows):
        y = HEAD + ROW * n
        parts.append(f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(_cut(row.name, 16))}</text>')
        for stretch in row.stretches:
            left, width = x(stretch.start), max(1.0, x(stretch.end) - x(stretch.start))
            kind = "gap" if stretch.gap else "shift"
            parts.append(
                f'<rect class="{kind}" x="{left:.1f}" y="{y + 3}" width="{width:.1f}" height="{ROW - 6}">'
                f"<title>{escape(stretch.says)}</title></rect>"
            )
    if since <= now <= until:
        parts.append(f'<line class="today" x1="{x(now):.1f}" x2="{x(now):.1f}" y1="{HEAD - 6}" y2="{height}"/>')
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 - every text in it went through escape()


def columns(
    counts: Sequence[int], since: datetime, until: datetime, zone: ZoneInfo, label: str, limit: float | None = None
) -> Markup:
    """Counts over time as columns, with a dashed `limit`; columns above it are darker, and the highest is named."""
    highest = max([*counts, 1])
    top = max(highest, limit or 0) * 1.08
    floor, left = BARS_HEIGHT - 20, 44
    width = (WIDTH - left - RIGHT) / max(1, len(counts))
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {BARS_HEIGHT}" role="img" aria-label="{escape(label)}">',
        f"<title>{escape(label)}</title>",
        f'<line class="tick" x1="{left}" x2="{WIDTH - RIGHT}" y1="{floor}" y2="{floor}"/>',
    ]
    for n, count in enumerate(counts):
        if count:
            height = count / top * (floor - 10)
            over = " over" if limit is not None and count > limit else ""
            parts.append(
                f'<rect class="bar{over}" x="{left + n * width:.2f}" y="{floor - height:.1f}" '
                f'width="{max(0.8, width * 0.86):.2f}" height="{height:.1f}"><title>{count}</title></rect>'
            )
    for value in {highest, limit} - {None}:
        y = floor - float(value or 0) / top * (floor - 10)
        kind = "limit" if value == limit else "tick"
        parts.append(f'<line class="{kind}" x1="{left}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{left - 5}" y="{y + 4:.1f}" text-anchor="end">{number(float(value or 0))}</text>')
    day = until - since > timedelta(days=2)
    for step in range(5):
        moment, anchor = since + (until - since) * step / 4, ("start", "middle", "middle", "middle", "end")[step]
        text = f"{moment.astimezone(zone):%m-%d}" if day else at(moment, zone, seconds=False, day=False)
        spot = left + (WIDTH - left - RIGHT) * step / 4
        parts.append(f'<text class="quiet" x="{spot:.1f}" y="{BARS_HEIGHT - 5}" text-anchor="{anchor}">{text}</text>')
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 - every text in it went through escape()


def shares(rows: Iterable[tuple[str, float, float | None]], label: str) -> Markup:
    """Rows of (name, share, target), both 0 to 1: a bar each, with a line at its target if it has one."""
    listed = list(rows)
    height = ROW * len(listed) + 4
    parts = [f'<svg class="chart" viewBox="0 0 480 {height}" role="img" aria-label="{escape(label)}">']
    for n, (name, share, target) in enumerate(listed):
        y, length = n * ROW, 480 - LEFT - 60
        parts.append(
            f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(_cut(name, 16))}</text>'
            f'<rect class="rail" x="{LEFT}" y="{y + 4}" width="{length}" height="{ROW - 8}"/>'
            f'<rect class="bar" x="{LEFT}" y="{y + 4}" width="{length * min(1.0, share):.1f}" height="{ROW - 8}"/>'
            f'<text x="{LEFT + length + 6}" y="{y + 15}">{share:.0%}</text>'
        )
        if target is not None:
            x = f"{LEFT + length * target:.1f}"
            parts.append(f'<line class="limit" x1="{x}" x2="{x}" y1="{y + 1}" y2="{y + ROW - 1}"/>')
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 - every text in it went through escape()


def _days(since: datetime, until: datetime, zone: ZoneInfo) -> Iterable[datetime]:
    day = since.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    while day < until:
        if day >= since:
            yield day
        day = (day + timedelta(days=1)).replace(hour=0)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
