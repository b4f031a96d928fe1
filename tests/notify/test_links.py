"""A link works for what it was made for, and for nothing else."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.errors import InputError
from rules.notify.links import Claims, Refusal, check_secret, sign, verify

SECRET = b"0123456789abcdef0123456789abcdef"
NOTICE = hashlib.sha256(b"notice").hexdigest()
LATER_US = 2_000_000_000_000_000


def test_a_signed_link_says_what_it_was_given() -> None:
    token = sign(SECRET, NOTICE, "li", "I-7", LATER_US)
    assert verify(SECRET, token, LATER_US - 1) == Claims(NOTICE, "li", "I-7", LATER_US)
    assert len(token) < 120
    assert all(letter.isalnum() or letter in "-_." for letter in token)


def test_it_expires() -> None:
    token = sign(SECRET, NOTICE, "li", "I-7", LATER_US)
    assert verify(SECRET, token, LATER_US) is Refusal.EXPIRED


def test_another_secret_does_not_open_it() -> None:
    token = sign(b"another secret of good length", NOTICE, "li", "I-7", LATER_US)
    assert verify(SECRET, token, 0) is Refusal.FORGED


def test_no_single_changed_character_is_accepted() -> None:
    token = sign(SECRET, NOTICE, "li", "I-7", LATER_US)
    for at, letter in enumerate(token):
        for other in "Aa0-_.":
            if other != letter:
                assert verify(SECRET, token[:at] + other + token[at + 1 :], 0) is Refusal.FORGED


@given(st.text(max_size=300))
def test_any_text_gets_an_answer(text: str) -> None:
    assert verify(SECRET, text, 0) is Refusal.FORGED


@given(notice=st.text(max_size=80), person=st.text(max_size=30), incident=st.text(max_size=80))
def test_any_ids_survive(notice: str, person: str, incident: str) -> None:
    found = verify(SECRET, sign(SECRET, notice, person, incident, LATER_US), 0)
    assert found == Claims(notice, person, incident, LATER_US)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(InputError, match="16 bytes"):
        check_secret(b"short")
