"""Rule tests run: each event does what it says, and each expectation can fail."""

from __future__ import annotations

import pytest

from city.errors import FaultyInput
from tests.rules.small_city import FILES
from tests.trials.trial import FLOOD, HEAD, cases, failures, outcome

# Each pair: events, what then holds, and a change of one expectation that must not hold.
KINDS = {
    "nothing special": (
        "",
        """
        - {at: 11m, alarm: depth/wl-1, condition: pending, pending: yellow}
        - {at: 14m, alarm: depth/wl-1, level: yellow, raised_at: 14m, evidence: [wl-1], late: false}
        - {at: 18m, alarm: depth/wl-1, level: red, condition: active, peak: red, acknowledged: false, occurrences: 1}
        - {at: 18m, alarms: [depth/wl-1]}
        """,
        [
            ("pending: yellow", "pending: orange"),
            ("level: yellow, raised", "level: orange, raised"),
            ("raised_at: 14m", "raised_at: 13m"),
            ("late: false", "late: true"),
            ("occurrences: 1", "occurrences: 2"),
            ("condition: active", "condition: clearing"),
            ("peak: red", "peak: orange"),
            ("acknowledged: false", "acknowledged: true"),
            ("alarms: [depth/wl-1]", "alarms: []"),
            ("alarms: [depth/wl-1]", "alarms: {depth/wl-1: orange}"),
            ("alarms: [depth/wl-1]", "no_alarms: depth"),
            ("alarms: [depth/wl-1]", "no_alarms: true"),
        ],
    ),
    "gap": (
        "- {at: 11m, gap: wl-1, for: 4m}",
        """
        - {at: 18m, alarm: depth/wl-1, raised_at: 18m, level: red}
        - {at: 15m, alarm: depth/wl-1, condition: pending}
        """,
        [("condition: pending", "condition: active"), ("raised_at: 18m", "raised_at: 14m")],
    ),
    "late": (
        "- {at: 10m, late: wl-1, by: 12m, for: 30m}",
        """
        - {at: 25m, alarms: []}
        - {at: 40m, alarm: depth/wl-1, level: red, raised_at: 14m, late: true}
        """,
        [("alarms: []", "alarms: [depth/wl-1]"), ("late: true", "late: false")],
    ),
    "duplicate": (
        "- {at: 0s, duplicate: wl-1, by: 30s, for: 30m, value: 99 cm}",
        "- {at: 9m, no_alarms: true}\n        - {at: 14m, alarm: depth/wl-1, level: yellow, raised_at: 14m}",
        [("level: yellow", "level: red")],
    ),
    "skew behind": (
        "- {at: 0s, skew: g1, behind: 5m}",
        "- {at: 15m, alarm: depth/wl-1, raised_at: 9m, level: yellow}",
        [("raised_at: 9m", "raised_at: 14m")],
    ),
    "skew too far ahead": (
        "- {at: 0s, skew: g1, ahead: 10m}",
        "- {at: 15m, alarm: depth/wl-1, raised_at: 14m, level: yellow}",
        [("raised_at: 14m", "raised_at: 24m")],
    ),
    "flag": (
        "- {at: 10m, flag: wl-1, as: fail, for: 30m}",
        "- {at: 25m, no_alarms: depth}\n        - {at: 26m, alarms: []}",
        [("no_alarms: depth", "alarm: depth/wl-1")],
    ),
    "offline, kept": (
        "- {at: 10m, offline: g1, for: 20m}",
        """
        - {at: 29m, alarms: []}
        - {at: 31m, alarm: depth/wl-1, level: red, raised_at: 14m, late: true}
        """,
        [("alarms: []", "alarms: [depth/wl-1]")],
    ),
    "offline, lost": (
        "- {at: 10m, offline: g1, for: 20m, lost: true}",
        "- {at: 31m, alarms: {depth/wl-1: red}}\n        - {at: 31m, alarm: depth/wl-1, raised_at: 31m}",
        [("raised_at: 31m", "raised_at: 14m")],
    ),
    "restart": (
        "- {at: 12m, restart: engine}\n        - {at: 12m, restart: engine}\n        - {at: 17m, restart: engine}",
        """
        - {at: 12m, alarm: depth/wl-1, pending: yellow}
        - {at: 14m, alarm: depth/wl-1, raised_at: 14m}
        - {at: 18m, alarm: depth/wl-1, level: red}
        - {at: 18m, notices: {about: depth/wl-1, kind: raise, to: li, count: 2}}
        """,
        [("pending: yellow", "pending: none"), ("count: 2", "count: 3")],
    ),
    "ack": (
        "- {at: 18m, ack: depth/wl-1, by: li, note: I see it}",
        """
        - {at: 18m, alarm: depth/wl-1, acknowledged: true}
        - {at: 18m, incident: depth/wl-1, acknowledged: true, stage: raised, level: red, open: true}
        - {at: 30m, notices: {kind: repeat, count: 0}}
        """,
        [("stage: raised", "stage: confirmed"), ("count: 0", "count: 1"), ("open: true", "open: false")],
    ),
    "the closed loop": (
        """
        - {at: 18m, confirm: depth/wl-1}
        - {at: 19m, dispatch: depth/wl-1, by: bo}
        - {at: 20m, on_site: depth/wl-1, by: li}
        - {at: 21m, dispatch: depth/wl-1, refused: true}
        - {at: 22m, report: depth/wl-1, by: li, note: pump switched on}
        - {at: 23m, close: depth/wl-1, note: water is going down}
        """,
        """
        - {at: 18m, incident: depth/wl-1, stage: confirmed}
        - {at: 21m, incident: depth/wl-1, stage: on_site}
        - {at: 23m, incident: depth/wl-1, stage: closed, open: false}
        - {at: 23m, incidents: 1}
        """,
        [("stage: on_site", "stage: dispatched"), ("incidents: 1", "incidents: 2")],
    ),
    "shelve": (
        """
        - {at: 15m, shelve: depth/wl-1, by: li, for: 30m, note: the pump is being tested}
        - {at: 15m, shelve: depth/wl-1, by: bo, for: 9h, note: for good, refused: true}
        """,
        """
        - {at: 16m, alarm: depth/wl-1, hold: shelved, level: yellow}
        - {at: 18m, alarm: depth/wl-1, hold: none, level: red}
        - {at: 18m, notices: {about: depth/wl-1, level: red, to: li, count: 1}}
        """,
        [("hold: shelved", "hold: none"), ("level: red, to: li", "level: yellow, to: bo")],
    ),
    "unshelve": (
        """
        - {at: 15m, shelve: depth/wl-1, by: li, for: 30m, note: the pump is being tested}
        - {at: 16m, unshelve: depth/wl-1, by: li}
        - {at: 17m, unshelve: depth/wl-1, by: li, refused: true}
        """,
        """
        - {at: 15m, alarm: depth/wl-1, hold: shelved}
        - {at: 16m, alarm: depth/wl-1, hold: none}
        """,
        [("hold: shelved", "hold: suppressed"), ("hold: none", "hold: out_of_service")],
    ),
    "out of service": (
        """
        - {at: 12m, out_of_service: wl-1, by: li, for: 8m, note: the sensor is being cleaned}
        """,
        """
        - {at: 19m, alarm: depth/wl-1, hold: out_of_service, level: red}
        - {at: 19m, notices: {about: depth/wl-1, count: 0}}
        - {at: 21m, alarm: depth/wl-1, hold: none}
        - {at: 21m, notices: {about: depth/wl-1, kind: raise, to: li}}
        """,
        [("hold: out_of_service", "hold: none"), ("count: 0", "count: 1")],
    ),
    "maintain": (
        """
        - {at: 12m, maintain: site/up-1, by: li, for: 1h, note: the pump is replaced}
        - {at: 13m, maintain: gateway/g1, by: li, for: 1000h, note: for good, refused: true}
        - {at: 17m, end_maintenance: site/up-1, by: li}
        """,
        """
        - {at: 15m, alarm: depth/wl-1, hold: suppressed, level: yellow, reason: maintenance site/up-1}
        - {at: 16m, notices: {about: depth/wl-1, count: 0}}
        - {at: 17m, alarm: depth/wl-1, hold: none}
        - {at: 17m, notices: {about: depth/wl-1, kind: raise, to: li}}
        """,
        [("hold: suppressed", "hold: none"), ("count: 0", "count: 1")],
    ),
    "in service": (
        """
        - {at: 12m, out_of_service: wl-1, by: li, for: 8h, note: the sensor is being cleaned}
        - {at: 20m, in_service: wl-1, by: li}
        """,
        "- {at: 19m, alarm: depth/wl-1, hold: out_of_service}\n        - {at: 20m, alarm: depth/wl-1, hold: none}",
        [("hold: none", "hold: out_of_service")],
    ),
    "endpoint_down": (
        "- {at: 10m, endpoint_down: webhook, for: 30m}",
        """
        - {at: 14m, notices: {state: queued, to: li, target: roster/day, via: webhook, count: 1}}
        - {at: 35m, notices: {state: sent, count: 0}}
        - {at: 50m, notices: {state: sent, to: li, kind: raise, since: 40m}}
        """,
        [
            ("state: sent, count: 0", "state: sent, count: 1"),
            ("since: 40m", "since: 49m"),
        ],
    ),
    "reload": (
        """
        - at: 13m
          reload:
            rules/depth.yaml: |
              version: 1
              rules:
                - id: depth
                  watch: {quantity: water_depth}
                  ladder: {orange: {above: 10 cm}}
        - {at: 30m, reload: {rules/depth.yaml: }}
        """,
        """
        - {at: 12m, alarm: depth/wl-1, pending: yellow}
        - {at: 14m, alarm: depth/wl-1, level: orange}
        - {at: 31m, alarm: depth/wl-1, condition: orphaned}
        """,
        [("level: orange", "level: yellow"), ("condition: orphaned", "condition: active")],
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_expected_of_each_event_holds(kind: str) -> None:
    events, expect, _ = KINDS[kind]
    assert failures(_text(events, expect)) == []


@pytest.mark.parametrize(
    ("kind", "right", "wrong"), [(kind, *change) for kind, (_, _, changes) in KINDS.items() for change in changes]
)
def test_each_expectation_can_fail(kind: str, right: str, wrong: str) -> None:
    events, expect, _ = KINDS[kind]
    assert expect.count(right) == 1
    assert len(failures(_text(events, expect.replace(right, wrong)))) == 1


@pytest.mark.parametrize("kind", [kind for kind, (events, _, _) in KINDS.items() if events])
def test_each_event_makes_a_difference(kind: str) -> None:
    _, expect, _ = KINDS[kind]
    if kind == "restart":
        assert failures(_text("", expect)) == []  # that one is to make none
    elif "duplicate" in kind or kind == "skew too far ahead":
        assert failures(_text("", expect)) == []  # what comes again is nothing new; an impossible time is not believed
    else:
        assert failures(_text("", expect)) != []


def _text(events: str, expect: str) -> str:
    own = f"events:\n        {events.strip()}\n" if events else ""
    return FLOOD + _dedented(own) + "expect:\n" + _dedented(f"        {expect.strip()}\n")


def _dedented(text: str) -> str:
    return "".join(line.removeprefix("        ") + "\n" for line in text.splitlines())


def test_a_gateway_that_speaks_is_not_silent_though_its_sensor_is() -> None:
    expect = """
series: [{sensor: wl-1, values: "0x3"}]
events: [{at: 0s, heard: g1, for: 30m}]
expect:
  - {at: 25m, alarms: {sensor-silent/wl-1: blue}}
  - {at: 25m, no_alarms: gateway-silent/g1}
  - {at: 40m, at_least: {gateway-silent/g1: yellow}}
"""
    head = "rules: [platform.yaml]\n"
    assert failures(head + expect) == []
    assert len(failures(head + expect.replace("events: [{at: 0s, heard: g1, for: 30m}]", ""))) > 1


def test_stale_is_heard_and_has_no_value() -> None:
    text = """
rules: [depth.yaml, platform.yaml]
series: [{sensor: wl-1, values: "20x5 stale stale stale stale stale stale stale stale stale stale stale stale stale"}]
expect:
  - {at: 17m, at_least: {depth/wl-1: yellow}}
  - {at: 17m, no_alarms: [sensor-silent, gateway-silent]}
"""
    assert failures(text) == []
    assert len(failures(text.replace("stale", "_"))) == 1


def test_units_are_converted() -> None:
    text = FLOOD + "expect: [{at: 18m, alarm: depth/wl-1, level: red}]\n"
    in_metres = text.replace("0x10 20x5 45x20", "0x10 0.2x5 0.45x20").replace('x20"', 'x20", unit: m')
    assert failures(in_metres) == []
    assert len(failures(in_metres.replace("0.45x20", "0.39x20"))) == 1


def test_a_value_no_sensor_can_have_is_marked_as_the_recorder_would() -> None:
    text = FLOOD.replace("45x20", "99999x20") + "expect: [{at: 30m, alarm: depth/wl-1, level: yellow, peak: yellow}]\n"
    assert failures(text) == []


def test_a_failure_says_what_was_expected_what_was_there_and_the_story_around_it() -> None:
    text = FLOOD + "expect:\n  - {at: 18m, alarm: depth/wl-1, level: yellow}\n"
    [failure] = outcome(text).failures
    line = (HEAD + text).splitlines().index("  - {at: 18m, alarm: depth/wl-1, level: yellow}") + 1
    assert str(failure).splitlines() == [
        f"rules/depth.test.yaml:{line}:41: at 18m: alarm depth/wl-1: level: expected yellow, got red",
        "    14m  raised: none to yellow, normal to active; yellow: held 180 s; wl-1 20 cm at 14m [above 15 cm: true]",
        "    18m  rose: yellow to red; red: held 60 s; wl-1 45 cm at 18m [above 40 cm: true]",
        "    now: red standing since 17m",
        "    now: orange pending since 17m",
        "    now: yellow standing since 11m",
        "    last of wl-1: 14m 20, 15m 20, 16m 20, 17m 45, 18m 45",
    ]


def test_a_command_before_there_is_anything_to_say_it_of_fails_the_test() -> None:
    text = FLOOD + "events: [{at: 5m, ack: depth/wl-1}]\nexpect: [{at: 5m, no_alarms: true}]\n"
    assert failures(text) == ["at 5m: acknowledge depth/wl-1: there is nothing of it yet"]


def test_a_command_refused_against_expectation_fails_the_test() -> None:
    text = FLOOD + "events: [{at: 18m, report: depth/wl-1}]\nexpect: [{at: 18m, alarms: [depth/wl-1]}]\n"
    assert failures(text) == ["at 18m: report depth/wl-1: was refused: report needs a note"]
    assert failures(text.replace("report: depth/wl-1", "report: depth/wl-1, refused: true")) == []


def test_several_tests_share_what_stands_above_them() -> None:
    found = cases("""
    series: [{sensor: wl-2, values: "0x60"}]
    tests:
      - {name: one, series: [{sensor: wl-1, values: "20x20"}], expect: [{at: 10m, alarms: [depth/wl-1]}]}
      - {name: two, interval: 30s, series: [{sensor: wl-2, values: "20x20"}], expect: [{at: 10m, alarms: [depth/wl-2]}]}
    """)
    assert [(case.name, sorted(s.sensor for s in case.series)) for case in found] == [
        ("one", ["wl-1", "wl-2"]), ("two", ["wl-2"])
    ]  # fmt: skip
    assert [[series.every_us for series in case.series] for case in found] == [[60_000_000] * 2, [30_000_000]]


def test_a_tiny_city_needs_no_register() -> None:
    text = """
city:
  sensors:
    a: {quantity: water_depth, site_kind: underpass, unit: m, interval: 30s, at: [117, 31]}
    rain: {quantity: rainfall, site_kind: rain_gauge, at: [117.001, 31]}
series: [{sensor: a, values: "0x10 0.5x10"}]
expect: [{at: 20m, alarm: depth/a, level: red}, {at: 20m, notices: {to: duty, count: 1}}]
"""
    assert failures(text, escalation=None) == []
    assert len(failures(text.replace("0.5x10", "0.1x10"), escalation=None)) == 2


def test_a_tiny_city_knows_what_its_folder_s_city_adds() -> None:
    added = """
quantities:
  - {id: pump_current, unit: A, domain: waterlogging, name: {en: pump current, zh: 水泵电流}, min: 0, max: 400}
site_kinds: [pump_house]
"""
    rules = """
version: 1
rules:
  - id: depth
    watch: {quantity: pump_current, site_kind: pump_house}
    ladder: {red: {above: 40 A}}
    escalate: duty
"""
    text = """
city: {sensors: {p: {quantity: pump_current, site_kind: pump_house}}}
series: [{sensor: p, values: "0x10 50x10"}]
expect: [{at: 20m, alarm: depth/p, level: red}]
"""
    changed = {"city": FILES["city.yaml"] + added, "rules__depth": rules, "escalation": None}
    assert failures(text, **changed) == []
    with pytest.raises(FaultyInput, match="unknown quantity, got 'pump_curent', try 'pump_current'"):
        failures(text.replace("pump_current", "pump_curent"), **changed)


def test_a_day_of_a_quiet_sensor_is_short_to_write() -> None:
    text = """
series:
  - sensor: [wl-1, wl-2]
    values: [{daily: {mean: 8, swing: 3, noise: 0.5, seed: 1, peak: "14:00"}, for: 1d}, "8+1x30"]
expect: [{at: 1d, no_alarms: true}, {at: 1d 30m, alarms: [depth/wl-1, depth/wl-2]}]
"""
    assert failures(text) == []
    assert len(failures(text.replace("mean: 8", "mean: 14"))) == 2


def test_a_latched_alarm_stays_until_somebody_resets_it() -> None:
    rules = """
version: 1
rules:
  - id: depth
    watch: {quantity: water_depth}
    ladder: {red: {above: 40 cm}}
    latch: true
    escalate: drainage
"""
    text = """
series: [{sensor: wl-1, values: "0x5 45 0x20"}]
events:
  - {at: 6m, reset: depth/wl-1, note: too early, refused: true}
  - {at: 15m, reset: depth/wl-1, note: looked at it, by: li}
expect:
  - {at: 6m, alarm: depth/wl-1, condition: active, latched: false}
  - {at: 14m, alarm: depth/wl-1, condition: normal, latched: true}
  - {at: 15m, alarm: depth/wl-1, condition: normal, latched: false}
"""
    assert failures(text, rules__depth=rules) == []
    assert len(failures(text, rules__depth=rules.replace("latch: true", "latch: false"))) == 2


def test_what_people_do_about_an_incident_and_the_clocks_that_run_out_can_be_expected() -> None:
    text = """
series: [{sensor: wl-1, values: "0x5 45x40"}]
events:
  - {at: 7m, cannot_go: depth/wl-1, by: li, note: flat tyre}
  - {at: 8m, noted: depth/wl-1, by: bo, note: police close the road}
  - {at: 12m, analyse: depth/wl-1, by: bo}
  - {at: 13m, dispatch: depth/wl-1, by: bo}
expect:
  - {at: 7m, notices: {to: bo, kind: raise, count: 1}}
  - {at: 9m, incident: depth/wl-1, stage: raised, acknowledged: false, missed: [acknowledge]}
  - {at: 9m, notices: {to: li, kind: clock_missed, state: any, count: 0}}
  - {at: 12m, incident: depth/wl-1, stage: analysed, acknowledged: true}
  - {at: 40m, incident: depth/wl-1, stage: dispatched, missed: [on_site, acknowledge]}
"""
    timed = FILES["escalation.yaml"].replace(
        "{acknowledgement", "{acknowledge: 2m, dispatch: 10m, on_site: 30m, acknowledgement"
    )
    assert failures(text, escalation=timed) == []
    late = text.replace("13m, dispatch", "18m, dispatch")
    assert failures(late, escalation=timed) == [
        "at 40m: incident of depth/wl-1: missed: expected on_site, acknowledge, got acknowledge, dispatch, on_site"
    ]
