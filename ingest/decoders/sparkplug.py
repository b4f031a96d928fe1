"""Sparkplug B 3.0, as far as a host needs it that only listens: births, data by alias, deaths, and asking for rebirths.

`spBv1.0/{group}/{type}/{edge node}[/{device}]`: the group is the district, the edge node the gateway. A sensor is
called after its metric, with its device before it (`pump-7-level`); `/` becomes `-`. The unit is the metric's property
`engUnit`, its flag the property `Quality` (192 good, 500 stale, 0 bad).

What an alias means is never guessed: after a gap in `seq`, a death, or a start of ours, a metric that comes by alias
alone is refused (`unknown_alias`) and the node is asked for a rebirth, once every few seconds until it comes. What is
known about nodes is bounded; who is forgotten is asked again. Times are arguments; nothing here reads a clock.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ingest.decoders.common import MS_RANGE, Bad, Source, Told, short, take
from ingest.decoders.protobuf import Metric, Payload, Scalar, read_payload, rebirth
from ingest.message import Message, ReadingsMessage, StatusMessage
from ingest.reasons import Reason

PREFIX: Final = "spBv1.0"
TOPICS: Final = (
    *(f"{PREFIX}/+/{kind}/+" for kind in ("NBIRTH", "NDATA", "NDEATH")),
    *(f"{PREFIX}/+/{kind}/+/+" for kind in ("DBIRTH", "DDATA", "DDEATH")),
)
ASK_AGAIN_US: Final = 5_000_000
MAX_NODES: Final = 5_000
MAX_METRICS: Final = 1_000_000  # of all nodes together
_SEQ = 256  # numbers before they begin anew
_CONTROL: Final = ("Node Control/", "Device Control/", "Properties/", "Node Info/")
_QUALITIES: Final = {192: 2, 500: 3, 0: 4}


@dataclass(frozen=True, slots=True)
class Known:
    """What a birth said about a metric."""

    device: str
    name: str
    datatype: int | None
    unit: str | None
    flag: int


@dataclass(slots=True)
class Node:
    """An edge node as heard: its session (`bd_seq`), when that was born, the last `seq`, and what aliases mean.

    `trusted`: nothing was missed since the birth. `names` holds what is known of metrics that come by name.
    """

    bd_seq: int | None = None
    born_ms: int = 0
    seq: int | None = None
    trusted: bool = False
    online: bool | None = None
    aliases: dict[int, Known] = field(default_factory=dict)
    names: dict[tuple[str, str], Known] = field(default_factory=dict)
    devices: set[str] = field(default_factory=set)
    asked_us: int | None = None

    @property
    def size(self) -> int:
        """How many metrics are remembered."""
        return len(self.names)


class SparkplugHost:
    """What a host remembers of edge nodes, and what it wants to tell them."""

    def __init__(self, max_nodes: int = MAX_NODES, max_metrics: int = MAX_METRICS) -> None:
        self._nodes: OrderedDict[tuple[str, str], Node] = OrderedDict()
        self._max_nodes, self._max_metrics, self._metrics = max_nodes, max_metrics, 0
        self._requests: list[tuple[str, bytes]] = []

    def take_requests(self) -> list[tuple[str, bytes]]:
        """Commands to publish (topic, payload; QoS 0, not retained), each given once."""
        requests, self._requests = self._requests, []
        return requests

    def decode(self, source: Source, kind: str, device: str, content: bytes) -> Message:
        """Decode one message of a node (or its device); Bad when it is no payload."""
        payload = read_payload(content)
        node = self._node(source)
        before = node.size
        try:
            return self._decode(node, source, kind, device, payload)
        finally:
            self._metrics += node.size - before
            self._forget((source.district, source.gateway))

    def _decode(self, node: Node, source: Source, kind: str, device: str, payload: Payload) -> Message:
        message = ReadingsMessage(*source[:3])
        match kind:
            case "NDEATH":
                return self._death(node, source, payload)
            case "NBIRTH":
                if self._birth(node, payload):
                    message.beside = StatusMessage(*source[:3], online=True, time_us=_time_us(payload.timestamp_ms))
            case "DBIRTH":
                self._follow(node, source, payload)
                node.devices.add(device)
                self._learn(node, device, payload)
            case "DDEATH":
                self._follow(node, source, payload)
                node.devices.discard(device)
                return message
            case _:
                self._follow(node, source, payload)
                if device and device not in node.devices:
                    self._distrust(node, source)
        told = Told()
        message.refused = told.refused
        for metric in payload.metrics:
            self._metric(node, source, message, told, metric, device, payload)
        told.tally.finish(b"")
        return message

    def _birth(self, node: Node, payload: Payload) -> bool:
        """Begin a node's session anew; False for a birth that is older than the one known."""
        born_ms = payload.timestamp_ms or 0
        bd_seq = next((metric.value(8) for metric in payload.metrics if metric.name == "bdSeq"), None)
        if born_ms < node.born_ms and bd_seq != node.bd_seq:
            return False
        node.bd_seq = int(bd_seq) if isinstance(bd_seq, int | float) and not isinstance(bd_seq, bool) else None
        node.born_ms, node.seq, node.trusted, node.online, node.asked_us = born_ms, payload.seq, True, True, None
        node.aliases, node.names, node.devices = {}, {}, set()
        self._learn(node, "", payload)
        return True

    def _learn(self, node: Node, device: str, payload: Payload) -> None:
        for metric in payload.metrics:
            if metric.name is None or len(node.names) >= self._max_metrics:
                continue
            unit = metric.properties.get("engUnit")
            quality = metric.properties.get("Quality")
            known = Known(device, metric.name, metric.datatype, unit if isinstance(unit, str) and unit else None,
                          _flag(quality))  # fmt: skip
            node.names[device, metric.name] = known
            if metric.alias is not None:
                node.aliases[metric.alias] = known

    def _death(self, node: Node, source: Source, payload: Payload) -> Message:
        bd_seq = next((metric.value(8) for metric in payload.metrics if metric.name == "bdSeq"), None)
        if node.online and node.bd_seq is not None and bd_seq != node.bd_seq:
            return ReadingsMessage(*source[:3])  # of a session before this one, come late
        node.trusted, node.online, node.seq = False, False, None
        return StatusMessage(*source[:3], online=False)

    def _follow(self, node: Node, source: Source, payload: Payload) -> None:
        """Look whether a message was missed, or a birth."""
        expected = None if node.seq is None else (node.seq + 1) % _SEQ
        node.seq = payload.seq
        if not node.trusted or payload.seq != expected:
            self._distrust(node, source)

    def _distrust(self, node: Node, source: Source) -> None:
        node.trusted = False
        if node.asked_us is None or not 0 <= source.received_us - node.asked_us < ASK_AGAIN_US:
            node.asked_us = source.received_us
            topic = f"{PREFIX}/{source.district}/NCMD/{source.gateway}"
            self._requests.append((topic, rebirth(max(0, source.received_us // 1000))))

    def _metric(
        self, node: Node, source: Source, message: ReadingsMessage, told: Told, metric: Metric, device: str,
        payload: Payload,
    ) -> None:  # fmt: skip
        name, time_us, value = metric.name, None, None
        if name == "bdSeq" or (name is not None and name.startswith(_CONTROL)):
            return
        try:
            time_us = _time_us(metric.timestamp_ms if metric.timestamp_ms is not None else payload.timestamp_ms)
            known = self._known(node, metric, device)
            name, device = known.name, known.device or device
            if name == "bdSeq" or name.startswith(_CONTROL):
                return
            datatype = metric.datatype if metric.datatype is not None else known.datatype
            value = metric.value(datatype)
            if time_us is None:
                raise Bad(Reason.BAD_TIME, "neither the metric nor its message has a timestamp")  # noqa: TRY301 - told below
            flag = _flag(metric.properties["Quality"]) if "Quality" in metric.properties else known.flag
            take(message, sensor_name(device, name), time_us, value, known.unit, flag)
        except Bad as bad:
            if bad.reason is Reason.UNKNOWN_ALIAS:
                self._distrust(node, source)
            sent = {"device": device, "name": name, "alias": metric.alias, "value": value, "raw": metric.bits}
            told.tell(bad, sensor_name(device, name) if name else "", time_us, sent)

    def _known(self, node: Node, metric: Metric, device: str) -> Known:
        if metric.name is not None:
            return node.names.get((device, metric.name)) or Known(device, metric.name, metric.datatype, None, 2)
        known = node.aliases.get(metric.alias) if metric.alias is not None and node.trusted else None
        if known is None or known.device != device:
            raise Bad(Reason.UNKNOWN_ALIAS, f"a metric by alias, and no birth explains it, got {short(metric.alias)}")
        return known

    def _node(self, source: Source) -> Node:
        key = source.district, source.gateway
        node = self._nodes.get(key)
        if node is None:
            node = self._nodes[key] = Node()
        self._nodes.move_to_end(key)
        return node

    def _forget(self, keep: tuple[str, str]) -> None:
        """Let go those not heard for longest, when too much is known."""
        while len(self._nodes) > self._max_nodes or (self._metrics > self._max_metrics and len(self._nodes) > 1):
            key = next(iter(self._nodes))
            if key == keep:
                return
            self._metrics -= self._nodes.pop(key).size


def sensor_name(device: str, metric: str) -> str:
    """What a metric's sensor is called: the device before the metric, `-` for `/`."""
    return "-".join(part for part in (device, metric) if part).replace("/", "-")


def topic_parts(levels: list[str]) -> Iterator[str]:
    """Group, type, node and device (empty for a node's own) of a topic's levels; nothing when it is another topic."""
    fits = len(levels) in (4, 5) and levels[0] == PREFIX and all(levels)
    if fits and levels[2] in (("NBIRTH", "NDATA", "NDEATH") if len(levels) == 4 else ("DBIRTH", "DDATA", "DDEATH")):
        yield from (levels[1], levels[2], levels[3], levels[4] if len(levels) == 5 else "")


def _flag(quality: Scalar) -> int:
    return _QUALITIES.get(int(quality), 3) if isinstance(quality, int | float) else 2


def _time_us(timestamp_ms: int | None) -> int | None:
    if timestamp_ms is None:
        return None
    if timestamp_ms > MS_RANGE[1]:
        raise Bad(Reason.BAD_TIME, f"outside of the years, got {timestamp_ms} ms")
    return timestamp_ms * 1000
