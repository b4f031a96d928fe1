"""The rule language as tables: which keys there are, what kind of value each takes, which belong together.

Whoever reads rule books, writes their JSON Schema or documents them goes by these tables; meaning beyond them (a
higher level must be harder to reach, say) is checked where it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from city.keys import Key as Key
from city.keys import Kind as Kind
from city.keys import optional as optional
from city.keys import required as required
from city.levels import COLOURS
from detectors.registry import all_channels


@dataclass(frozen=True, slots=True)
class Form:
    """One form of condition.

    Attributes
    ----------
    heads
        Keys that tell it: exactly one of them stands in a condition of this form.
    keys
        All its keys, heads included.
    says, example
        What it means, and one as YAML.
    one_of
        Sets of keys of which exactly one must stand there too.
    """

    heads: tuple[str, ...]
    keys: Mapping[str, Key]
    says: str
    example: str
    one_of: tuple[tuple[str, ...], ...] = ()


COMPARISONS = ("above", "below", "outside")
AGGREGATES = ("sum", "mean", "min", "max", "last", "range", "count")
TRENDS = ("rising", "falling")
LEVELS = tuple(colour.word for colour in reversed(COLOURS))
FLAG_NAMES = ("pass", "not_evaluated", "suspect", "fail", "missing")
SAME = ("sensor", "site", "gateway", "district", "city")
ON = ("pipe", "site", "gateway", "district")

_COMPARE = {
    "above": Key(Kind.MEASURE, "True at this value or higher."),
    "below": Key(Kind.MEASURE, "True at this value or lower."),
    "outside": Key(Kind.BAND, "True at or beyond either of two values."),
}
_AGGREGATE = {
    "sum": Key(Kind.DURATION, "The sum of the samples of this time."),
    "mean": Key(Kind.DURATION, "The mean of the samples of this time."),
    "min": Key(Kind.DURATION, "The least sample of this time."),
    "max": Key(Kind.DURATION, "The greatest sample of this time."),
    "last": Key(Kind.DURATION, "The newest sample of this time."),
    "range": Key(Kind.DURATION, "The greatest less the least sample of this time."),
    "count": Key(Kind.DURATION, "The number of samples of this time; compared with a plain number."),
}
_TREND = {
    "rising": Key(Kind.DIFFERENCE, "It has risen by this much."),
    "falling": Key(Kind.DIFFERENCE, "It has fallen by this much."),
}
_DETECTOR = {
    "detector": Key(Kind.TEXT, "The detector that finds the sample abnormal."),
    "score": Key(Kind.NUMBER, "The least score that counts (1)."),
    "direction": Key(Kind.WORD, "The direction that counts (either).", words=("up", "down")),
    "once_in": Key(Kind.TEXT, "How rare it must be: its like comes by chance once in this time, or less often: 10y."),
    "channel": Key(Kind.SOME, "The channels that count (any), of a detector with several.", words=all_channels()),
}
_SITE_KIND = Key(Kind.TEXT, "Only at sites of this kind.")
_TAGS = Key(Kind.WORDS, "Only sensors that have all these tags.")

WHERE: Mapping[str, Key] = {
    "quantity": Key(Kind.TEXT, "What the neighbours measure; `any` with silent and detector.", required=True),
    "within": Key(Kind.DISTANCE, "How far away they may be; with `on: pipe`, along the line."),
    "on": Key(Kind.WORD, "What they share with the watched sensor.", words=ON),
    "site_kind": _SITE_KIND,
    "tags": _TAGS,
}

FORMS: Mapping[str, Form] = {
    "compare": Form(
        COMPARISONS,
        {
            **_COMPARE,
            "count": Key(Kind.COUNT, "How many samples must meet it …"),
            "of": Key(Kind.COUNT, "… of the last so many."),
            "within": Key(Kind.DURATION, "None of them older than this (three intervals of the sensor for each)."),
        },
        "The sensor's own value, or with count and of, several of its last values.",
        "{above: 15 cm, count: 3, of: 5, within: 10m}",
    ),
    "window": Form(
        AGGREGATES,
        {**_AGGREGATE, **_COMPARE},
        "An aggregate over a time of the sensor's own samples.",
        "{mean: 30m, above: 15 cm}",
        one_of=(COMPARISONS,),
    ),
    "trend": Form(
        TRENDS,
        {**_TREND, "within": Key(Kind.DURATION, "In this time.", required=True)},
        "A change by a robust line through the samples of a time.",
        "{rising: 2 cm, within: 10m}",
    ),
    "reaches": Form(
        ("reaches",),
        {
            "reaches": Key(Kind.MEASURE, "The value that will be reached."),
            "within": Key(Kind.DURATION, "In this time from now.", required=True),
            "from": Key(Kind.WORD, "The side it comes from (below).", words=("below", "above")),
            "over": Key(Kind.DURATION, "The time whose samples the forecast rests on (15m)."),
        },
        "A forecast with its interval.",
        "{reaches: 27 cm, within: 30m}",
    ),
    "detector": Form(("detector",), _DETECTOR, "What a detector says of the sample.", "{detector: flood_onset}"),
    "near": Form(
        ("near",),
        {
            "near": Key(Kind.MAPPING, "Which neighbours.", keys=WHERE),
            **_AGGREGATE,
            **_COMPARE,
            **_TREND,
            "within": Key(Kind.DURATION, "The time of rising and falling."),
            **_DETECTOR,
            "in_last": Key(Kind.DURATION, "How long ago the detector may have found it."),
            "silent": Key(Kind.DURATION, "They have no sample in this time."),
            "k_of_n": Key(Kind.COUNT, "How many neighbours it takes (1)."),
            "min_valid": Key(Kind.COUNT, "With fewer neighbours that have data, unknown (1)."),
        },
        "What neighbours measured.",
        "{near: {quantity: rainfall, within: 2 km}, sum: 30m, above: 15 mm}",
        one_of=((*AGGREGATES, *TRENDS, "detector", "silent"),),
    ),
    "beside": Form(
        ("beside",),
        {
            "beside": Key(
                Kind.MAPPING,
                "What stands near the sensor, by the register.",
                keys={
                    "kind": Key(Kind.TEXT, "The kind of site.", required=True),
                    "within": Key(Kind.DISTANCE, "How far away it may be.", required=True),
                },
            )
        },
        "A fact of the register: true or false.",
        "{beside: {kind: road, within: 30 m}}",
    ),
    "sequence": Form(
        ("sequence",),
        {
            "sequence": Key(Kind.CONDITIONS, "What held one after the other, the last one now."),
            "within": Key(Kind.DURATION, "All of it in this time.", required=True),
        },
        "Signs in their order.",
        "{sequence: [{above: 10 cm}, {below: 5 cm}], within: 72h}",
    ),
    "silent": Form(
        ("silent",),
        {"silent": Key(Kind.DURATION, "Nothing received for this long.")},
        "Silence; the only level of a silence rule.",
        "{silent: 10m}",
    ),
    "all": Form(
        ("all",), {"all": Key(Kind.CONDITIONS, "All of them hold.")}, "All of several conditions.",
        "{all: [{above: 15 cm}, {rising: 2 cm, within: 10m}]}",
    ),
    "any": Form(
        ("any",), {"any": Key(Kind.CONDITIONS, "One of them holds.")}, "Any of several conditions.",
        "{any: [{above: 15 cm}, {rising: 2 cm, within: 10m}]}",
    ),
    "not": Form(
        ("not",), {"not": Key(Kind.CONDITION, "It does not hold.")}, "The contrary of a condition.",
        "{not: {above: 15 cm}}",
    ),
}  # fmt: skip

HEADS = tuple(dict.fromkeys(head for form in FORMS.values() for head in form.heads))

# Beside every form of condition.
ANYWHERE: Mapping[str, Key] = {
    "only": Key(Kind.CALENDAR, "The condition holds only inside this calendar."),
}

# Beside the condition of a level.
LEVEL: Mapping[str, Key] = {
    "for": Key(Kind.DURATION, "How long the condition must hold before the level stands (at once)."),
    "deadband": Key(Kind.DIFFERENCE, "How far back the value must go before the level may end (not at all)."),
    "on_gap": Key(
        Kind.WORD,
        "What a gap does to a level that is waiting for its time (complete for red and orange, else hold).",
        words=("complete", "hold", "reset"),
    ),
    "clear_after": Key(Kind.DURATION, "How long it must not hold before the level ends (the rule's)."),
}

LADDER: Mapping[str, Key] = {colour: Key(Kind.CONDITION, "What this level asks.", keys=LEVEL) for colour in LEVELS}

WATCH: Mapping[str, Key] = {
    "quantity": Key(Kind.TEXT, "What the sensors measure."),
    "site_kind": _SITE_KIND,
    "district": Key(Kind.TEXT, "Only in this district."),
    "sensors": Key(Kind.WORDS, "Only these sensors."),
    "tags": _TAGS,
    "gateways": Key(Kind.WORD, "All gateways (silence rules).", words=("all",)),
}

CONFIRM: Mapping[str, Key] = {
    "neighbours": Key(Kind.COUNT, "How many neighbours must see it too (1)."),
    "within": Key(Kind.DISTANCE, "How far away they may be.", required=True),
    "window": Key(Kind.DURATION, "In which time they must have seen it (5m, or three intervals of the sensor)."),
    "min_valid": Key(Kind.COUNT, "With fewer neighbours that have data, the level stands unconfirmed (1)."),
    "else": Key(
        Kind.WORD, "What becomes of an unconfirmed level (one_level_lower).", words=("one_level_lower", "nothing")
    ),
}

FLAGS: Mapping[str, Key] = {
    "raise": Key(Kind.FLAGS, "Samples that may raise (pass, not_evaluated, suspect).", words=FLAG_NAMES),
    "clear": Key(Kind.FLAGS, "Samples that may clear (pass, not_evaluated).", words=FLAG_NAMES),
}

SOURCE: Mapping[str, Key] = {
    "text": Key(Kind.TEXT, "Where the thresholds come from."),
    "clause": Key(Kind.TEXT, "The place in it."),
    "status": Key(Kind.WORD, "How far it was checked (unverified).", words=("verified", "unverified", "site")),
}

INHIBITED_BY: Mapping[str, Key] = {
    "rule": Key(Kind.TEXT, "The rule whose standing alarm holds this one back.", required=True),
    "same": Key(Kind.WORD, "The place they must share.", required=True, words=SAME),
}

REALARM: Mapping[str, Key] = {colour: Key(Kind.DURATION, "At this level.") for colour in LEVELS}

RULE: Mapping[str, Key] = {
    "id": Key(Kind.TEXT, "The rule's name, unique in the city.", required=True),
    "title": Key(Kind.NAME, "What people read (the id)."),
    "watch": Key(Kind.MAPPING, "Which sensors: one alarm for each.", required=True, keys=WATCH),
    "ladder": Key(Kind.MAPPING, "The levels and their conditions.", required=True, keys=LADDER),
    "clear_after": Key(Kind.DURATION, "How long a level must not hold before it ends (at once)."),
    "stale_after": Key(Kind.DURATION, "From when on missing data are a gap (5m; at least three intervals)."),
    "confirm": Key(Kind.MAPPING, "Neighbours must see it too, or the level is lower.", keys=CONFIRM),
    "latch": Key(Kind.YES, "Once back to normal, the alarm waits for a person's reset (false)."),
    "realarm_after": Key(
        Kind.MAPPING, "After which time an alarm that stands acknowledged calls people again (never).", keys=REALARM
    ),
    "flags": Key(Kind.MAPPING, "Which quality flags count.", keys=FLAGS),
    "only": Key(Kind.CALENDAR, "The rule's conditions hold only inside this calendar."),
    "inhibited_by": Key(Kind.MAPPINGS, "Alarms that hold this one back while they stand.", keys=INHIBITED_BY),
    "escalate": Key(Kind.TEXT, "The chain of escalation.yaml that is told."),
    "guidance": Key(Kind.NAME, "What to do: a text, or a file of the city folder."),
    "source": Key(Kind.MAPPING, "Where the thresholds come from.", keys=SOURCE),
}

CALENDAR: Mapping[str, Key] = {
    "days": Key(Kind.WORDS, "On these weekdays (all).", words=("mon", "tue", "wed", "thu", "fri", "sat", "sun")),
    "from": Key(Kind.HOUR, "From this time of day on, by the local clock; after `to`, the window runs over midnight."),
    "to": Key(Kind.HOUR, "Until just before this time of day, of the next day if it is not after `from`."),
    "months": Key(Kind.MONTHS, "In these months (all); a window over midnight belongs to the day it begins on."),
    "holidays": Key(Kind.WORD, "Only on public holidays, or never on them.", words=("only", "never")),
    "timezone": Key(Kind.TEXT, "Whose clock, an IANA time zone (the city's)."),
}

SELECTOR: Mapping[str, Key] = {
    "sites": Key(Kind.WORDS, "At one of these sites."),
    "districts": Key(Kind.WORDS, "In one of these districts."),
    "gateways": Key(Kind.WORDS, "Behind one of these gateways, and the gateways themselves."),
    "sensors": Key(Kind.WORDS, "Of one of these sensors."),
    "quantities": Key(Kind.WORDS, "Of sensors that measure one of these."),
    "site_kind": Key(Kind.TEXT, "At sites of this kind."),
    "rules": Key(Kind.WORDS, "Of one of these rules."),
    "tags": Key(Kind.WORDS, "Of sensors that have all these tags."),
}
FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY")

WINDOW: Mapping[str, Key] = {
    "id": Key(Kind.ID, "The window's name, unique in the city.", required=True),
    "title": Key(Kind.NAME, "What people read (the id)."),
    "selector": Key(
        Kind.MAPPING, "Which alarms it holds: those that match all that is given.", required=True, keys=SELECTOR
    ),
    "start": Key(Kind.LOCAL, "When it first begins, by the local clock or with an offset.", required=True),
    "duration": Key(Kind.DURATION, "How long it lasts, 30d at most.", required=True),
    "timezone": Key(Kind.TEXT, "Whose clock, an IANA time zone (the city's)."),
    "repeat": Key(Kind.TEXT, "A rule of RFC 5545, such as FREQ=WEEKLY;BYDAY=SA;UNTIL=20271231 (once)."),
    "review_by": Key(Kind.DATE, "The day up to which a rule without an end goes on."),
    "except": Key(Kind.DATES, "Days on which it does not begin."),
    "holidays": Key(Kind.WORD, "Not on the public holidays above, or only on them.", words=("skip", "only")),
    "up_to": Key(Kind.WORD, "The highest level it holds (orange).", words=LEVELS),
    "allow_red": Key(Kind.YES, "Red is held, too (false)."),
    "approver": Key(Kind.TEXT, "Who approved it: a person of escalation.yaml, or a name; red needs one."),
    "reason": Key(Kind.TEXT, "Why.", required=True),
}

CALENDAR_FILE: Mapping[str, Key] = {
    "calendars": Key(Kind.NAMED, "Calendars by name, for `only` in rules.", keys=CALENDAR),
    "holidays": Key(Kind.DATES, "Public holidays, one day each."),
    "workdays": Key(Kind.DATES, "Days of a weekend that are worked in exchange for a holiday."),
    "maintenance": Key(Kind.MAPPINGS, "Planned work: alarms that it makes are held, and recorded.", keys=WINDOW),
}

# Keys that a silence rule does not take: there are no samples to judge.
NOT_IN_SILENCE = ("clear_after", "stale_after", "confirm", "flags", "only")

FILE: Mapping[str, Key] = {
    "version": Key(Kind.NUMBER, "The version of the language: 1.", required=True),
    "rules": Key(Kind.MAPPINGS, "The rules.", required=True, keys=RULE),
}
