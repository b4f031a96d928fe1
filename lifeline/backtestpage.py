"""A backtest's report for people: tables for the terminal, one page of HTML that needs nothing beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

from markupsafe import Markup, escape
from rich.table import Table

from city.clock import from_us
from city.levels import COLOURS
from city.words import say
from lifeline import backtestplots
from lifeline.templating import MARKS, environment
from rules.notify.display import span as length
from rules.statistics import Load
from rules.trials.backtest import Occurrence
from rules.trials.report import Change, Report
from rules.trials.scores import Score

_ENVIRONMENT = environment("lifeline")
_TARGETS = ("≤ 1", "≤ 10", "< 1 %", "< 5 %", "0", "0", "< 5", "")
_MOST_MISSED = 50


def page(report: Report, language: str) -> str:
    """The report as HTML, in a language of the catalogue."""

    def word(key: str, **values: object) -> str:
        return say(f"backtest.{key}", language, **values)

    def level(name: str) -> Markup:
        mark = Markup('<span class="mark {}">{}</span> ').format(name, MARKS.get(name, ""))
        return mark + escape(say(f"levels.{name}", language))

    changes, shape = report.changes(), report.shape()
    last = report.new.outcome
    plots = {
        "raised": backtestplots.raised_over_time(report, language),
        "peak": backtestplots.peak_over_time(report, language),
        "minutes": backtestplots.minutes_by_rule(report, language),
        "leads": backtestplots.leads(report, language),
    }
    return _ENVIRONMENT.get_template("backtest.html").render(
        say=word, level=level, language=language, plots=plots, sides=report.sides, compared=report.old is not None,
        span=word("span", from_=_minute(report.span.from_us), to=_minute(report.span.to_us) + " UTC"),
        source=word("source", source=report.source, readings=f"{last.readings:,}", seconds=f"{last.seconds:.0f}"),
        named={"as it was": word("as_it_was"), "the city's own": word("city_own")},
        tally={"only_new": 0, "only_old": 0, "moved": 0, **Counter(change.kind for change in changes)},
        rows=shape["rules"], loads=list(_loads(report, word)), tops=list(_tops(report)),
        scored=list(_scores(report)), missed=_missed(report),
        changes=[_change(change, language) for change in changes],
    )  # fmt: skip


def tables(report: Report, most: int) -> list[Table | str]:
    """The report for a terminal, with at most `most` of the changes."""

    def word(key: str, **values: object) -> str:
        return say(f"backtest.{key}", "en", **values)

    names = [side.name for side in report.sides]
    made: list[Table | str] = [_rules_table(report, names)]
    if report.new.scored:
        scores = _table(
            "Against labelled events", "rules", "level", "hits", "misses", "false", "per sensor-year", "lead, min"
        )
        for row in _scores(report):
            scores.add_row(*(str(row[key]) for key in ("side", "level", "hits", "misses", "false", "rate", "lead")))
        made.append(scores)
    loads = _table("What it asks of people", "", *names, "target")
    for row in _loads(report, word):
        loads.add_row(row["what"], *row["values_"], row["target"])
    made.append(loads)
    if report.old is not None:
        made += _changes_table(report.changes(), most)
    missing = max(side.outcome.missing for side in report.sides)
    if missing:
        made.append(f"{missing:,} readings that were decided on live are not in the database any more.")
    return made


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for at, column in enumerate(columns):
        table.add_column(column, justify="left" if at == 0 else "right")
    return table


def _rules_table(report: Report, names: Sequence[str]) -> Table:
    heads = [f"{name} {what}" for name in names for what in ("alarms", "minutes", "places")]
    span = f"{_minute(report.span.from_us)} to {_minute(report.span.to_us)} UTC"
    table = _table(f"Backtest, {span}", "rule", "level", *heads)
    for row in report.shape()["rules"]:
        cells = [f"{row[name][what]:,}" for name in names for what in ("alarms", "minutes", "scopes")]
        table.add_row(row["rule"], row["level"], *cells)
    if not table.rows:
        table.add_row("no alarms", "", *[""] * len(heads))
    return table


def _changes_table(changes: Sequence[Change], most: int) -> Iterator[Table | str]:
    counts = Counter(change.kind for change in changes)
    said = ", ".join(f"{counts[kind]} {kind.replace('_', ' ')}" for kind in ("only_new", "only_old", "moved"))
    table = _table(f"What changed: {said}", "raised (UTC)", "rule", "place", "change", "old", "new")
    for change in changes[:most]:
        row = _change(change, "en")
        table.add_row(row["at"], row["rule"], row["scope"], row["kind"].replace("_", " "), row["old"], row["new"])
    yield table
    if len(changes) > most:
        yield f"… and {len(changes) - most} more, all of them with --format json or html."


def _minute(time_us: int) -> str:
    return f"{from_us(time_us):%Y-%m-%d %H:%M}"


def _change(change: Change, language: str) -> dict[str, str]:
    alarm = change.any
    at = f"{from_us(alarm.raised_us):%Y-%m-%d %H:%M:%S}"
    old, new = _alarm(change.old, alarm, language), _alarm(change.new, alarm, language)
    return {"at": at, "rule": alarm.rule, "scope": alarm.scope, "kind": change.kind, "old": old, "new": new}


def _alarm(alarm: Occurrence | None, beside: Occurrence, language: str) -> str:
    """Highest level, how long it stood, and by how much it began earlier or later than the one beside it."""
    if alarm is None:
        return "–"
    word = say(f"levels.{alarm.peak.word}", language)
    stood = say("backtest.stands", language)
    if alarm.cleared_us is not None:
        stood = length((alarm.cleared_us - alarm.raised_us) / 1e6, language)
    shift_s = (alarm.raised_us - beside.raised_us) / 1e6
    moved = f" ({'+' if shift_s > 0 else '−'}{length(abs(shift_s), language)})" if shift_s else ""
    return f"{word} · {stood}{moved}"


def _loads(report: Report, word: Callable[..., str]) -> Iterator[dict[str, Any]]:
    loads = [side.load(report.span) for side in report.sides]
    keys = ("per_10_minutes", "peak", "flood", "top_share", "chattering", "fleeting", "standing", "mix")
    for key, target in zip(keys, _TARGETS, strict=True):
        yield {"what": word(key), "values_": [_load(load, key) for load in loads], "target": target}


def _load(load: Load, key: str) -> str:
    match key:
        case "per_10_minutes":
            return f"{load.per_bin:.3f}"
        case "peak":
            return str(load.peak)
        case "flood":
            return f"{len(load.floods)}; {load.flood_share:.2%}"
        case "top_share":
            return f"{load.top_share:.1%}"
        case "chattering":
            return str(len(load.chattering))
        case "fleeting":
            return str(load.fleeting)
        case "standing":
            return str(load.standing)
        case _:
            return " / ".join(f"{100 * load.shares[level]:.0f}" for level in COLOURS) + " %"


def _tops(report: Report) -> Iterator[list[tuple[str, str]]]:
    for line in zip_longest(*(side.load(report.span).top for side in report.sides)):
        yield [(entry[0], str(entry[1])) if entry else ("", "") for entry in line]


def _scores(report: Report) -> Iterator[dict[str, Any]]:
    for level in reversed(COLOURS):
        for side in report.sides:
            for score in side.scored.scores if side.scored else ():
                if score.level is level:
                    yield {"side": side.name, "level": level.word, **_score(score)}


def _score(score: Score) -> dict[str, Any]:
    lead = "–"
    if score.lead_s is not None:
        median, low, high = (seconds / 60 for seconds in score.lead_s)
        lead = f"{median:.1f} ({low:.1f} … {high:.1f})"
    rate = f"{score.false_per_sensor_year:.3g}"
    return {"hits": score.hits, "misses": score.misses, "false": score.false, "rate": rate, "lead": lead}


def _missed(report: Report) -> str:
    scored = report.new.scored
    missed = scored.missed if scored else ()
    names = [f"{event.place} {_minute(event.start_us)}" for event in missed[:_MOST_MISSED]]
    return ", ".join(names) + (f" … (+{len(missed) - _MOST_MISSED})" if len(missed) > _MOST_MISSED else "")
