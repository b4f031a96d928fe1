"""Why a message or a reading was not taken as it came: the words in `city.rejections.reason`, in one table.

What each is called and what to try about it is in `city/words/refused.toml` (`ingest.retelling`).

=================== ========= ==================================================================================
reason              of        meaning
=================== ========= ==================================================================================
bad_topic           message   the topic is not one of the contract's
too_big             message   the payload is over 1 MiB
too_deep            message   the JSON is nested too deeply
too_many            message   more readings than one message may hold
bad_json            message   not JSON in UTF-8
bad_cbor            message   neither a JSON array nor CBOR (SenML)
bad_protobuf        message   not a Sparkplug B payload
bad_message         message   readable, but not what the topic promises: no `readings` or `series`, no SenML pack, …
bad_field           field     an optional field of the message (`seq`, `sent_at`, …) is wrong; the rest is taken
bad_reading         reading   not an object, or no sensor name, or a series without its values
bad_value           reading   the value is not a finite number: NaN, infinity, a string, nothing
bad_time            reading   the time is neither RFC 3339 with an offset nor whole Unix milliseconds
bad_unit            reading   the unit is unknown, or measures something else than the sensor does
bad_flag            reading   the quality flag is not 1, 2, 3, 4 or 9
unknown_alias       reading   a Sparkplug metric by a number that no birth explains; the birth has been asked for
unknown_gateway     message   the register has no such gateway
wrong_district      message   the gateway publishes under another district than its own
unknown_sensor      reading   the register has no such sensor
wrong_gateway       reading   the sensor belongs to another gateway
out_of_service      reading   before the sensor was installed, or after it was removed
time_out_of_range   reading   before 2005, or more than a day in the future
future_time         reading   more than 120 s in the future: stored under its arrival time, flagged suspect; `time` is
                              the one it claimed
conflict            reading   another value is stored for the same sensor and instant: the first one stays
exercise            message   readings of a drill that does not run, or that a drill's own test refused: nothing real
not_storable        message   the database refused this message's rows (a fault of Lifeline: report it)
decoder_fault       message   the decoder failed (a fault of Lifeline: report it)
=================== ========= ==================================================================================
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """One word of the table above."""

    BAD_TOPIC = "bad_topic"
    TOO_BIG = "too_big"
    TOO_DEEP = "too_deep"
    TOO_MANY = "too_many"
    BAD_JSON = "bad_json"
    BAD_CBOR = "bad_cbor"
    BAD_PROTOBUF = "bad_protobuf"
    BAD_MESSAGE = "bad_message"
    BAD_FIELD = "bad_field"
    BAD_READING = "bad_reading"
    BAD_VALUE = "bad_value"
    BAD_TIME = "bad_time"
    BAD_UNIT = "bad_unit"
    BAD_FLAG = "bad_flag"
    UNKNOWN_ALIAS = "unknown_alias"
    UNKNOWN_GATEWAY = "unknown_gateway"
    WRONG_DISTRICT = "wrong_district"
    UNKNOWN_SENSOR = "unknown_sensor"
    WRONG_GATEWAY = "wrong_gateway"
    OUT_OF_SERVICE = "out_of_service"
    TIME_OUT_OF_RANGE = "time_out_of_range"
    FUTURE_TIME = "future_time"
    CONFLICT = "conflict"
    EXERCISE = "exercise"
    NOT_STORABLE = "not_storable"
    DECODER_FAULT = "decoder_fault"


# What a mended register or mapping can make good: such rows are kept whole, and may be replayed.
MENDABLE: Final = frozenset(
    {
        Reason.BAD_TOPIC, Reason.BAD_MESSAGE, Reason.BAD_READING, Reason.BAD_VALUE, Reason.BAD_TIME, Reason.BAD_UNIT,
        Reason.BAD_FLAG, Reason.UNKNOWN_GATEWAY, Reason.WRONG_DISTRICT, Reason.UNKNOWN_SENSOR, Reason.WRONG_GATEWAY,
        Reason.OUT_OF_SERVICE, Reason.TIME_OUT_OF_RANGE, Reason.NOT_STORABLE, Reason.DECODER_FAULT,
    }
)  # fmt: skip
