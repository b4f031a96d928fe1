"""The section `cap` of escalation.yaml: what it means, and what is wrong with it, each with its place."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from city.example import example_files
from city.levels import Level
from city.load import load_city
from city.model import City
from rules.cap.capfile import cap_of
from rules.desk.escalationfile import load_escalation

WHOLE = """\
cap:
  sender: alerts@city.example
  sender_name: {en: City, zh: 本市}
  contact: "12345"
  web: https://city.example/
  languages: [en]
  scope: Private
  addresses: [a@b.example, two words]
  status: Test
  from: orange
  radius: 1.5 km
  expires: 90m
  release_role: engineer
  geocodes: {riverside: {name: GB2260, code: "210202"}}
"""


@pytest.fixture(scope="module")
def city() -> City:
    return load_city(example_files())


def faults(text: str, city: City) -> list[str]:
    _, found = load_escalation({"escalation.yaml": text}, city)
    return [str(fault) for fault in found]


def test_all_keys_are_read(city: City) -> None:
    assert faults(WHOLE, city) == []
    plan = cap_of({"escalation.yaml": WHOLE})
    assert plan is not None
    assert (plan.sender, plan.sender_name["zh"], plan.contact) == ("alerts@city.example", "本市", "12345")
    assert (plan.languages, plan.scope, plan.addresses) == (("en",), "Private", ("a@b.example", "two words"))
    assert (plan.status, plan.from_level, plan.radius_m) == ("Test", Level.ORANGE, 1500.0)
    assert (plan.expires_us, plan.release_role) == (5_400_000_000, "engineer")
    assert plan.geocodes == {"riverside": ("GB2260", "210202")}


def test_what_is_not_said_is_usual_and_no_section_is_no_plan() -> None:
    plan = cap_of({"escalation.yaml": "cap: {sender: a@b, restriction: For us}"})
    assert plan is not None
    assert (plan.languages, plan.scope, plan.status, plan.from_level) == (
        ("zh", "en"),
        "Restricted",
        "Actual",
        Level.BLUE,
    )
    for files in ({}, {"escalation.yaml": "people: {}"}, {"escalation.yaml": "cap: 3"}, {"escalation.yaml": "\t:"}):
        assert cap_of(files) is None


def test_the_example_city_only_tests() -> None:
    plan = cap_of(example_files())
    assert plan is not None
    assert plan.status == "Test"


@pytest.mark.parametrize(
    ("section", "place", "words"),
    [
        ("{restriction: x}", "1:6", "sender"),
        ("{sender: 'a b', restriction: x}", "1:15", "sender: not a CAP sender"),
        ("{sender: 'a,b', restriction: x}", "1:15", "sender: not a CAP sender"),
        ("{sender: a@b}", "1:6", "scope Restricted needs"),
        ("{sender: a@b, scope: Private}", "1:6", "scope Private needs addresses"),
        ("{sender: a@b, scope: Secret, restriction: x}", "1:27", "scope: not one of Public"),
        ("{sender: a@b, scope: Public, web: city.example}", "1:40", "expected an http(s) address"),
        ("{sender: a@b, scope: Public, languages: [en, fr]}", "1:51", "not a language it speaks"),
        ("{sender: a@b, scope: Public, radius: 0 m}", "1:43", "above 0"),
        ("{sender: a@b, scope: Public, expires: soon}", "1:44", "expires"),
        ("{sender: a@b, scope: Public, geocodes: {nowhere: {name: x, code: 'y'}}}", "1:46", "no such district"),
        ("{sender: a@b, scope: Public, geocodes: {riverside: {name: x, code: 7}}}", "1:73", "expected text"),
        ("{sender: a@b, scope: Public, contact: ' '}", "1:44", "contact: expected text"),
        ("{sender: a@b, scope: Public, sendr: x}", "1:35", "sendr"),
        ("[]", "1:6", "expected"),
    ],
)
def test_faults_have_their_place(section: str, place: str, words: str, city: City) -> None:
    found = faults(f"cap: {section}", city)
    assert len(found) == 1, found
    assert found[0].startswith(f"escalation.yaml:{place}: "), found[0]
    assert words in found[0]


def test_all_faults_come_at_once(city: City) -> None:
    found = faults("cap: {sender: 'a b', scope: Secret, from: pink, web: x, restriction: us}", city)
    assert len(found) == 4


def files_of(section: str) -> Mapping[str, str]:
    return {"escalation.yaml": f"cap: {section}"}


def test_a_faulty_section_in_force_is_no_plan() -> None:
    assert cap_of(files_of("{sender: 'a b'}")) is None
