"""docs/sight.md has every metric and every event as the program has them, and its examples are true."""

from __future__ import annotations

import json
import re
from pathlib import Path

from city.yamlfile import parse
from lifeline.http.metriclist import METRICS
from lifeline.logevents import EVENTS

TEXT = (Path(__file__).parents[2] / "docs" / "sight.md").read_text(encoding="utf-8")


def test_every_metric_stands_there_with_kind_unit_and_sentence() -> None:
    rows = re.findall(r"^\| `(lifeline_\w+)` \| (\w+) \| (\S+) \| (.+?) \| (.+) \|$", TEXT, re.MULTILINE)
    assert [row[:4] for row in rows] == [(m.name, m.kind, m.unit or "–", m.sentence) for m in METRICS]
    for row, metric in zip(rows, METRICS, strict=True):
        assert set(re.findall(r"`(\w+)`:", row[4])) == set(metric.labels), metric.name


def test_every_event_stands_there_with_its_sentence() -> None:
    logs = TEXT[TEXT.index("| event | what |") :]
    assert dict(re.findall(r"^\| `([\w.]+)` \| (.+) \|$", logs, re.MULTILINE)) == dict(EVENTS)


def test_the_examples_are_what_they_say() -> None:
    line = json.loads(re.findall(r"```json\n(.+?)\n```", TEXT, re.DOTALL)[0])
    assert line["action"] in EVENTS
    config, _ = parse(re.findall(r"```yaml\n(.+?)```", TEXT, re.DOTALL)[0], "prometheus.yml")
    assert isinstance(config, dict)
    assert config["scrape_configs"][0]["job_name"] == "lifeline"
    for name in re.findall(r"`(LIFELINE_LOG_\w+)`", TEXT):
        assert name in (Path(__file__).parents[2] / "lifeline" / "logs.py").read_text(encoding="utf-8")
