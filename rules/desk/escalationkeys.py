"""The keys of `escalation.yaml` as tables: what its reader checks it by, and what its JSON Schema is made of."""

from __future__ import annotations

from collections.abc import Mapping

from city.keys import Key, Kind
from city.levels import COLOURS
from city.words import languages
from rules.cap.capkeys import CAP
from rules.desk.roster import DAYS

MET = ("acknowledged", "confirmed", "dispatched", "on_site")
REACH = ("email", "webhook", "phone", "mqtt", "apprise")
CLOCK_ORDER = ("acknowledge", "confirm", "dispatch", "on_site", "report", "close")
LEVELS = tuple(colour.word for colour in reversed(COLOURS))

PERSON: Mapping[str, Key] = {
    "name": Key(Kind.NAME, "What people call them.", required=True),
    "language": Key(Kind.WORD, "What their notices speak (en).", words=languages),
    "email": Key(Kind.TEXT, "Their e-mail address."),
    "webhook": Key(Kind.TEXT, "An http(s) address of their own that takes notices."),
    "phone": Key(Kind.TEXT, 'Their telephone number with its country, in quotes: "+861000000000".'),
    "mqtt": Key(Kind.TEXT, "What stands for {mqtt} in the topic of an MQTT channel."),
    "apprise": Key(Kind.TEXT, "What stands for {apprise} in the address of an Apprise channel: a chat or user there."),
    "account": Key(Kind.TEXT, "The name of their account in the console, if they have one."),
}
SHIFT: Mapping[str, Key] = {
    "person": Key(Kind.TEXT, "Who is on duty: one of people."),
    "days": Key(Kind.SOME, "On which weekdays the shift begins.", words=DAYS),
    "from": Key(Kind.HOUR, "When it begins, by the roster's clock."),
    "to": Key(Kind.HOUR, "When it ends, on the next day if that is not after its beginning."),
    "holidays": Key(
        Kind.WORD, "By calendar.yaml: skip the days that are holidays, or only on them (they do not matter).",
        words=("skip", "only"),
    ),
    "ical": Key(Kind.TEXT, "Instead of all these, an iCalendar file of the city folder: rosters/nights.ics."),
}  # fmt: skip
WEEKLY = ("person", "days", "from", "to")  # what a shift that is no iCalendar file must have
OVERRIDE: Mapping[str, Key] = {
    "person": Key(Kind.TEXT, "Who is on duty instead: one of people. Without it nobody stands in."),
    "from": Key(Kind.TEXT, "From when, by the roster's clock: 2026-10-01T08:00.", required=True),
    "to": Key(Kind.TEXT, "Until when, by the roster's clock: 2026-10-02T08:00.", required=True),
    "instead_of": Key(Kind.TEXT, "Whose turns they take (without it, everybody's, and there need not be one)."),
}
ROSTER: Mapping[str, Key] = {
    "shifts": Key(Kind.MAPPINGS, "Who is on duty when.", required=True, keys=SHIFT),
    "overrides": Key(Kind.MAPPINGS, "Exceptions with a date, the last one first.", keys=OVERRIDE),
    "timezone": Key(Kind.TEXT, "Whose clock it goes by, an IANA time zone (the city's)."),
    "gaps": Key(
        Kind.WORD, "Whether hours without anybody are told of (reported) or meant.", words=("reported", "meant")
    ),
}
_CA = Key(Kind.TEXT, "A file with the city's own certificate authority.")
WEBHOOK: Mapping[str, Key] = {
    "type": Key(Kind.WORD, "A POST to each person's webhook.", required=True, words=("webhook",)),
    "secret_env": Key(Kind.TEXT, "The environment variable with the secret that signs notices."),
    "ca_file": _CA,
}
SMTP: Mapping[str, Key] = {
    "type": Key(Kind.WORD, "E-mail.", required=True, words=("smtp",)),
    "host": Key(Kind.TEXT, "The mail server.", required=True),
    "port": Key(Kind.COUNT, "Its port (587)."),
    "from": Key(Kind.TEXT, "The sender's address.", required=True),
    "user": Key(Kind.TEXT, "The name to log in with (the sender's address)."),
    "password_env": Key(Kind.TEXT, "The environment variable with the password."),
    "tls": Key(Kind.WORD, "How the connection is secured (auto).", words=("auto", "starttls", "ssl")),
    "ca_file": _CA,
}
MQTT: Mapping[str, Key] = {
    "type": Key(Kind.WORD, "A message on a topic of an MQTT broker, QoS 1.", required=True, words=("mqtt",)),
    "topic": Key(
        Kind.TEXT, "Where notices are published: {person} is the person's id, {mqtt} their own part of it.",
        required=True,
    ),
    "url_env": Key(Kind.TEXT, "The environment variable with the broker's address: mqtts://user:password@host:port."),
    "host": Key(Kind.TEXT, "The broker, when no url_env names it."),
    "port": Key(Kind.COUNT, "Its port (8883 with TLS, 1883 without)."),
    "user": Key(Kind.TEXT, "The name to log in with."),
    "password_env": Key(Kind.TEXT, "The environment variable with the password."),
    "tls": Key(Kind.YES, "Whether the connection is secured (true)."),
    "ca_file": _CA,
}  # fmt: skip
APPRISE: Mapping[str, Key] = {
    "type": Key(
        Kind.WORD, "Any service that Apprise knows: DingTalk, WeCom, Feishu, Telegram, text messages.",
        required=True, words=("apprise",),
    ),
    "url_env": Key(
        Kind.TEXT, "The environment variable with the Apprise address; {phone}, {email}, {apprise} and {person} are "
        "filled in for each person.",
    ),
    "url": Key(Kind.TEXT, "The Apprise address itself, when it holds no secret."),
    "needs": Key(
        Kind.SOME, "Which addresses a person must have to be told through it (those that `url` names).", words=REACH,
    ),
}  # fmt: skip
CHANNELS: Mapping[str, Mapping[str, Key]] = {"webhook": WEBHOOK, "smtp": SMTP, "mqtt": MQTT, "apprise": APPRISE}
REPEAT: Mapping[str, Key] = {
    "every": Key(Kind.DURATION, "How often, at most once a second.", required=True),
    "until": Key(Kind.WORD, "What ends it.", required=True, words=MET),
    "times": Key(Kind.COUNT, "How often at most (no cap); red is repeated without end."),
}
STEP: Mapping[str, Key] = {
    "notify": Key(Kind.TEXT, "Who is told: person/…, roster/… or group/….", required=True),
    "via": Key(Kind.WORDS, "Through which channels, tried in turn.", required=True),
    "after": Key(Kind.DURATION, "How long after the beginning of the round (at once)."),
    "unless": Key(Kind.WORD, "What makes the step unnecessary.", words=MET),
    "levels": Key(Kind.SOME, "Only at these levels (all).", words=LEVELS),
    "repeat": Key(Kind.MAPPING, "Tell them again and again.", keys=REPEAT),
}
CHAIN: Mapping[str, Key] = {
    "steps": Key(Kind.MAPPINGS, "Who is told, one after the other.", required=True, keys=STEP),
    "fallback": Key(Kind.TEXT, "Who is told when nobody is behind a step: person/…, roster/… or group/…."),
}
CLOCK: Mapping[str, Key] = {
    "acknowledge": Key(Kind.DURATION, "Until somebody has said that they saw it."),
    "confirm": Key(Kind.DURATION, "Until it is confirmed, or found to be false."),
    "dispatch": Key(Kind.DURATION, "Until somebody is on the way."),
    "on_site": Key(Kind.DURATION, "Until somebody is there."),
    "report": Key(Kind.DURATION, "Until they have reported."),
    "close": Key(Kind.DURATION, "Until the incident is closed."),
    "acknowledgement_expires": Key(Kind.DURATION, "How long an acknowledgement holds."),
}
DESK: Mapping[str, Key] = {
    "name": Key(Kind.NAME, "What people call it."),
    "districts": Key(Kind.WORDS, "Only incidents of these districts (all)."),
    "domains": Key(Kind.WORDS, "Only incidents of these domains: gas, waterlogging, … (all)."),
    "chains": Key(Kind.WORDS, "Only incidents of these chains (all)."),
}
INCIDENTS: Mapping[str, Key] = {
    "group_within": Key(Kind.DISTANCE, "Alarms as near as this to each other are one incident (200 m)."),
    "group_window": Key(Kind.DURATION, "As long as they are no further apart in time (60m)."),
    "falls_after": Key(Kind.DURATION, "How long a lower level must hold before the incident steps down (5m)."),
}
HEARTBEAT: Mapping[str, Key] = {
    "url_env": Key(Kind.TEXT, "The environment variable with the http(s) address that is asked.", required=True),
    "every": Key(Kind.DURATION, "How often, at most every 10 seconds (1m)."),
}
ESCALATION: Mapping[str, Key] = {
    "people": Key(Kind.NAMED, "Everybody who can be told, by a short name.", keys=PERSON),
    "rosters": Key(Kind.NAMED, "Who is on duty when.", keys=ROSTER),
    "groups": Key(Kind.LISTS, "Several people or rosters under one name: lists of person names or roster/…."),
    "channels": Key(Kind.NAMED, "How notices travel."),
    "chains": Key(Kind.NAMED, "What rules name in `escalate`.", keys=CHAIN),
    "clocks": Key(Kind.NAMED, "How long things may take, by level.", words=LEVELS, keys=CLOCK),
    "desks": Key(Kind.NAMED, "The operators' positions; an incident is the first one's that takes it.", keys=DESK),
    "incidents": Key(Kind.MAPPING, "What makes alarms one incident.", keys=INCIDENTS),
    "platform": Key(Kind.TEXT, "The chain for what Lifeline says of itself: a channel that fails, an empty roster."),
    "heartbeat": Key(Kind.MAPPING, "A sign of life that leaves the house.", keys=HEARTBEAT),
    "cap": Key(Kind.MAPPING, "What the outside is told, as CAP 1.2 messages that people release.", keys=CAP),
}
