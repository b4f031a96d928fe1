"""In a flood of alarms reds and the first of each zone go singly, all else in digests, and nothing is dropped."""

from __future__ import annotations

from city.levels import Level
from rules.desk.digests import digest
from rules.desk.floods import Entry, Flood, Waiting
from rules.desk.plan import Person
from rules.inputs import HoldKind
from tests.rules.small_city import FILES, T0_US
from tests.rules.storm import annunciated, began, floods, gathered, queued, rise, steps, storm_desk


def alarm_ids(lines: list[dict]) -> list[str]:  # type: ignore[type-arg]  # as JSON has them
    return [alarm["alarm"] for line in lines for alarm in line["alarms"]] + [a for line in lines for a in line["also"]]


def test_ten_alarms_go_singly_and_make_no_flood() -> None:
    desk = storm_desk()
    for at in range(10):
        rise(desk, [at], at * 10)
    desk.tick(120)
    assert [n.kind for n in queued(desk)] == ["raise"] * 10
    assert (floods(desk), gathered(desk)) == ([], [])


def test_from_the_eleventh_on_one_digest_a_minute_has_them_all() -> None:
    desk = storm_desk()
    for at in range(0, 24, 2):  # all in the north: the zone had its first word
        rise(desk, [at], at * 5)
    assert [n.kind for n in queued(desk)] == ["raise"] * 10
    assert [e.note.split(": ")[1] for e in began(desk)] == ["11 alarms in ten minutes at desk city"]
    desk.tick(159)
    assert queued(desk, "digest") == []
    desk.tick(160)
    (digest,) = queued(desk, "digest")
    waited = [a.id for a in desk.alarms()[10:]]
    assert alarm_ids(digest.content["facts"]["lines"]) == waited
    assert (digest.incident, digest.level, digest.target, digest.content["district"]) == (
        "",
        Level.YELLOW,
        "li",
        "north",
    )
    fired = [s for s in steps(desk) if s.state == "fired" and "digest" in s.reason]
    assert {s.reason for s in fired} == {f"told roster/day, in digest {digest.id}"}
    assert {s.incident for s in fired} == {a.incident for a in desk.alarms()[10:]}


def test_the_first_of_each_zone_goes_singly_and_at_once() -> None:
    desk = storm_desk()
    for at in range(0, 22, 2):
        rise(desk, [at], at)
    before = len(queued(desk))
    rise(desk, [1, 3, 5], 30)
    desk.feed([("m0", 31, 20.0), ("m2", 31, 20.0)])
    singles = queued(desk)[before:]
    assert [(n.kind, n.content["facts"]["sensor"]) for n in singles] == [("raise", "w1"), ("update", "m0")]
    assert [a.first for a in annunciated(desk)][11:] == [True, False, False, True, False]
    desk.tick(100)
    assert {(n.content["district"], n.content["domain"]) for n in queued(desk, "digest")} == {
        ("north", "waterlogging"), ("south", "waterlogging"),
    }  # fmt: skip


def test_red_goes_singly_whatever_comes_and_says_what_joins() -> None:
    desk = storm_desk()
    rise(desk, range(40), 0)
    rise(desk, [4], 5, 50.0)  # it was yellow, and waits in a digest
    rise(desk, [50], 6, 45.0)
    reds = [n for n in queued(desk) if n.level is Level.RED]
    assert [(n.kind, n.content["facts"]["sensor"]) for n in reds] == [("raise", "w4"), ("raise", "w50")]
    desk.tick(61)
    digests = queued(desk, "digest")
    assert all(n.level < Level.RED or "w4" in n.content["text"] for n in digests)
    new = [alarm for n in digests for alarm in n.content["new"]]
    assert {a.id for a in desk.alarms() if a.scope == "w4"}.isdisjoint(new)  # said already


def test_everything_that_came_is_told_once() -> None:
    desk = storm_desk()
    rise(desk, range(0, 30), 0)
    rise(desk, range(30, 60), 30)
    desk.feed([(f"m{at}", 40, 20.0) for at in range(20)])
    desk.tick(61)
    desk.tick(121)
    told = [
        alarm for n in queued(desk) if n.target == "li" for alarm in n.content.get("new", n.content.get("alarms", []))
    ]
    assert sorted(told) == sorted({a.alarm for a in annunciated(desk)})


def test_an_alarm_that_went_on_to_another_incident_of_the_same_digest_is_news_once() -> None:
    desk = storm_desk()
    rise(desk, range(4), 0)
    moved, stayed = desk.alarms()[:2]
    flood = Flood("f", "city", "", T0_US, T0_US)
    entries = {
        "before": Entry(["raise"], {moved.id: moved}),
        "after": Entry(["raise"], {stayed.id: stayed, moved.id: moved}),
    }
    person = Person("li", {"en": "Li"}, "en", {"email": "li@example.org"})
    waiting = Waiting("d", person, ("north", "waterlogging"), T0_US, ("email",), "roster/day", entries)
    said = digest(desk.checked.book.city, desk.checked.escalation, flood, waiting)
    assert sorted(said.content["new"]) == sorted([moved.id, stayed.id])
    assert flood.said == {"li": {moved.id, stayed.id}}


def test_clears_and_updates_are_gathered_too() -> None:
    desk = storm_desk()
    rise(desk, range(20), 0)
    desk.tick(60)
    rise(desk, range(20), 100, 0.0)
    before = len(queued(desk))
    rise(desk, range(20), 160, 0.0)
    assert len(queued(desk)) == before
    desk.tick(221)
    digests = queued(desk)[before:]
    assert {n.kind for n in digests} == {"digest"}
    assert {kind for n in digests for line in n.content["facts"]["lines"] for kind in line["kinds"]} == {"clear"}
    assert "已解除" in digests[0].content["text"]


def test_it_ends_below_five_and_the_list_of_it_is_told() -> None:
    desk = storm_desk()
    for at in range(30):
        rise(desk, [at], at * 10)
    desk.tick(849)  # alarms 25 to 29 are left: five
    assert [f.ended_us for f in floods(desk)] == [None]
    desk.tick(850)
    (flood,) = floods(desk)
    assert (flood.ended_us, flood.alarms, flood.peak) == (T0_US + 850_000_000, 30, 30)
    ends = queued(desk, "flood_end")
    assert [n.target for n in ends] == ["li", "bo"]
    end = ends[0]
    facts = end.content["facts"]
    assert [line["alarm"] for line in facts["lines"]] == [a.id for a in desk.alarms()]
    assert (facts["count"], facts["standing"], facts["peak"], end.level) == (30, 30, 30, Level.YELLOW)
    assert facts["digests"] == flood.digests == len(queued(desk, "digest"))
    assert end.content["subject"] == "报警泛滥结束：14分钟内共30条，30条仍未解除"
    rise(desk, [40], 900)
    assert queued(desk)[-1].kind == "raise"  # singly again


def test_a_restart_in_the_middle_changes_nothing() -> None:
    stories = []
    for restarts in (False, True):
        desk = storm_desk()
        for at in range(30):
            rise(desk, [at], at * 10)
            if restarts and at % 4 == 3:
                desk.restart()
        for at in range(300, 1000, 20):
            desk.tick(at)
        stories.append(desk.effects)
    assert stories[0] == stories[1]


def test_held_and_diagnostic_alarms_make_no_flood() -> None:
    desk = storm_desk()
    for at in range(20):
        desk.hold(HoldKind.SHELVE, f"depth/w{at}", 0, until_s=3600, level=Level.YELLOW)
    rise(desk, range(20), 1)
    assert (annunciated(desk), floods(desk)) == ([], [])


def test_each_desk_has_its_own() -> None:
    desks = (
        FILES["escalation.yaml"]
        + """
desks:
  north: {districts: [north]}
  rest: {}
"""
    )
    desk = storm_desk(escalation=desks)
    rise(desk, [*range(0, 30, 2), 1, 3, 5], 0)
    assert [(f.desk, f.alarms) for f in floods(desk)] == [("north", 15)]
    assert len([n for n in queued(desk) if n.content["facts"]["sensor"] in ("w1", "w3", "w5")]) == 3
