"""The keys of `escalation.yaml` as tables: what its reader checks it by, and what its JSON Schema is made of."""

from __future__ import annotations

from collections.abc import Mapping

from city.keys import Key, Kind
from city.levels import COLOURS
from city.words import languages
from rules.desk.roster import DAYS

MET = ("acknowledged", "dispatched")
REACH = ("email", "webhook", "phone")
_LEVELS = tuple(colour.word for colour in reversed(COLOURS))

PERSON: Mapping[str, Key] = {
    "name": Key(Kind.NAME, "What people call them.", required=True),
    "language": Key(Kind.WORD, "What their notices speak (en).", words=languages),
    "email": Key(Kind.TEXT, "Their e-mail address."),
    "webhook": Key(Kind.TEXT, "An http(s) address of their own that takes notices."),
    "phone": Key(Kind.TEXT, "Their telephone number, in quotes."),
}
SHIFT: Mapping[str, Key] = {
    "person": Key(Kind.TEXT, "Who is on duty: one of people.", required=True),
    "days": Key(Kind.SOME, "On which weekdays the shift begins.", required=True, words=DAYS),
    "from": Key(Kind.HOUR, "When it begins, by the roster's clock.", required=True),
    "to": Key(Kind.HOUR, "When it ends, on the next day if that is not after its beginning.", required=True),
}
ROSTER: Mapping[str, Key] = {
    "shifts": Key(Kind.MAPPINGS, "Who is on duty when.", required=True, keys=SHIFT),
    "timezone": Key(Kind.TEXT, "Whose clock it goes by, an IANA time zone (the city's)."),
}
WEBHOOK: Mapping[str, Key] = {
    "type": Key(Kind.WORD, "A POST to each person's webhook.", required=True, words=("webhook",)),
    "secret_env": Key(Kind.TEXT, "The environment variable with the secret that signs notices."),
}
SMTP: Mapping[str, Key] = {
    "type": Key(Kind.WORD, "E-mail.", required=True, words=("smtp",)),
    "host": Key(Kind.TEXT, "The mail server.", required=True),
    "port": Key(Kind.COUNT, "Its port (587)."),
    "from": Key(Kind.TEXT, "The sender's address.", required=True),
    "user": Key(Kind.TEXT, "The name to log in with (the sender's address)."),
    "password_env": Key(Kind.TEXT, "The environment variable with the password."),
    "tls": Key(Kind.WORD, "How the connection is secured (auto).", words=("auto", "starttls", "ssl")),
    "ca_file": Key(Kind.TEXT, "A file with the city's own certificate authority."),
}
CHANNELS: Mapping[str, Mapping[str, Key]] = {"webhook": WEBHOOK, "smtp": SMTP}
REPEAT: Mapping[str, Key] = {
    "every": Key(Kind.DURATION, "How often, at most once a second.", required=True),
    "until": Key(Kind.WORD, "What ends it.", required=True, words=MET),
}
STEP: Mapping[str, Key] = {
    "notify": Key(Kind.TEXT, "Who is told: person/…, roster/… or group/….", required=True),
    "via": Key(Kind.WORDS, "Through which channels, tried in turn.", required=True),
    "after": Key(Kind.DURATION, "How long after the beginning of the round (at once)."),
    "unless": Key(Kind.WORD, "What makes the step unnecessary.", words=MET),
    "levels": Key(Kind.SOME, "Only at these levels (all).", words=_LEVELS),
    "repeat": Key(Kind.MAPPING, "Tell them again and again.", keys=REPEAT),
}
CHAIN: Mapping[str, Key] = {
    "steps": Key(Kind.MAPPINGS, "Who is told, one after the other.", required=True, keys=STEP),
    "fallback": Key(Kind.TEXT, "Who is told when nobody is behind a step: person/…, roster/… or group/…."),
}
CLOCK: Mapping[str, Key] = {
    "acknowledgement_expires": Key(Kind.DURATION, "How long an acknowledgement holds.", required=True),
}
ESCALATION: Mapping[str, Key] = {
    "people": Key(Kind.NAMED, "Everybody who can be told, by a short name.", keys=PERSON),
    "rosters": Key(Kind.NAMED, "Who is on duty when.", keys=ROSTER),
    "groups": Key(Kind.LISTS, "Several people or rosters under one name: lists of person names or roster/…."),
    "channels": Key(Kind.NAMED, "How notices travel."),
    "chains": Key(Kind.NAMED, "What rules name in `escalate`.", keys=CHAIN),
    "clocks": Key(Kind.NAMED, "How long things may take, by level.", words=_LEVELS, keys=CLOCK),
}
