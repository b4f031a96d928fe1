"""`lifeline status` on a terminal: what is wrong first, then the roles, then figures; in English and Chinese."""

from __future__ import annotations

from datetime import tzinfo

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from city.words import say
from lifeline.display import harmless
from lifeline.healthwords import retell
from lifeline.screen import STYLE as LEVEL_STYLE
from lifeline.status import RoleLine, Status, Trouble
from store.health import State, human

STYLE: dict[State, str] = {"ok": "green", "warning": "yellow", "fault": "bold red"}
_LONGEST = 300  # characters of a line of what is said of one trouble
_MOST_LINES = 8
_SPANS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s"))


def picture(status: Status, language: str, zone: tzinfo, hint: bool = False) -> RenderableType:
    """The whole screen."""

    def said(key: str, **values: object) -> str:
        return say(f"status.{key}", language, **values)

    if status.at is None:
        return Panel(
            Group(Text(said("away"), style=STYLE["fault"]), Text(said("away_advice"))),
            title=said("title"),
            border_style="red",
        )
    faults, warnings = status.count("fault"), status.count("warning")
    worst: State = "fault" if faults else "warning" if warnings else "ok"
    head = said("troubles", faults=faults, warnings=warnings) if faults or warnings else said("well")
    time = said("city_time", time=status.at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S"))
    parts: list[RenderableType] = [Text(f"{head}  ·  {time}", style=STYLE[worst])]
    if status.troubles:
        parts.append(_troubles(status.troubles, language))
    parts += [Text(""), _roles(status.roles, language), Text(""), _figures(status, language)]
    if hint:
        parts.append(Text(said("hint"), style="dim"))
    return Panel(
        Group(*parts), title=said("title"), border_style={"ok": "green", "warning": "yellow"}.get(worst, "red")
    )


def _troubles(troubles: tuple[Trouble, ...], language: str) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for trouble in troubles:
        found = retell(trouble.found, language) or ("" if trouble.advice else say("status.never", language))
        text = Text(_lines(found, language))
        if trouble.advice and trouble.advice != trouble.found:
            advice = retell(trouble.advice, language)
            text.append(f"{' ' if found else ''}→ {_lines(advice, language)}", style="bold")
        if trouble.entry:
            text.append(f" ({trouble.entry})", style="dim")
        table.add_row(
            Text(say(f"status.{trouble.state}", language), style=STYLE[trouble.state]), harmless(trouble.name), text
        )
    return table


def _lines(text: str, language: str) -> str:
    """The first lines of it, such as the faults of a city folder, and how many there are more."""
    lines = [harmless(line[:_LONGEST]) for line in text.splitlines()]
    more = [say("status.more_lines", language, n=len(lines) - _MOST_LINES)] if len(lines) > _MOST_LINES else []
    return "\n".join(lines[:_MOST_LINES] + more)


def _roles(roles: tuple[RoleLine, ...], language: str) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 1))
    for key in ("role", "pid", "uptime", "beat", "restarts", "memory", "cpu"):
        table.add_column(say(f"status.{key}", language), justify="left" if key == "role" else "right", no_wrap=True)
    for line in roles:
        table.add_row(
            Text(f"● {line.role}", style=STYLE[line.state]),
            str(line.pid),
            span(line.running_s),
            Text(f"{line.age_s:.1f} s", style="" if line.state == "ok" else STYLE["fault"]),
            Text(str(line.restarts), style="yellow" if line.restarts else ""),
            "–" if line.rss_bytes is None else human(line.rss_bytes),
            "–" if line.cpu_s is None else span(line.cpu_s),
        )
    return table


def _figures(status: Status, language: str) -> Table:
    def said(key: str, **values: object) -> str:
        return say(f"status.{key}", language, **values)

    flow, gateways, notices = status.flow, status.gateways, status.notices
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    rates = said("flow_said", rate=f"{flow.stored_per_s:,.1f}", rejected=f"{flow.rejected_per_s:,.1f}")
    table.add_row(said("flow"), rates)
    lags = {
        "commit": f"{flow.commit_s:,.1f}",
        "decision": f"{flow.decision_s:,.1f}",
        "journal": f"{flow.journal_s:,.1f}",
    }
    table.add_row(said("lags"), said("lags_said", rows=f"{flow.journal_rows:,}", **lags))
    heard = {"heard": gateways.all - gateways.silent, "all": gateways.all, "silent": gateways.silent}
    table.add_row(said("gateways"), said("gateways_said", skewed=gateways.skewed, stale=gateways.stale, **heard))
    table.add_row(said("incidents"), _incidents(status, language))
    told = {"waiting": notices.waiting, "oldest": f"{notices.oldest_s:,.0f}", "sent": notices.sent}
    table.add_row(said("notices"), said("notices_said", failed=notices.failed, **told))
    kept = [retell(status.store.get(key, ""), language) for key in ("tier", "size", "days_left")]
    table.add_row(said("store"), said("apart").join(part for part in kept if part) or "–")
    return table


def _incidents(status: Status, language: str) -> Text:
    if not status.incidents:
        return Text(say("status.none", language), style="dim")
    text = Text()
    for line in status.incidents:
        level = say("demo.over", language) if line.level == "none" else say(f"levels.{line.level}", language)
        text.append(f" {level} ", style=LEVEL_STYLE[line.level])
        text.append(f" {line.incidents} {say(f'dashboard.stage_{line.stage}', language)}  ")
    if waiting := sum(line.waiting for line in status.incidents):
        text.append(say("status.waiting", language, n=waiting), style="yellow")
    return text


def span(seconds: float) -> str:
    """Seconds in the two largest units that fit, such as 3d 4h."""
    parts: list[str] = []
    for size, unit in _SPANS:
        if (count := int(seconds // size)) or (unit == "s" and not parts):
            parts.append(f"{count}{unit}")
            seconds -= count * size
    return " ".join(parts[:2])
