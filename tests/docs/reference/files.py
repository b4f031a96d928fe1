"""The page of the city folder's files, and the page of the rule language: every key, from the readers' own tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from city.keys import Key
from city.tablekeys import CALIBRATIONS, GATEWAYS, SENSORS, SITES
from detectors.registry import channels, names
from detectors.river_adapter import PREFIX
from rules.language.grammar import ANYWHERE, FORMS, LEVEL, NOT_IN_SILENCE
from rules.language.schema import mapping
from rules.language.wording import PLACES
from rules.schemas import schema
from tests.docs.reference.markdown import code, page, prose, table
from tests.docs.reference.schemas import Section, sections

# Kind of file: its heading, the page that explains it.
FILES: Mapping[str, tuple[str, str]] = {
    "city": ("city.yaml", "../../city/example/README.md"),
    "escalation": ("escalation.yaml", "../escalation.md"),
    "calendar": ("calendar.yaml", "../maintenance.md"),
    "detection": ("detection.yaml", "../detectors.md"),
    "mapping": ("mappings/NAME.yaml", "../formats.md"),
    "tests": ("rules/NAME.test.yaml", "../rule-tests.md"),
    "drill": ("drills/NAME.yaml", "../drills.md"),
    "gateway": ("gateway.yaml", "../gateway.md"),
}
TABLES: Mapping[str, Mapping[str, Key]] = {
    "sites.geojson": SITES,
    "gateways.csv": GATEWAYS,
    "sensors.csv": SENSORS,
    "calibrations.csv": CALIBRATIONS,
}
VALUES = """\
| value | written as |
| --- | --- |
| number with its unit | `15 cm`, `0.4 m`, `5 %LEL`: any unit of the quantity; see [units](codes.md#quantities) |
| distance | `300 m`, `2 km` |
| duration | `500ms`, `30s`, `5m`, `1h30m`, `2d` |
| short name | 1 to 64 characters without spaces or `/` |
| time of day | `"08:00"`, in quotes |
| time | `2026-07-01T22:00` by the local clock, or with an offset: `2026-07-01T22:00:00+08:00` |
| day | `2026-10-01` |
| text by language | `{en: Underpass, zh: 下穿通道}` |

In brackets at the end of a sentence stands what holds when the key is missing. `people.NAME` is what stands below a
name of your own in `people`; `shifts[]` is each entry of the list `shifts`."""


def files_page() -> str:
    """Every file but the rule books."""
    intro = (
        "Every key of every file that a city writes; [rule books](rules.md) have a page of their own. `lifeline check` \
reads them all, and `lifeline rules schema` prints what editors check them by."
    )
    parts = ["## How values are written", VALUES]
    for name, keys in TABLES.items():
        said = (
            "The properties of each place."
            if name == "sites.geojson"
            else "One column each; optional ones may be missing."
        )
        parts += [f"## {name}", f"{said} Explained in [the city folder](../../city/example/README.md)."]
        parts += [one.markdown(3, {}) for one in sections(mapping(keys))]
    for kind, (title, explained) in FILES.items():
        whole = schema(kind)
        parts += [f"## {title}", f"{prose(whole['description'])} Explained in [{_name(explained)}]({explained})."]
        parts += _sections(kind)
    return page("Files of the city folder", intro, *parts)


def _sections(kind: str) -> Iterator[str]:
    whole = schema(kind)
    title = FILES[kind][0]
    defs = {name: one for name, one in whole.get("$defs", {}).items() if name != "calendar"}
    links = {name: f"#{_anchor(f'{title}: {name}')}" for name in defs} | {
        "calendar": "rules.md#calendar",
        "names": "rules.md#detectors-and-channels",
    }
    for place, one in (("", whole), *((f"{title}: {name}", one) for name, one in defs.items())):
        if place and "then" in one:  # a chain of forms: nothing of its own would stand below its name
            yield f"### {place}\n\n{prose(one['description'].partition(':')[0])}."
        for found in sections(one, place):
            if kind == "calendar" and found.place.startswith("calendars"):
                continue  # the rule language's
            shown = Section(found.place and _where(title, found.place), found.keys)
            yield shown.markdown(3, links)


def _where(title: str, place: str) -> str:
    return place if place.startswith(title) else f"{title}: {place}"


def _anchor(heading: str) -> str:
    return "".join(letter for letter in heading.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")


def _name(explained: str) -> str:
    return {"../../city/example/README.md": "the city folder"}.get(explained, explained.removeprefix("../"))


def rules_page() -> str:
    """The rule language."""
    whole = schema("rules")
    links = {
        "condition": "#conditions",
        "level": "#conditions",
        "calendar": "#calendar",
        "names": "#detectors-and-channels",
    }
    intro = (
        f"{prose(whole['description'])} Explained in [the rule language](../rules.md); how values are written stands \
in [files](files.md#how-values-are-written). In brackets at the end of a sentence: what holds when the key is missing."
    )
    parts = [
        Section(one.place or "A rule book", one.keys).markdown(2, links) for one in sections({**whole, "$defs": {}})
    ]
    silence = ", ".join(map(code, NOT_IN_SILENCE))
    parts.append(f"A silence rule, whose only condition is `silent`, does not take {silence}.")
    parts += ["## Conditions", "What a level asks. The first keys tell which form it is."]
    for name, form in FORMS.items():
        rows = Section("", next(sections(mapping(form.keys))).keys)
        heads = f" Told by {', '.join(map(code, form.heads))}; exactly one of them." if len(form.heads) > 1 else ""
        parts += [f"### {name}", f"{prose(form.says)} Example: `{form.example}`.{heads}", rows.markdown(0, links)]
        if name in ("near", "beside"):
            parts += [one.markdown(4, links) for one in sections(mapping(form.keys[name].keys), f"Inside {name}")]
    parts += ["### Beside any condition", Section("", next(sections(mapping(ANYWHERE))).keys).markdown(0, links)]
    parts += [
        "### Beside the condition of a level",
        Section("", next(sections(mapping(LEVEL))).keys).markdown(0, links),
    ]
    calendar = next(sections(whole["$defs"]["calendar"]))
    parts += [
        "## Calendar",
        "For `only`, there or by name in `calendar.yaml`.",
        Section("", calendar.keys).markdown(0, links),
    ]
    parts += ["## Detectors and channels", table(("detector", "channels"), _channels())]
    parts += [
        "## Places in titles and guidance",
        "In braces, filled when an alarm is raised: " + ", ".join(f"`{{{one}}}`" for one in PLACES) + ".",
    ]
    return page("The rule language, key by key", intro, *parts)


def _channels() -> Iterator[tuple[str, str]]:
    for name in names():
        place = "models-of-river" if name.startswith(PREFIX) else name
        yield f"[`{name}`](detectors.md#{place})", ", ".join(map(code, channels(name)))
