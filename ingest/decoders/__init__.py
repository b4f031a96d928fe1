"""Decoders: a topic and a payload in, a message or a refusal out. They never raise, whatever the bytes.

=========== ================================================== =========================================
module      topics                                             content
=========== ================================================== =========================================
`lifeline`  `lifeline/v1/{district}/{gateway}/readings|status` Lifeline's own JSON
`senml`     `lifeline/v1/{district}/{gateway}/senml`           SenML, JSON or CBOR
`lifeline`  `lifeline/v1/{district}/{gateway}/exercise/{drill}` readings of a drill, in Lifeline's own JSON
`sparkplug` `spBv1.0/{group}/{type}/{node}[/{device}]`         Sparkplug B
`mapped`    as the city's mappings say                         vendors' JSON, ThingsBoard, ChirpStack
=========== ================================================== =========================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from city import mapping as mappings
from city.topics import matches
from ingest.decoders import lifeline, mapped, senml
from ingest.decoders.common import MAX_PAYLOAD, MAX_READINGS, Bad, Source, short
from ingest.decoders.sparkplug import PREFIX, SparkplugHost, topic_parts
from ingest.message import Message, ReadingsMessage, Refusal
from ingest.reasons import Reason

__all__ = ["EXERCISES", "MAX_PAYLOAD", "MAX_READINGS", "TOPICS", "Decoders", "decode", "drill_of", "too_big"]

TOPICS: Final = tuple(f"lifeline/v1/+/+/{kind}" for kind in ("readings", "status", "senml"))
EXERCISES: Final = "lifeline/v1/+/+/exercise/+"
_OWN: Final[Mapping[str, Callable[[Source, bytes], Message]]] = {
    "readings": lifeline.readings,
    "status": lifeline.status,
    "senml": senml.readings,
}
_LONG: Final = 500  # characters of a topic: longer ones are not remembered
_SMALL: Final = MAX_READINGS  # bytes; a reading takes more than one
_TOO_BIG: Final = f"payload too big, got {{}} bytes, try at most {MAX_PAYLOAD} a message"
_HINT = "lifeline/v1/{district}/{gateway}/readings, …/senml or …/status, or a mapping of the city for it"


class Decoders:
    """Chooses a decoder by topic; holds what decoders must remember.

    Parameters
    ----------
    known
        Mappings of the city in force; `mappings` may be set anew at any time.
    sparkplug
        What is known of edge nodes.
    """

    def __init__(self, known: Sequence[mappings.Mapping] = (), sparkplug: SparkplugHost | None = None) -> None:
        self.mappings = tuple(known)
        self.sparkplug = sparkplug if sparkplug is not None else SparkplugHost()

    def decode(self, topic: str, payload: bytes, received_us: int = 0) -> Message:
        """Decode one message.

        Parameters
        ----------
        topic
            As the broker delivered it.
        payload
            Any bytes.
        received_us
            City time of arrival (microseconds since 1970), for times that are relative to it.

        Returns
        -------
        Message
            Columns of readings with what was refused among them; a status; or a refusal of the whole message.
        """
        try:
            message = self._decode(topic, payload, received_us)
        except Bad as bad:
            return Refusal(topic, bad.reason, bad.detail, *place_of(topic))
        except RecursionError:
            return Refusal(topic, Reason.TOO_DEEP, "nested too deeply", *place_of(topic))
        except Exception as error:  # noqa: BLE001 - a fault here must not let one message block all that follow
            detail = f"{type(error).__name__}: {short(error)}"
            return Refusal(topic, Reason.DECODER_FAULT, detail, *place_of(topic))
        if len(payload) > _SMALL and isinstance(message, ReadingsMessage) and message.published > MAX_READINGS:
            detail = f"too many readings, got {message.published}, try at most {MAX_READINGS} a message"
            return Refusal(topic, Reason.TOO_MANY, detail, message.district, message.gateway)
        return message

    def _decode(self, topic: str, payload: bytes, received_us: int) -> Message:
        own, district, gateway = _own(topic) if len(topic) <= _LONG else _own.__wrapped__(topic)
        if own is not None and len(payload) <= MAX_PAYLOAD:
            return own(Source(topic, district, gateway, received_us), payload)
        levels = topic.split("/")
        edge = tuple(topic_parts(levels)) if levels[0] == PREFIX else ()
        mapping = None if own or edge else next((one for one in self.mappings if matches(one.topic, topic)), None)
        if not (own or edge or mapping):
            raise Bad(Reason.BAD_TOPIC, f"unknown topic, got {short(topic)}, try {_HINT}")
        if len(payload) > MAX_PAYLOAD:
            raise Bad(Reason.TOO_BIG, _TOO_BIG.format(len(payload)))
        if edge:
            group, kind, node, device = edge
            source = Source(topic, group, node, received_us)
            if payload[:1] == b"{":  # readings kept in quarantine, as they were understood when they came
                return lifeline.readings(source, payload)
            return self.sparkplug.decode(source, kind, device, payload)
        return mapped.readings(mapping, topic, payload) if mapping is not None else Refusal(topic, Reason.BAD_TOPIC, "")


def _exercise(source: Source, payload: bytes) -> ReadingsMessage:
    message = lifeline.readings(source, payload)
    message.drill = drill_of(source.topic)
    return message


@lru_cache(maxsize=20_000)
def _own(topic: str) -> tuple[Callable[[Source, bytes], Message] | None, str, str]:
    """The decoder of one of Lifeline's own topics, and the district and gateway in it; None for any other."""
    levels = topic.split("/")
    if drill_of(topic):
        return _exercise, levels[2], levels[3]
    if len(levels) == 5 and levels[:2] == ["lifeline", "v1"] and all(levels) and levels[4] in _OWN:
        return _OWN[levels[4]], levels[2], levels[3]
    return None, "", ""


def drill_of(topic: str) -> str:
    """The drill that a topic is of; empty when it is none of a drill's."""
    if "/exercise/" not in topic:
        return ""
    levels = topic.split("/")
    own = len(levels) == 6 and levels[:2] == ["lifeline", "v1"] and levels[4] == "exercise" and all(levels)
    return levels[5] if own else ""


def too_big(topic: str, size: int) -> Refusal:
    """A message of so many bytes that they were not even gathered."""
    return Refusal(topic, Reason.TOO_BIG, _TOO_BIG.format(size), *place_of(topic))


def place_of(topic: str) -> tuple[str, str]:
    """District and gateway that a topic names; empty when it is none of Lifeline's or Sparkplug's."""
    levels = topic.split("/")
    if len(levels) == 5 and levels[:2] == ["lifeline", "v1"] and all(levels) and levels[4] in _OWN:
        return levels[2], levels[3]
    if drill_of(topic):
        return levels[2], levels[3]
    if parts := tuple(topic_parts(levels)):
        return parts[0], parts[2]
    return "", ""


_plain = Decoders()


def decode(topic: str, payload: bytes, received_us: int = 0) -> Message:
    """Decode one message that needs neither mappings nor memory (see `Decoders.decode`)."""
    return _plain.decode(topic, payload, received_us)
