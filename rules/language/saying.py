"""Conditions and detectors' reasons as people read them: engineers' shorthand becomes words of the catalogue.

Evidence keeps what the rule says (`rising 2 cm within 10m`), since that is what engineers search for, and old evidence
must stay readable. Here it is recognised again, part by part, and said in the reader's language; what is not recognised
is shown as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from city.display import units_named
from city.duration import parse_s
from city.errors import InputError
from city.levels import COLOURS, Flag
from city.quantity import QUANTITIES
from city.words import catalogue, say
from detectors.river_adapter import PREFIX
from rules.language.retelling import retell
from rules.signs.telling import retold, say_channel

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_UNITS_MS = (("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000), ("seconds", 1_000))
_TIME = r"(?:[\d.]+\s*(?:ms|s|m|h|d)\s*)+"
_NUMBER = r"[-+]?[\d.]+"


@lru_cache(maxsize=4096)
def say_test(test: str, language: str) -> str:
    """What a condition asks or what was seen, in `language`; as it stands when it is not recognised."""
    for pattern, speak in _FORMS:
        match = pattern.fullmatch(test)
        if match is not None and (said := speak(match, language)) is not None:
            return said
    return retell(test, language)


def say_time(text: str, language: str) -> str:
    """A duration as rules write it: `1h30m` is `1 h 30 min`."""
    try:
        rest_ms = round(parse_s(text) * 1000)
    except InputError:
        return text
    parts = []
    for key, unit_ms in _UNITS_MS:
        count, rest_ms = divmod(rest_ms, unit_ms)
        if count:
            parts.append(say(f"units.{key}", language, n=count))
    if rest_ms or not parts:
        parts.append(
            say("evidence.milliseconds", language, n=rest_ms) if rest_ms else say("units.seconds", language, n=0)
        )
    return " ".join(parts)


def _known(key: str) -> bool:
    return key in catalogue()


def _named(topic: str, name: str, language: str) -> str:
    """A thing by its name in the catalogue, else by its id."""
    return say(f"{topic}.{name}", language) if _known(f"{topic}.{name}") else name


def _quantity(name: str, language: str) -> str:
    if name == "any":
        return say("evidence.anything", language)
    return QUANTITIES[name].name[language] if name in QUANTITIES else name


Speak = Callable[[re.Match[str], str], str | None]


def _simple(key: str) -> Speak:
    """A sentence whose places are the groups of the pattern, each said by what its name tells."""

    def speak(match: re.Match[str], language: str) -> str | None:
        return say(key, language, **{name: _place(name, text, language) for name, text in match.groupdict().items()})

    return speak


def _place(name: str, text: str, language: str) -> str:
    match name:
        case "time":
            return say_time(text, language)
        case "part":
            return say_test(text, language)
        case "kind":
            return _named("kinds", text, language)
        case "detector":
            return _named("detectors", text, language)
        case "level":
            return _named("levels", text, language)
        case "flag":
            return _named("flags", text, language)
        case "bound" | "low" | "high":
            return units_named(text, language)
        case _:
            return text


def _count_of(match: re.Match[str], language: str) -> str:
    own = match.groupdict()
    places = {"part": say_test(own["part"], language), "need": own["need"], "of": own["of"]}
    said = say("evidence.count_of", language, **places)
    if own["time"]:
        said = say("evidence.count_of_within", language, time=say_time(own["time"], language), **places)
    return say("evidence.counted", language, part=said, met=own["met"], n=own["n"]) if own["met"] else said


def _reaches(match: re.Match[str], language: str) -> str:
    side, bound, time, more = match["side"], match["bound"], match["time"], match["more"]
    said = say(f"evidence.reaches_{side}", language, bound=units_named(bound, language), time=say_time(time, language))
    return said if more is None else say("evidence.with_remark", language, part=said, remark=_forecast(more, language))


_FORECAST = re.compile(r"in (?P<central>\S+) (?P<unit>min|h) \((?P<earliest>\S+?)\.\.(?P<latest>\S*)\)")
_REMARKS = {
    "it is there": "there", "too few samples for a forecast": "too_few", "it is not rising": "not_rising",
    "it is not falling": "not_falling",
}  # fmt: skip


def _forecast(text: str, language: str) -> str:
    if text in _REMARKS:
        return say(f"evidence.{_REMARKS[text]}", language)
    match = _FORECAST.fullmatch(text)
    if match is None:
        return text
    key = {"min": "in_minutes", "h": "in_hours"}[match["unit"]] + ("" if match["latest"] else "_open")
    return say(f"evidence.{key}", language, **match.groupdict())


def _near(match: re.Match[str], language: str) -> str | None:
    quantity, on, distance, need = match["quantity"], match["on"], match["distance"], match["need"]
    if not on and not distance:
        return None
    key = "evidence.place" + (f"_on_{on}" if on else "") + ("_within" if distance else "")
    if not _known(key):
        return None
    place = say(key, language, quantity=_quantity(quantity, language), distance=distance)
    part = say_test(match["part"], language)
    if need:
        return say("evidence.near_several", language, place=place, need=need, part=part)
    return say("evidence.near", language, place=place, part=part)


def _seen_by(match: re.Match[str], language: str) -> str:
    part, distance, need = say_test(match["part"], language), match["distance"], match["need"]
    if need:
        return say("evidence.seen_by_several", language, part=part, distance=distance, need=need)
    return say("evidence.seen_by_one", language, part=part, distance=distance)


def _only(match: re.Match[str], language: str) -> str:
    words = match["calendar"].split()
    rest = list(words)
    said = []
    days = [say(f"evidence.{day}", language) for day in words if day in _DAYS]
    rest = [word for word in rest if word not in _DAYS]
    said += ["、".join(days) if language == "zh" else ", ".join(days)] if days else []
    hours = [word for word in rest if re.fullmatch(r"\d\d:\d\d-\d\d:\d\d", word)]
    said += hours
    rest = [word for word in rest if word not in hours]
    if rest[:1] == ["months"]:
        months = [word for word in rest[1:] if word.isdigit()]
        said.append(say("evidence.months", language, months=("、" if language == "zh" else ", ").join(months)))
        rest = rest[1 + len(months) :]
    if rest[:1] == ["holidays"] and rest[1:2] in (["only"], ["never"]):
        said.append(say(f"evidence.holidays_{rest[1]}", language))
        rest = rest[2:]
    if rest or not said:
        return say("evidence.only_named", language, name=match["calendar"])
    return say("evidence.only_written", language, parts=" ".join(said))


def _detector(match: re.Match[str], language: str) -> str | None:
    name, direction, reason = match["detector"], match["direction"], match["reason"]
    if not _known(f"detectors.{name}") and not name.startswith(PREFIX):
        return None
    said = _narrowed(match, language, _by_name(name, direction, language))
    return say("evidence.with_remark", language, part=said, remark=say_reason(reason, language)) if reason else said


def _by_name(name: str, direction: str | None, language: str) -> str:
    if _known(f"detectors.{name}_{direction}"):
        return say(f"detectors.{name}_{direction}", language)
    key = "evidence.found" + (f"_{direction}" if direction else "")
    return say(key, language, detector=_named("detectors", name, language))


def _narrowed(match: re.Match[str], language: str, said: str) -> str:
    """The same with how rare it must be, and by which channels."""
    if period := match["period"]:
        years = say("evidence.years", language, n=period[:-1]) if period.endswith("y") else say_time(period, language)
        said = say("evidence.once_in", language, part=said, time=years)
    if channels := match["channels"]:
        told = [say_channel(channel, language) for channel in channels.split(", ")]
        said = say(
            "evidence.by_channels", language, part=said, channels=("、" if language == "zh" else ", ").join(told)
        )
    return said


def _found_in_last(match: re.Match[str], language: str) -> str:
    said = say_test(match["detector"], language)
    return say("evidence.found_in_last", language, detector=said, time=say_time(match["time"], language))


# Detectors' reasons, as they are written.
_REASONS: Mapping[str, str] = {
    "water_rises": rf"water (?P<value>{_NUMBER}) cm, rising (?P<rise>{_NUMBER}) cm in 5 min, "
    rf"limit (?P<limit>{_NUMBER}) cm",
    "methane_over": rf"methane (?P<value>{_NUMBER}) %LEL over a baseline of (?P<base>{_NUMBER}), "
    rf"limit (?P<limit>{_NUMBER}), for (?P<time>\d+ s)",
    "strain_stays": rf"level (?P<value>{_NUMBER}) um/m stays (?P<shift>{_NUMBER}) beside its baseline, "
    rf"limit (?P<limit>{_NUMBER})",
    "moving": rf"moving at (?P<rate>{_NUMBER}) mm/h, usual is (?P<usual>{_NUMBER}), "
    rf"limit of the change (?P<limit>{_NUMBER})",
    "moving_yearly": rf"moving at (?P<rate>{_NUMBER}) mm a year, usual is (?P<usual>{_NUMBER}), "
    rf"limit of the change (?P<limit>{_NUMBER})",
    "moved_apart": rf"(?P<moved>{_NUMBER}) mm against (?P<neighbour>\S+), (?P<away>{_NUMBER}) m away, moving at "
    rf"(?P<rate>{_NUMBER}) mm/h: (?P<now>{_NUMBER}) % of the distortion allowed, "
    rf"(?P<ahead>{_NUMBER}) % in the time ahead",
    "no_neighbour": r"no neighbour of its kind at a known distance has spoken lately",
    "creeps": rf"sinking at (?P<rate>{_NUMBER}) mm/h and faster: inverse velocity \(R2 (?P<r2>{_NUMBER}), "
    rf"(?P<n>\d+) velocities\) meets zero in (?P<earliest>{_NUMBER}) to (?P<latest>{_NUMBER}) h",
    "tag_unread": r"tag (?P<tag>\S+) is not one number above 0",
    "heavy_load": rf"a load of (?P<value>{_NUMBER}) um/m beside the slow trend, limit (?P<limit>{_NUMBER})",
    "loads_of_week": rf"loads of this week at (?P<ratio>{_NUMBER}) of those of the weeks before",
    "damage_grows": rf"fatigue damage (?P<damage>{_NUMBER}) of (?P<limit>{_NUMBER}) allowed, "
    rf"growing (?P<pace>{_NUMBER}) a year of (?P<allowed>{_NUMBER}) allowed",
    "water_to_come": rf"water (?P<value>{_NUMBER}) cm, (?P<limit>{_NUMBER}) cm in (?P<early>{_NUMBER}) "
    rf"to (?P<late>{_NUMBER}) min",
    "water_to_come_open": rf"water (?P<value>{_NUMBER}) cm, (?P<limit>{_NUMBER}) cm in (?P<early>{_NUMBER}) "
    rf"min at the earliest",
    "water_over": rf"water (?P<value>{_NUMBER}) cm, over (?P<limit>{_NUMBER}) cm, "
    rf"up to (?P<peak>{_NUMBER}) cm to come",
    "rain_of_late": rf"rain (?P<rain>{_NUMBER}) mm/h",
    "origin_leak": rf"rather a leak, leak score (?P<score>{_NUMBER})",
    "origin_sewer": rf"rather sewer gas, leak score (?P<score>{_NUMBER})",
    "origin_open": rf"leak or sewer gas, leak score (?P<score>{_NUMBER})",
    "drop_leak": rf"pressure fell (?P<drop>{_NUMBER}) kPa: a leak",
    "drop_supply": rf"pressure fell (?P<drop>{_NUMBER}) kPa: a supply event",
    "drop_alone": rf"pressure fell (?P<drop>{_NUMBER}) kPa: this station alone",
    "drop_methane": r"methane rises at (?P<sensor>\S+)",
    "drop_flow": rf"flow rises and (?P<hold>{_NUMBER}) of (?P<all>{_NUMBER}) other stations hold",
    "drop_others": rf"(?P<fell>{_NUMBER}) of (?P<all>{_NUMBER}) other stations fell with it",
    "drop_none": rf"(?P<fell>{_NUMBER}) of (?P<all>{_NUMBER}) other stations fell, "
    rf"nothing else tells of it",
    "demand_flow": rf"flow (?P<value>{_NUMBER}) m3/h, usual at this hour is (?P<usual>{_NUMBER}), "
    rf"over (?P<hours>{_NUMBER}) h",
    "demand_pressure": rf"pressure (?P<value>{_NUMBER}) kPa, usual at this hour is (?P<usual>{_NUMBER}), "
    rf"over (?P<hours>{_NUMBER}) h",
    "night_least": rf"least flow of the night (?P<value>{_NUMBER}) m3/h, usual is (?P<usual>{_NUMBER})",
    "fouled_dry": rf"stands at (?P<value>{_NUMBER}) cm after (?P<hours>{_NUMBER}) "
    rf"h of dry weather: a fouled sensor, not a flood",
    "fouled_flat": rf"reads (?P<value>{_NUMBER}) cm unchanged for (?P<hours>{_NUMBER}) "
    rf"h, longest before was (?P<before>{_NUMBER}) h",
    "fouled_quiet": rf"changes by (?P<value>{_NUMBER}) cm from reading to reading, used "
    rf"to change by (?P<usual>{_NUMBER}) cm",
    "fouled_gone": rf"jumped from (?P<was>{_NUMBER}) to (?P<value>{_NUMBER}) cm: it "
    rf"was dirt, and is gone",
    "drains_slower": rf"water falls to a third in (?P<now>{_NUMBER}) h, used to in (?P<then>{_NUMBER}) "
    rf"h, after (?P<n>{_NUMBER}) floods",
    "spreads": r"\S+ at (?P<spreads>\S+) spreads from the usual (?P<usual>\S+)",
    "warming_to_go": r"warming up, (?P<n>\d+) readings to go",
    "warming_seen": r"warming up, (?P<n>\d+) readings seen",
    "warming_of": r"warming up, (?P<n>\d+) of (?P<all>\d+) readings",
    "warming_pause": r"warming up after a pause",
    "anew_level": r"learning the level anew: it has stayed beside the old baseline",
    "anew_methane": r"learning the baseline anew: methane has stayed above the old one",
    "flagged": r"reading is flagged (?P<flag>" + "|".join(flag.name.lower() for flag in Flag) + ")",
    "no_measurement": r"reading (?P<value>\S+) is not a measurement",
}
_COMPILED = {key: re.compile(pattern) for key, pattern in _REASONS.items()}


def say_reason(reason: str, language: str) -> str:
    """What a detector says it has seen, in `language`; as it stands when it is not recognised."""
    parts = [_seen(part, language) for part in reason.split("; ")]
    said = [part for part in parts if part is not None]
    if len(said) < len(parts):
        return retell(reason, language)
    whole = said[-1]
    for part in reversed(said[:-1]):
        whole = say("reasons.also", language, one=part, other=whole)
    return whole


def _seen(part: str, language: str) -> str | None:
    if (said := retold(part, language)) is not None:
        return said
    for key, pattern in _COMPILED.items():
        if match := pattern.fullmatch(part):
            return _simple(f"detectors.{key}")(match, language)
    return None


_LEVELS = "|".join(colour.word for colour in COLOURS)
_NARROW = r"(?:, once in \S+ or rarer)?(?:, by [a-z0-9_]+(?:, [a-z0-9_]+)*)?"
_AGGREGATES = ("sum", "mean", "min", "max", "last", "range", "count")
_FORMS: list[tuple[re.Pattern[str], Speak]] = [
    (re.compile(pattern), speak)
    for pattern, speak in (
        (rf"sequence within (?P<time>{_TIME}): its first part", _simple("evidence.sequence_first")),
        (rf"sequence within (?P<time>{_TIME})", _simple("evidence.sequence")),
        (rf"reaches (?P<bound>.+?) from (?P<side>below|above) within (?P<time>{_TIME})(?:: (?P<more>.*))?", _reaches),
        (r"seen by (?:a neighbour|(?P<need>\d+) neighbours) within (?P<distance>[^:]+): (?P<part>.+)", _seen_by),
        (
            r"(?P<quantity>\w+)(?: on the same (?P<on>\w+))?(?: within (?P<distance>[^:,]+))?"
            r"(?:, (?P<need>\d+) of them)?: (?P<part>.+)",
            _near,
        ),
        (
            rf"(?P<part>.+), (?P<need>\d+) of the last (?P<of>\d+)(?: within (?P<time>{_TIME}))?"
            r"(?:: (?P<met>\d+) of (?P<n>\d+))?",
            _count_of,
        ),
        *(
            (rf"{name} over (?P<time>{_TIME}) (?P<part>(?:above|below|outside) .+)", _simple(f"evidence.{name}"))
            for name in _AGGREGATES
        ),
        (rf"rising (?P<bound>.+?) within (?P<time>{_TIME})", _simple("evidence.rising")),
        (rf"falling (?P<bound>.+?) within (?P<time>{_TIME})", _simple("evidence.falling")),
        (rf"(?P<detector>\S+(?: (?:up|down))?{_NARROW}) in the last (?P<time>{_TIME})", _found_in_last),
        (rf"silent (?P<time>{_TIME})", _simple("evidence.silent")),
        (r"only (?P<calendar>.+)", _only),
        (r"above (?P<bound>.+)", _simple("evidence.above")),
        (r"below (?P<bound>.+)", _simple("evidence.below")),
        (r"outside (?P<low>.+) to (?P<high>.+)", _simple("evidence.outside")),
        (rf"stands: (?P<rule>\S+) (?P<level>{_LEVELS}) \S+", _simple("evidence.stands")),
        (r"blind: (?P<gateway>\S+) is silent", _simple("evidence.blind")),
        (r"(?P<kind>\w+) within (?P<distance>[^:]+)", _simple("evidence.beside")),
        (
            r"(?P<detector>[^\s,]+?)(?: (?P<direction>up|down))?(?:, once in (?P<period>\S+) or rarer)?"
            r"(?:, by (?P<channels>[a-z0-9_]+(?:, [a-z0-9_]+)*))?(?:: (?P<reason>.+))?",
            _detector,
        ),
    )
]
