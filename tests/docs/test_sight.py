"""The examples of docs/sight.md are true."""

from __future__ import annotations

import json
import re
from pathlib import Path

from city.yamlfile import parse
from lifeline.logevents import EVENTS

TEXT = (Path(__file__).parents[2] / "docs" / "sight.md").read_text(encoding="utf-8")


def test_the_examples_are_what_they_say() -> None:
    line = json.loads(re.findall(r"```json\n(.+?)\n```", TEXT, re.DOTALL)[0])
    assert line["action"] in EVENTS
    config, _ = parse(re.findall(r"```yaml\n(.+?)```", TEXT, re.DOTALL)[0], "prometheus.yml")
    assert isinstance(config, dict)
    assert config["scrape_configs"][0]["job_name"] == "lifeline"
    for name in re.findall(r"`(LIFELINE_LOG_\w+)`", TEXT):
        assert name in (Path(__file__).parents[2] / "lifeline" / "logs.py").read_text(encoding="utf-8")
