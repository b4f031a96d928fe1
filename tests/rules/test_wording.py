"""What people read: titles and guidance filled from what was seen, and conditions said in their language."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.display import names
from city.levels import Flag, Level
from city.model import Name
from city.positions import Positions
from city.reading import Sample
from city.sites import SITE_KINDS
from city.words import say
from city.yamlfile import parse
from detectors.registry import create
from detectors.subject import Neighbour, Subject
from rules.check import load_files
from rules.conditions.kinds import Compare, CountOf, Detect, Near, Only, Reaches, Sequence, Trend, Window, parts_of
from rules.conditions.truth import Evidence
from rules.language import wording
from rules.language.grammar import FORMS
from rules.language.saying import say_reason, say_test, say_time
from rules.language.wording import PLACES, Seen, Where, fill, template_faults, words
from tests.rules.small_city import FILES, T0_US, city_files, desk_of

TEMPLATED = FILES["rules/depth.yaml"].replace(
    "title: {en: Water in an underpass, zh: 下穿积水}",
    'title: {en: "{level}: {value} {unit} at {site} ({district})", zh: "{site}积水{value}{unit}，{threshold}"}\n'
    '    guidance: {en: "Look at {sensor} since {since}, {{now}}.", zh: runbooks/depth.md}',
)  # fmt: skip
GUIDE = "看 {sensor}，自 {since} 起。\n"


def test_an_alarm_s_title_and_guidance_say_what_was_seen_in_each_language() -> None:
    desk = desk_of({**FILES, "rules/depth.yaml": TEMPLATED, "runbooks/depth.md": GUIDE})
    desk.series("wl-1", [20.25] * 5)
    (alarm,) = desk.alarms()
    assert alarm.title == {
        "en": "Yellow: 20.25 cm at Mill Underpass (North)",
        "zh": "磨坊下穿积水20.25cm，达到或超过 15 cm",
    }
    since = "2026-07-01 18:03:00 +08:00"
    assert alarm.guidance == {"en": f"Look at wl-1 since {since}, {{now}}.", "zh": f"看 wl-1，自 {since} 起。\n"}
    facts = desk.notices()[0].content["facts"]
    assert facts["what"] == alarm.title["zh"]  # the duty person reads Chinese


def test_a_title_that_names_its_place_leaves_it_at_that() -> None:
    desk = desk_of({**FILES, "rules/depth.yaml": TEMPLATED, "runbooks/depth.md": GUIDE})
    desk.series("wl-1", [20.25] * 5)
    (incident,) = desk.incidents()
    assert incident.title["en"] == "Yellow: 20.25 cm at Mill Underpass (North)"
    assert incident.title["zh"] == "磨坊下穿积水20.25cm，达到或超过 15 cm"


@pytest.mark.parametrize(
    ("title", "place", "named"),
    [
        ("Water in Mill Lane", "Mill Lane", True),
        ("Water in MILL LANE!", "Mill Lane", True),
        ("Water in Mill Lanes", "Mill Lane", False),
        ("Water in Sawmill Lane", "Mill Lane", False),
        ("Water near Été", "Été", True),
        ("Water near Étés", "Été", False),
        ("磨坊下穿积水", "磨坊下穿", True),
        ("GA-2号井积水", "GA-2", True),
        ("下穿积水", "磨坊下穿", False),
        ("a (b) c", "(b)", True),
        ("Water", "", False),
    ],
)
def test_a_place_is_named_by_words_of_its_own(title: str, place: str, named: bool) -> None:
    assert names(title, place) is named


def test_a_silence_says_so_in_its_title() -> None:
    title = 'title: {en: "{sensor}: {threshold}{value}", zh: "{sensor}{threshold}"}\n    watch: {gateways'
    files = city_files(rules__platform=FILES["rules/platform.yaml"].replace("watch: {gateways", title))
    desk = desk_of(files)
    desk.series("wl-1", [1, 1])
    desk.series("wl-2", [1] * 12)
    desk.tick(900)
    titles = {alarm.scope: alarm.title for alarm in desk.alarms("gateway-silent")}
    assert titles["g1"] == {"en": "g1: nothing received for 5 min", "zh": "g15 分钟未收到数据"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Water at {sit}", "unknown place in a template, got '{sit}', try 'site'"),
        ("Water at {site", "a brace without its other half, got '{site', try '{{' for the character itself"),
        ("Water at site}", "a brace without its other half, got '}', try '}}' for the character itself"),
        ("{value:.1f}", "not a place in a template, got '{value:.1f}', try one of {site}, {sensor}, {district}"),
        ("{}", "not a place in a template, got '{}', try one of {site}, {sensor}, {district}"),
        ("{site.name} {x}", "not a place in a template, got '{site.name}', try one of {site}"),
        ("a {{b}} {site}", ""),
    ],
)
def test_a_template_is_checked_when_it_is_read(text: str, told: str) -> None:
    data, positions = parse(f"title: '{text}'\n", "r.yaml")
    assert isinstance(data, dict)
    found = [str(fault) for fault in template_faults(data["title"], ("title",), positions)]
    assert (found == []) if not told else found[0].startswith(f"r.yaml:1:8: {told}"), found


_PIECES = st.sampled_from([*(f"{{{place}}}" for place in PLACES), "{{", "}}", "{", "}", "{x}", "水 ", "a:!."])


@given(st.lists(_PIECES, max_size=6).map("".join))
def test_a_template_without_fault_is_filled_as_python_would(text: str) -> None:
    values = {place: place.upper() for place in PLACES}
    filled = fill(text, values)
    if not template_faults(text, (), Positions("f", ({}, {}))):
        assert filled == text.format_map(values)


def test_a_template_that_fails_is_said_plainly_and_holds_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(test: str, language: str) -> str:
        raise KeyError(test)

    monkeypatch.setattr(wording, "say_test", broken)
    desk = desk_of({**FILES, "rules/depth.yaml": TEMPLATED, "runbooks/depth.md": GUIDE})
    desk.series("wl-1", [20.25] * 5)
    (alarm,) = desk.alarms()
    assert alarm.title["en"].strip(" :()") == "at"
    assert desk.notices()


def test_names_that_are_missing_leave_a_gap_and_no_more() -> None:
    evidence = [Evidence("wl-1", "water_depth", "cm", None, 0, 0, "above 40 cm", "unknown")]
    seen = Seen(None, evidence, Level.RED, T0_US)
    assert words({"en": "{site}|{value}|{unit}|{level}"}, seen) == {"en": "|no value||Red"}
    city = load_files(FILES).city
    here = Where.of(city, "nowhere", "north", None, "g1")
    assert (str(here.site), str(here.district), here.sensor) == ("nowhere", "North", "g1")
    assert isinstance(here.site, Name)


# -- conditions as people read them ----------------------------------------------------------------------------------

LEVELS = [
    *(form.example for form in FORMS.values()),
    "{above: 15 cm}", "{below: 5 cm}", "{outside: [1 cm, 15 cm]}", "{above: 15 cm, count: 3, of: 5}",
    *(f"{{{name}: 30m, above: 15 cm}}" for name in ("sum", "mean", "min", "max", "last", "range")),
    "{count: 30m, below: 5}", "{falling: 2 cm, within: 1h30m}", "{reaches: 5 cm, within: 6h, from: above}",
    "{detector: flood_onset, direction: up}", "{near: {quantity: any, on: gateway}, silent: 15m, k_of_n: 2}",
    "{near: {quantity: water_depth, within: 300 m, on: pipe}, rising: 2 cm, within: 10m}",
    "{near: {quantity: any, on: district}, detector: flood_onset, in_last: 60m}",
    '{above: 15 cm, only: {days: [mon, sat], from: "22:00", to: "06:00", months: [6, 7], holidays: never}}',
    "{above: 15 cm, only: {holidays: only}}", "{above: 15 cm, only: rush}",
]  # fmt: skip
_UNTRANSLATED = re.compile(r"[A-Za-z_]{2,}")
_MEANT = {"cm", "mm", "km", "rush", "LEL", "min"}  # units and names


@pytest.mark.parametrize("level", [level for level in LEVELS if "silent: 10m" not in level])
def test_every_form_of_condition_reads_well_in_both_languages(level: str) -> None:
    if level == LEVELS[-1]:
        level += "\n    confirm: {within: 5 km, neighbours: 2}"
    head = "version: 1\nrules:\n  - id: r\n    watch: {quantity: water_depth}\n    ladder:\n      yellow: "
    book = head + level + "\n"
    calendar = 'calendars: {rush: {from: "07:00", to: "09:00"}}\n'
    instance = load_files(city_files(rules__depth=book, calendar=calendar)).book.instances["r/wl-1"]
    said = 0
    for rung in instance.ladder.rungs:
        for part in parts_of(rung.condition):
            if isinstance(part, Compare | CountOf | Window | Trend | Reaches | Detect | Near | Only | Sequence):
                chinese, english = say_test(part.written, "zh"), say_test(part.written, "en")
                assert chinese != part.written
                assert set(_UNTRANSLATED.findall(chinese)) <= _MEANT, chinese
                assert "_" not in english
                said += 1
    assert said or "beside" in level


@pytest.mark.parametrize(
    ("test", "english", "chinese"),
    [
        ("above 40 cm", "at or above 40 cm", "达到或超过 40 cm"),
        ("rising 2 cm within 10m", "rising by 2 cm or more within 10 min", "10 分钟内上升 2 cm 及以上"),
        (
            "rainfall within 2 km: sum over 30m above 15 mm",
            "rainfall within 2 km: the sum over 30 min is at or above 15 mm",
            "2 km 范围内的降雨量：30 分钟累计值达到或超过 15 mm",
        ),
        (
            "reaches 27 cm from below within 30m: in 12 min (9..25)",
            "going to reach 27 cm from below within 30 min: in 12 min (9 to 25)",
            "30 分钟内将升至 27 cm：约 12 分钟后（9 至 25 分钟）",
        ),
        ("silent 5m", "nothing received for 5 min", "5 分钟未收到数据"),
        ("blind: g1 is silent", "cannot be seen: gateway g1 is silent", "暂不可见：网关 g1 无数据"),
        ("stands: depth red A-X", "an alarm stands here: red, depth", "此处有未解除报警：红色，depth"),
        ("anything else", "anything else", "anything else"),
    ],
)
def test_evidence_is_said_as_people_speak(test: str, english: str, chinese: str) -> None:
    assert (say_test(test, "en"), say_test(test, "zh")) == (english, chinese)


@given(st.text(max_size=60))
def test_no_evidence_makes_it_fail(test: str) -> None:
    for language in ("en", "zh"):
        assert isinstance(say_test(test, language), str)
        assert isinstance(say_reason(test, language), str)
        assert isinstance(say_time(test, language), str)


SERIES = {
    "flood_onset": [3.0 + 0.1 * (i % 3) for i in range(120)] + [3.0 + 1.5 * i for i in range(20)],
    "methane_onset": [0.5 + 0.05 * (i % 3) for i in range(120)] + [0.5 + 0.6 * i for i in range(40)],
    "baseline_shift": [10.0 + 0.2 * (i % 4) for i in range(300)] + [90.0 + 0.2 * (i % 4) for i in range(200)],
    "settlement_rate": [-0.001 * i + 0.02 * (i % 2) for i in range(300)] + [-0.3 - 0.2 * i for i in range(200)],
    "settlement_trend": [-0.001 * i + 0.02 * (i % 2) for i in range(300)] + [-0.3 - 0.2 * i for i in range(200)],
    "creep_to_failure": [10 * math.log(1 - i / 600) + 0.01 * (i % 2) for i in range(560)],
    "traffic_load": [0.0, 1.0, -1.0] * 50 + [450.0] + [0.0] * 80,
    "fatigue_damage": [0.0, 900.0, 20.0, 40.0] * 150,
    "river:anomaly.GaussianScorer": [5.0 + 0.3 * (i % 5) for i in range(300)] + [80.0],
}


STEP_US = {"settlement_trend": 6 * 3_600_000_000}  # it judges weeks


@pytest.mark.parametrize("name", SERIES)
def test_what_detectors_say_reads_well_in_chinese(name: str) -> None:
    detector, step_us = create(name), STEP_US.get(name, 60_000_000)
    samples = [
        Sample("s-1", T0_US + at * step_us, value, Flag.PASS, T0_US + at * step_us)
        for at, value in enumerate(SERIES[name])
    ]
    samples.append(Sample("s-1", samples[-1].time_us + step_us, 1.0, Flag.FAIL, T0_US))
    reasons = {finding.reason for finding in detector.update(samples) if finding.reason}
    kinds = {re.sub(r"[-+\d.]+", "#", reason) for reason in reasons}
    assert len(kinds) >= 3, kinds  # warming up, what was seen, what could not be judged
    for reason in reasons:
        chinese = say_test(f"{name} up: {reason}", "zh")
        left = chinese.replace(name, "").replace("%LEL", "").replace("mm/h", "").replace("µε", "").replace("cm", "")
        assert not _UNTRANSLATED.search(left), chinese


def test_a_point_that_sinks_against_its_neighbour_reads_well_in_chinese() -> None:
    class Still:
        def before(self, sensor: str, time_us: int) -> tuple[int, float] | None:
            return time_us - 1, 0.0

    detector = create("differential_settlement")
    detector.watch({"s-1": Subject("s-1", "settlement", context=(Neighbour("s-2", "settlement", 8.0),))})
    samples = [Sample("s-1", T0_US + i * 60_000_000, -0.1 * max(0, i - 60), Flag.PASS, T0_US) for i in range(400)]
    reasons = [finding.reason for finding in detector.update(samples, Still()) if finding.reason]
    reasons += [finding.reason for finding in create("differential_settlement").update(samples[:20])]
    assert len({re.sub(r"[-+\d.]+", "#", reason) for reason in reasons}) == 3
    for reason in reasons:
        chinese = say_test(f"differential_settlement up: {reason}", "zh")
        assert not _UNTRANSLATED.search(chinese.replace("s-2", "").replace("mm/h", "")), chinese


def test_every_kind_of_site_has_a_name() -> None:
    assert all(say(f"kinds.{kind}", "zh") != kind for kind in SITE_KINDS)
