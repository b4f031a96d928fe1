"""The columns of the register's tables, and the properties of its sites: what readers check them by, and the book."""

from __future__ import annotations

from collections.abc import Mapping

from city.keys import Key, Kind

GONE = ("priority",)  # a column of earlier folders that nothing was decided by: passed over
CLOCKS = ("trust", "correct")  # what is made of a gateway's times; the first is usual

GATEWAYS: Mapping[str, Key] = {
    "gateway": Key(Kind.ID, "Its name, a part of MQTT topics: letters a-z, digits, - and _.", required=True),
    "district": Key(Kind.ID, "The district that it publishes for.", required=True),
    "interval_s": Key(Kind.NUMBER, "How often it sends, in seconds.", required=True),
    "name": Key(Kind.TEXT, "What people call it (its id)."),
    "lon": Key(Kind.PLAIN, "Its longitude in degrees, WGS 84."),
    "lat": Key(Kind.PLAIN, "Its latitude in degrees, WGS 84."),
    "clock": Key(Kind.WORD, "Whether its times are taken as they are, or corrected (trust).", words=CLOCKS),
}
SENSORS: Mapping[str, Key] = {
    "sensor": Key(Kind.ID, "Its name, unique in the city.", required=True),
    "gateway": Key(Kind.ID, "The gateway that speaks for it.", required=True),
    "site": Key(Kind.ID, "The place that it watches.", required=True),
    "quantity": Key(Kind.ID, "What it measures.", required=True),
    "unit": Key(Kind.TEXT, "The unit in which its gateway sends, as people write it: cm, %LEL, °C.", required=True),
    "interval_s": Key(Kind.NUMBER, "How often it measures, in seconds.", required=True),
    "name": Key(Kind.TEXT, "What people call it (its id)."),
    "lon": Key(Kind.PLAIN, "Its own longitude in degrees (its site's)."),
    "lat": Key(Kind.PLAIN, "Its own latitude in degrees (its site's)."),
    "range_min": Key(Kind.PLAIN, "The least that the instrument can say, in its unit; less is flagged."),
    "range_max": Key(Kind.PLAIN, "The most that the instrument can say, in its unit; more is flagged."),
    "installed": Key(Kind.DATE, "The first day whose readings are taken in."),
    "removed": Key(Kind.DATE, "The day from which on its readings are no longer taken in."),
    "tags": Key(Kind.WORDS, "Words for rules to choose by, separated by spaces."),
    "context": Key(Kind.WORDS, "Sensors that explain this one, the most telling first, separated by spaces."),
}
CALIBRATIONS: Mapping[str, Key] = {
    "sensor": Key(Kind.ID, "The sensor that is corrected.", required=True),
    "from": Key(Kind.LOCAL, "From when on: a day of the city, or a time with its offset.", required=True),
    "scale": Key(Kind.PLAIN, "What the value is multiplied by, not 0.", required=True),
    "offset": Key(Kind.PLAIN, "What is added then, in the quantity's canonical unit.", required=True),
    "note": Key(Kind.TEXT, "Why."),
}
SITES: Mapping[str, Key] = {
    "id": Key(Kind.ID, "Its name, unique in the city.", required=True),
    "kind": Key(Kind.TEXT, "What kind of place it is.", required=True),
    "name": Key(Kind.NAME, "What people call it.", required=True),
    "district": Key(Kind.ID, "The district it lies in.", required=True),
    "along": Key(Kind.TEXT, "The line that it lies on, for neighbours along a pipe."),
    "owner": Key(Kind.TEXT, "Whose it is."),
    "address": Key(Kind.NAME, "Where it is, for notices."),
}
