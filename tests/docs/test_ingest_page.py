"""The page about what becomes of a reading is true: its settings load, its limits are built in, its words exist."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

from city import duration
from city.display import unit_name
from city.example import example_files
from city.load import load_city
from city.quality import BUILT_IN
from city.quantity import QUANTITIES
from ingest.qartod import Check
from store.connection import connect

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ingest.md"
TABLE = re.compile(r"(?<=\| --- \| --- \| --- \| --- \| --- \| --- \|\n).*?(?=<!-- end -->)", re.DOTALL)


def built_in() -> str:
    """The limits that are built in, as rows of the page's table."""

    def limit(value: float, unit: str, more: str = "") -> str:
        return f"{value:g} {unit}{more}" if math.isfinite(value) else ""

    rows = []
    for name, tests in BUILT_IN.items():
        unit, flat = unit_name(QUANTITIES[name].unit, "en"), tests.flat_line
        cells = [
            f"`{name}`",
            limit(tests.spike.change, unit),
            limit(tests.rate.change, unit, f" in {duration.write(tests.rate.within_s)}"),
            duration.write(flat.for_s) if math.isfinite(flat.for_s) else "",
            limit(flat.rest, unit),
            limit(tests.neighbour.differ, unit),
        ]
        rows.append("| " + " | ".join(cells) + " |\n")
    return "".join(rows)


def test_the_limits_are_those_built_in() -> None:
    text = PAGE.read_text(encoding="utf-8")
    if os.environ.get("LIFELINE_TEST_GOLDEN") == "write":
        PAGE.write_text(TABLE.sub(lambda _: built_in(), text), encoding="utf-8")
    found = TABLE.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    assert found[0] == built_in()


def test_the_settings_load() -> None:
    block = re.findall(r"```yaml quality\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    files = dict(example_files())
    city = load_city({**files, "city.yaml": files["city.yaml"] + "\n" + block[0]})
    assert set(city.quality) == {"water_depth", "temperature", "strain"}


def test_views_reasons_and_lines_of_health_are_those_there_are(database: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert {str(check.name).lower() for check in Check} == set(
        re.findall(r"^\| `(\w+)` \|.*\|.*\|$", text, re.MULTILINE)
    ) - set(BUILT_IN)
    with connect(database) as conn:
        for block in re.findall(r"```sql\n(.*?)```", text, re.DOTALL):
            conn.execute(block.encode())
        columns = conn.execute("SELECT * FROM city.gateways LIMIT 0").description or []
        assert {"skew_s", "skew_uncertainty_s", "skew_since", "corrected_by_s"} <= {column.name for column in columns}
        for check in Check:
            row = conn.execute("SELECT lifeline.test_words(%s::smallint)", (int(check),)).fetchone()
            assert row == (str(check.name).lower(),)
