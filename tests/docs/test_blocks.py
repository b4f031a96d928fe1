"""The law of the documents: every fenced block says its language, is well formed, and is taken by a named test.

`TAKEN` names that test for each page and info string; a new page or kind of block fails until a test takes it and
stands here. Beside it, whatever page a block is on: shell is a command that there is, with all it needs; YAML, JSON and
Python can be read; nothing is shown as an indented block, which has no language.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from configparser import ConfigParser
from functools import cache
from pathlib import Path

import pytest

from city.yamlfile import parse
from store.connection import connect
from tests.docs.commandline import fault, ours, simple_commands
from tests.docs.fenced import ROOT, Fence, fenced, fences

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (
        *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md"),
        *(ROOT / "city").rglob("*.md"), *(ROOT / "store").rglob("*.md"), *(ROOT / "bench").rglob("*.md"),
    )
)  # fmt: skip
# Commands of nothing but Lifeline, whose arguments and options are held against the program here.
COMMANDS = "tests/docs/test_blocks.py::test_every_command_can_be_typed"
TAKEN = {
    ("README.md", "sh"): COMMANDS,
    (
        "README.md",
        "text",
    ): "tests/docs/test_fences.py::test_the_drawing_in_the_readme_has_each_room_above_those_it_may_import",
    ("README.md", "json"): "tests/docs/test_blocks.py::test_the_readings_of_the_readme_are_taken",
    ("README.zh.md", "json"): "tests/docs/test_readme_zh.py::test_what_is_typed_and_sent_is_the_same",
    ("README.zh.md", "sh"): "tests/docs/test_readme_zh.py::test_what_is_typed_and_sent_is_the_same",
    ("README.zh.md", "text"): "tests/docs/test_readme_zh.py::test_what_is_typed_and_sent_is_the_same",
    ("deploy/README.md", "sh"): "tests/deploy/test_readme.py::test_lifelines_own_commands_do_what_is_told",
    ("deploy/SECURITY.md", "sh"): COMMANDS,
    ("deploy/backup.md", "ini"): "tests/docs/test_blocks.py::test_settings_of_postgresql_are_ones_it_knows",
    ("deploy/backup.md", "sh"): COMMANDS,
    (
        "deploy/systemd/README.md",
        "sh",
    ): "tests/service/test_install.py::test_every_command_of_the_pages_names_what_there_is",
    ("deploy/upgrade.md", "sh"): "tests/service/test_install.py::test_every_command_of_the_pages_names_what_there_is",
    ("docs/accounts.md", "nginx"): "tests/docs/test_blocks.py::test_the_proxy_hands_on_what_the_page_asks_for",
    ("docs/accounts.md", "sh"): COMMANDS,
    ("docs/api.md", "sh"): "tests/docs/test_apipage.py::test_the_examples_work",
    ("docs/backtest.md", "sh"): "tests/trials/test_backtest_example.py::played",
    ("docs/backtest.md", "text"): "tests/trials/test_backtest_example.py::test_the_example_prints_what_the_page_shows",
    ("docs/cap.md", "yaml"): "tests/docs/test_cap_crew.py::test_the_section_is_read_and_names_every_key_but_one",
    ("docs/dashboards.md", "sh"): COMMANDS,
    ("docs/detection-benchmark.md", "sh"): COMMANDS,
    ("docs/detection.md", "sh"): COMMANDS,
    (
        "docs/detection.md",
        "text",
    ): "tests/docs/test_detection_page.py::test_the_sentence_of_a_sign_is_the_one_explained",
    ("docs/detectors-score.md", "sh"): "tests/docs/test_score_page.py::test_the_commands_run_and_the_leap_is_found",
    ("docs/detectors-score.md", "text"): "tests/docs/test_score_page.py::test_the_commands_run_and_the_leap_is_found",
    ("docs/detectors.md", "yaml condition"): "tests/docs/test_detectors.py::test_its_conditions_load",
    ("docs/detectors.md", "yaml detection.yaml"): "tests/docs/test_detectors.py::test_its_settings_load",
    (
        "docs/detectors.md",
        "yaml rules/gauges.yaml",
    ): "tests/docs/test_detectors_structures.py::test_the_rules_of_the_section_load",
    (
        "docs/detectors.md",
        "yaml rules/points.yaml",
    ): "tests/docs/test_detectors_structures.py::test_the_rules_of_the_section_load",
    ("docs/drills.md", "sh"): COMMANDS,
    ("docs/drills.md", "yaml"): "tests/docs/test_drills.py::test_the_storyline_of_the_page_has_no_fault",
    ("docs/escalation-cookbook.md", "sh"): "tests/docs/test_escalation_cookbook.py::test_the_commands_run",
    (
        "docs/escalation-cookbook.md",
        "text",
    ): "tests/docs/test_escalation_cookbook.py::test_two_people_read_it_each_in_their_own_language",
    ("docs/escalation-cookbook.md", "yaml"): "tests/docs/test_escalation_cookbook.py::test_a_recipe_calls_whom_it_says",
    ("docs/escalation.md", "ics"): "tests/docs/test_escalation.py::test_the_roster_of_the_page_is_as_it_says",
    ("docs/escalation.md", "sh"): "tests/docs/test_escalation.py::test_every_command_runs",
    ("docs/escalation.md", "yaml"): "tests/docs/test_escalation.py::test_the_parts_make_one_file_without_a_fault",
    ("docs/faults.md", "sh"): COMMANDS,
    ("docs/gateway.md", "sh"): COMMANDS,
    (
        "docs/gateway.md",
        "yaml",
    ): "tests/docs/test_gateway.py::test_every_example_is_tried_and_every_kind_of_source_is_shown",
    (
        "docs/ingest.md",
        "sql",
    ): "tests/docs/test_ingest_page.py::test_views_reasons_and_lines_of_health_are_those_there_are",
    ("docs/ingest.md", "text"): "tests/docs/test_blocks.py::test_the_sum_of_the_books_can_be_asked_for",
    ("docs/ingest.md", "yaml quality"): "tests/docs/test_ingest_page.py::test_the_settings_load",
    ("docs/install.md", "sh"): COMMANDS,
    ("docs/maintenance.md", "sh"): "tests/docs/test_maintenance.py::test_the_command_runs",
    (
        "docs/maintenance.md",
        "yaml",
    ): "tests/docs/test_maintenance.py::test_the_calendar_of_the_page_has_no_fault_and_no_warning",
    ("docs/notices.md", "json"): "tests/docs/test_notices.py::test_the_heartbeat_is_as_shown",
    ("docs/notices.md", "python"): "tests/docs/test_notices.py::test_the_example_tells_our_notices_from_others",
    ("docs/operations.md", "sh"): "tests/docs/test_operations.py::test_every_command_of_the_year_runs",
    ("docs/rule-cookbook.md", "csv"): "tests/docs/test_rule_cookbook.py::test_a_recipe_does_what_it_says",
    ("docs/rule-cookbook.md", "sh"): "tests/docs/test_rule_cookbook.py::test_the_commands_of_the_page_run",
    ("docs/rule-cookbook.md", "yaml"): "tests/docs/test_rule_cookbook.py::test_a_recipe_does_what_it_says",
    ("docs/rule-tests.md", "csv"): "tests/trials/test_docs.py::test_the_explanation_on_the_page_is_what_comes",
    ("docs/rule-tests.md", "sh"): COMMANDS,
    ("docs/rule-tests.md", "text"): "tests/trials/test_docs.py::test_the_explanation_on_the_page_is_what_comes",
    ("docs/rule-tests.md", "yaml"): "tests/trials/test_docs.py::test_every_block_of_yaml_is_a_file_that_is_used",
    ("docs/rules.md", "yaml"): "tests/docs/test_rules.py::test_every_example_is_tried",
    ("docs/sight.md", "json"): "tests/docs/test_sight.py::test_the_examples_are_what_they_say",
    ("docs/sight.md", "sh"): COMMANDS,
    ("docs/sight.md", "yaml"): "tests/docs/test_sight.py::test_the_examples_are_what_they_say",
    ("docs/simulated-city.md", "sh"): COMMANDS,
    ("docs/simulated-city.md", "yaml"): "tests/docs/test_simulated_city.py::test_the_example_of_a_file_is_one",
}
# Pages whose test walks through all of their blocks, whatever their info strings.
WALKED = {
    "docs/connect.md": "tests/docs/test_connect.py::test_every_example_is_taken_on_a_demonstration",
    "docs/first-city.md": "tests/docs/test_first_city.py::test_a_reader_gets_from_an_empty_folder_to_a_closed_incident",
    "docs/formats.md": "tests/ingest/test_formats_doc.py::test_every_kind_of_block_is_tried",
}
# What the shell blocks may call beside Lifeline.
PROGRAMS = {
    *(".", "apt-get", "awk", "cat", "cd", "chmod", "cp", "curl", "date", "docker", "export", "find", "grep", "install"),
    *(
        "ln",
        "mkdir",
        "mosquitto_pub",
        "mv",
        "pgbackrest",
        "pip",
        "printf",
        "python3",
        "sed",
        "set",
        "sleep",
        "systemctl",
    ),
}
BLOCKS = [fence for page in PAGES for fence in fences(page)]
SHELL = [fence for fence in BLOCKS if fence.info.split(" ")[0] == "sh"]


def where(fence: Fence) -> str:
    return f"{fence.page}:{fence.line}"


@cache
def functions(module: str) -> set[str]:
    """The names of a test module's functions."""
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_block_says_its_language_and_a_named_test_takes_it() -> None:
    there = {(fence.page, fence.info) for fence in BLOCKS}
    free = {(page, info) for page, info in there if page not in WALKED}
    assert sorted(f"{page}: ```{info}" for page, info in free - set(TAKEN)) == [], "no test takes these"
    assert sorted(set(TAKEN) - free) == [], "no such block any more"
    assert sorted(set(WALKED) - {page for page, _ in there}) == [], "no such page any more"
    assert [where(fence) for fence in BLOCKS if not fence.info] == []


@pytest.mark.parametrize("named", sorted({*TAKEN.values(), *WALKED.values()}))
def test_the_tests_named_are_there_and_read_their_pages(named: str) -> None:
    module, _, function = named.partition("::")
    assert function in functions(module)
    if named == COMMANDS:  # reads whatever page there is
        return
    text = (ROOT / module).read_text(encoding="utf-8")
    takes = [*((page, test) for (page, _), test in TAKEN.items()), *WALKED.items()]
    for page in [page for page, test in takes if test == named]:
        assert Path(page).name in text, f"{named} does not read {page}"


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_shown_as_an_indented_block(page: str) -> None:
    text = re.sub(r"(?ms)^( *)(```+).*?^\1\2\s*$", "", (ROOT / page).read_text(encoding="utf-8"))
    assert re.findall(r"(?m)(?<=\n\n)    (?![-*\d ]|\|).*", f"\n\n{text}") == []


@pytest.mark.parametrize("fence", SHELL, ids=where)
def test_every_command_can_be_typed(fence: Fence) -> None:
    shell = shutil.which("sh")
    assert shell is not None
    done = subprocess.run([shell, "-n"], input=fence.text, capture_output=True, text=True, check=False)  # noqa: S603 - reads only
    assert done.returncode == 0, done.stderr
    own = set(re.findall(r"(?m)^(\w+) ?\(\)", "".join(other.text for other in SHELL if other.page == fence.page)))
    for words in simple_commands(fence.text):
        said = ours(words)
        if said is not None:
            assert fault(said, whole=True) == "", f"{where(fence)}: lifeline {' '.join(said)}"
        elif "/" in words[0] and not words[0].startswith("/"):
            assert (ROOT / words[0]).is_file(), words[0]
        else:
            assert {words[0], Path(words[0]).name} & (PROGRAMS | own), f"{where(fence)}: {words[0]}"


def test_what_cannot_be_typed_is_found() -> None:
    text = (
        "lifeline chekc D; lifeline rosters --form x && sudo bin/lifeline check\nlifeline bench detection --seeds | cat"
    )
    faults = [fault(said, whole=True) for words in simple_commands(text) if (said := ours(words)) is not None]
    assert len(faults) == 4
    assert "no such command: chekc" in faults[0]
    assert "--form" in faults[1]
    assert "missing" in faults[2]
    assert "--seeds" in faults[3]
    kept = list(simple_commands("X=1 cat <<'END' > a.txt 2>&1\nlifeline nothing\nEND\nA=$(date +%s) # lifeline no\n"))
    assert kept == [["cat"], ["date", "+%s"]]


@pytest.mark.parametrize(
    "fence", [one for one in BLOCKS if one.info.split(" ")[0] in ("yaml", "json", "python")], ids=where
)
def test_data_and_programs_can_be_read(fence: Fence) -> None:
    language = fence.info.split(" ")[0]
    if language == "python":
        compile(fence.text, where(fence), "exec")
    elif language == "json":
        json.loads(fence.text)
    elif fence.info != "yaml condition" and not fence.text.startswith("{"):  # those are one condition a line
        parse(fence.text, where(fence))


def test_the_readings_of_the_readme_are_taken() -> None:
    from ingest.decoders import Decoders
    from ingest.message import ReadingsMessage

    [block] = fenced("README.md", "json")
    message = Decoders([]).decode("lifeline/v1/north/gw-1/readings", block.text.encode(), 1_782_864_006_000_000)
    assert isinstance(message, ReadingsMessage)
    assert not message.refused
    assert set(message.sensor) == {"wl-017", "st-003"}


def test_the_drawing_names_roles_that_there_are() -> None:
    from lifeline.roles import CORE

    page = (ROOT / "deploy" / "SECURITY.md").read_text(encoding="utf-8")
    [(words, target)] = re.findall(r"!\[([^\]]+)\]\((\S+\.svg)\)", page)
    drawing = (ROOT / "deploy" / target).read_text(encoding="utf-8")
    boxes = set(re.findall(r'<g class="box[^"]*" id="(\w+)"', drawing))
    assert set(CORE) | {"api", "broker", "database", "gateway", "grafana"} <= boxes
    assert not re.findall(r"<script|href=|@import|url\((?!#)", drawing), "a reader's browser asks nobody else"
    assert [box for box in sorted(boxes - {"services"}) if box not in words.lower()] == []


def test_settings_of_postgresql_are_ones_it_knows(database: str) -> None:
    backrest, postgres = fenced("deploy/backup.md", "ini")
    with connect(database) as conn:
        known = {row[0] for row in conn.execute("SELECT name FROM pg_settings").fetchall()}
    lines = [line for line in postgres.text.splitlines() if not line.startswith("#")]
    assert {line.partition(" = ")[0] for line in lines} <= known
    config = ConfigParser()
    config.read_string(backrest.text)
    stanza = set(
        re.findall(r"--stanza=(\w+)", "".join(one.text for one in fenced("deploy/backup.md", "sh")) + postgres.text)
    )
    assert stanza == set(config.sections()) - {"global"}
    assert all(
        re.fullmatch(r"(repo|pg)1-[a-z-]+|start-fast|compress-type", key) for one in config.values() for key in one
    )


def test_the_proxy_hands_on_what_the_page_asks_for() -> None:
    [block] = fenced("docs/accounts.md", "nginx")
    lines = block.text.splitlines()
    assert (lines[0], lines[-1]) == ("location / {", "}")
    assert all(re.fullmatch(r"    proxy_\w+ .+;", line) for line in lines[1:-1])
    used = "".join(path.read_text(encoding="utf-8").lower() for path in (ROOT / "lifeline/http").rglob("*.py"))
    for header in re.findall(r"proxy_set_header (X-\S+)", block.text):
        assert header.lower() in used, header


def test_the_sum_of_the_books_can_be_asked_for(database: str) -> None:
    [block] = fenced("docs/ingest.md", "text")
    with connect(database) as conn:
        wrong = f"SELECT count(*) FROM city.gateway_hours WHERE NOT ({block.text})"  # noqa: S608 - the page's own
        assert conn.execute(wrong.encode()).fetchone() == (0,)
        columns = conn.execute("SELECT * FROM city.gateway_hours LIMIT 0").description or []
    assert set(re.findall(r"\w+", block.text)) <= {column.name for column in columns}


def test_every_statement_that_a_page_asks_by_psql_is_one(database: str) -> None:
    text = "".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
    statements = [found[1] for found in re.findall(r"""psql "\$LIFELINE_DATABASE_URL" -c (['"])(.+?)\1`""", text)]
    assert len(statements) > 10
    with connect(database, autocommit=True) as conn:
        for statement in statements:
            if "timescaledb_information" not in statement:  # a view of TimescaleDB's own
                conn.execute(statement.encode())
