"""Watchdogs: Grafana's own alert rules over the platform, a second path that needs nothing of ours but the database.

They ask public views only and fire when Lifeline is silent, when Grafana gets no answer, and when the database is gone.
Whom they tell is the operator's: no contact point and no notification policy is ever written, and what a rule was given
by hand (its own receiver, a pause) stays when the rules are pushed again.

Each query answers with one row of one number, never NULL: what was never seen is older than anything.
"""

from __future__ import annotations

from dataclasses import dataclass

from city.words import say
from dashboards.builder import POSTGRES, SOURCE_UID, Json

FOLDER_UID = "lifeline-watchdogs"
GROUP = "lifeline-watchdogs"
EVERY_S = 30
NEVER_S = "1e9"
KEPT = ("notification_settings", "isPaused")  # the operator's, once a rule stands


@dataclass(frozen=True, slots=True)
class Watchdog:
    """One rule: it fires when the number that `sql` answers stays above `limit` for `for_s` seconds."""

    name: str
    sql: str
    limit: float
    for_s: int
    severity: str

    @property
    def uid(self) -> str:
        """The rule's uid in Grafana."""
        return f"lifeline-watchdog-{self.name}"


def _silent(name: str) -> str:
    """Seconds since a role's last sign of life (wall time)."""
    return f"SELECT coalesce(max(value), {NEVER_S})::float8 AS value FROM city.health WHERE name = 'role_{name}'"  # noqa: S608 - our own names


WATCHDOGS: tuple[Watchdog, ...] = (
    Watchdog(
        "platform",
        f"SELECT coalesce(min(value), {NEVER_S})::float8 AS value FROM city.health WHERE name LIKE 'role\\_%'",  # noqa: S608 - a number
        limit=60,
        for_s=60,
        severity="critical",
    ),
    Watchdog(
        "readings",
        f"SELECT coalesce(min(age_s), {NEVER_S})::float8 AS value FROM city.latest",  # noqa: S608 - a number
        limit=300,
        for_s=60,
        severity="critical",
    ),
    Watchdog("watcher", _silent("watcher"), limit=60, for_s=60, severity="critical"),
    Watchdog("notifier", _silent("notifier"), limit=60, for_s=60, severity="critical"),
    # The keeper measures it: what it said last counts as older by as long as it has been silent itself.
    Watchdog(
        "ingest",
        f"""\
SELECT (coalesce(max(value) FILTER (WHERE name = 'recorder_lag'), 0)
        + coalesce(max(value) FILTER (WHERE name = 'role_keeper'), {NEVER_S}))::float8 AS value
FROM city.health""",  # noqa: S608 - a number
        limit=120,
        for_s=60,
        severity="warning",
    ),
    # Only what is due: a step of a chain and another try may wait for their time.
    Watchdog(
        "outbox",
        """\
SELECT coalesce(extract(epoch FROM city.now() - min(created_at)), 0)::float8 AS value
FROM city.notices WHERE state IN ('queued', 'sending') AND coalesce(next_try_at, created_at) <= city.now()""",
        limit=180,
        for_s=60,
        severity="critical",
    ),
    Watchdog(
        "heartbeat",
        "SELECT count(*)::float8 AS value FROM city.health WHERE name = 'heartbeat' AND state = 'fault'",
        limit=0,
        for_s=120,
        severity="warning",
    ),
)


def rule(dog: Watchdog, language: str = "en", source_uid: str = SOURCE_UID) -> Json:
    """One rule as both the provisioning API and provisioning files spell it."""
    words = {tongue: say(f"watchdog.{dog.name}_help", tongue, limit_s=f"{dog.limit:g}") for tongue in ("en", "zh")}
    other = "zh" if language == "en" else "en"
    return {
        "uid": dog.uid,
        "title": say(f"watchdog.{dog.name}", language),
        "condition": "B",
        "data": [_query(dog, source_uid), _threshold(dog)],
        "noDataState": "Alerting",
        "execErrState": "Alerting",
        "for": f"{dog.for_s // 60}m",
        "annotations": {
            "summary": words[language],
            f"summary_{other}": words[other],
            "runbook": f"deploy/RUNBOOK.md#watchdog_{dog.name}",
        },
        "labels": {"source": "lifeline", "watchdog": dog.name, "severity": dog.severity},
        "isPaused": False,
    }


def _query(dog: Watchdog, source_uid: str) -> Json:
    model = {
        "refId": "A",
        "datasource": {"type": POSTGRES, "uid": source_uid},
        "format": "table",
        "rawQuery": True,
        "editorMode": "code",
        "rawSql": dog.sql,
        "intervalMs": 1000,
        "maxDataPoints": 43200,
    }
    span = {"from": 600, "to": 0}
    return {"refId": "A", "queryType": "", "relativeTimeRange": span, "datasourceUid": source_uid, "model": model}


def _threshold(dog: Watchdog) -> Json:
    model = {
        "refId": "B",
        "datasource": {"type": "__expr__", "uid": "__expr__"},
        "type": "threshold",
        "expression": "A",
        "conditions": [{"evaluator": {"type": "gt", "params": [dog.limit]}}],
        "intervalMs": 1000,
        "maxDataPoints": 43200,
    }
    span = {"from": 600, "to": 0}
    return {"refId": "B", "queryType": "", "relativeTimeRange": span, "datasourceUid": "__expr__", "model": model}


def group(language: str = "en", standing: Json | None = None) -> Json:
    """The rule group as the API takes it; of `standing`, the group that is there, the operator's own keys are kept."""
    theirs = {one.get("uid"): one for one in (standing or {}).get("rules", ())}
    rules = []
    for dog in WATCHDOGS:
        kept = {key: theirs[dog.uid][key] for key in KEPT if theirs.get(dog.uid, {}).get(key)}
        rules.append(rule(dog, language) | {"folderUID": FOLDER_UID, "ruleGroup": GROUP, "orgID": 1} | kept)
    return {"title": GROUP, "folderUid": FOLDER_UID, "interval": EVERY_S, "rules": rules}


def provisioned(language: str = "en") -> Json:
    """The same group as a provisioning file says it.

    Its folder has a title of its own: Grafana provisions alerting first and finds folders by title, so that one shared
    with the dashboards would be made with another uid than theirs.
    """
    folder = say("watchdog.folder", language)
    rules = [rule(dog, language) for dog in WATCHDOGS]
    made = {"orgId": 1, "name": GROUP, "folder": folder, "interval": f"{EVERY_S}s", "rules": rules}
    return {"apiVersion": 1, "groups": [made]}
