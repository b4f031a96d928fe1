"""The keys of `cap:` in escalation.yaml as tables: its reader and its JSON Schema go by them."""

from __future__ import annotations

from collections.abc import Mapping

from city.keys import Key, Kind
from city.levels import COLOURS
from city.words import languages
from rules.cap.plan import RELEASERS, SCOPES, STATUSES

LEVELS = tuple(colour.word for colour in COLOURS)

GEOCODE: Mapping[str, Key] = {
    "name": Key(Kind.TEXT, "What kind of code it is: the name its users know it by.", required=True),
    "code": Key(Kind.TEXT, "The district's code, in quotes.", required=True),
}
CAP: Mapping[str, Key] = {
    "sender": Key(Kind.TEXT, "The city's own name among all that send CAP: alerts@city.example.", required=True),
    "sender_name": Key(Kind.NAME, "What people call the sender (the city's name)."),
    "contact": Key(Kind.TEXT, "Whom to call or write to."),
    "web": Key(Kind.TEXT, "An http(s) address with more."),
    "languages": Key(Kind.WORDS, "What messages speak, in this order ([zh, en]).", words=languages),
    "scope": Key(Kind.WORD, "For whom messages are (Restricted).", words=SCOPES),
    "restriction": Key(Kind.TEXT, "Who may pass a restricted message on to whom; needed for scope Restricted."),
    "addresses": Key(Kind.WORDS, "To whom a private message goes; needed for scope Private."),
    "status": Key(Kind.WORD, "Test while things are being set up (Actual).", words=STATUSES),
    "from": Key(Kind.WORD, "From which level on messages are drafted (blue).", words=LEVELS),
    "radius": Key(Kind.DISTANCE, "Of the circle around a place without an outline (300 m)."),
    "expires": Key(Kind.DURATION, "How long a message holds when no other follows (6h)."),
    "release_role": Key(Kind.WORD, "Who may release messages (operator).", words=RELEASERS),
    "geocodes": Key(Kind.NAMED, "Codes of districts, by district.", keys=GEOCODE),
}
