"""Vendors' JSON by the city's mappings: plain JSON, ThingsBoard's gateway telemetry, ChirpStack's uplinks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from city.errors import InputError
from city.mapping import Mapping, Value
from ingest.decoders.common import MAX_READINGS, Bad, Told, as_number, parse_json, short, take
from ingest.message import ReadingsMessage
from ingest.reasons import Reason


def readings(mapping: Mapping, topic: str, payload: bytes) -> ReadingsMessage:
    """Decode a message by its mapping (Bad when nothing of it can be taken)."""
    return Translation(mapping, topic).of(payload)


class Translation:
    """One message being translated; `found` counts, for each value of the mapping, what it found."""

    def __init__(self, mapping: Mapping, topic: str) -> None:
        self._mapping, self._topic = mapping, topic
        self.found = [0] * len(mapping.values)
        self.ignored = 0
        self._told = Told()

    def of(self, payload: bytes) -> ReadingsMessage:
        """The readings of a payload."""
        mapping = self._mapping
        whole = parse_json(payload)
        if mapping.shape == "thingsboard":
            whole = self._devices(whole)
        message = ReadingsMessage(
            self._topic, self._part("district", whole), self._part("gateway", whole), refused=self._told.refused
        )
        items = 0
        for _, item in mapping.each.find(whole, whole):
            items += 1
            self._item(message, whole, item)
            if sum(self.found) > MAX_READINGS:
                raise Bad(Reason.TOO_MANY, f"too many readings, try at most {MAX_READINGS} a message")
        self._told.tally.finish(payload)
        if not (message.published or self.ignored):
            paths = ", ".join(value.path.text for value in mapping.values)
            detail = f"{mapping.file}: no reading in it, {items} items at {mapping.each.text} and nothing at {paths}"
            raise Bad(Reason.BAD_MESSAGE, f"{detail}, got {short(whole)}")
        return message

    def _part(self, part: str, whole: object) -> str:
        template = self._mapping.gateway if part == "gateway" else self._mapping.district
        if template is None:
            return ""
        try:
            return template.fill(self._topic, whole)
        except InputError as error:
            raise Bad(Reason.BAD_MESSAGE, f"{self._mapping.file}: no {part}: {error}") from None

    def _devices(self, content: object) -> list[dict[str, Any]]:
        """ThingsBoard's `{device: [{ts, values}]}` as a list of items that name their device."""
        if not isinstance(content, dict):
            raise Bad(Reason.BAD_MESSAGE, f"not an object of devices, got {short(content)}")
        items: list[dict[str, Any]] = []
        for device, entries in content.items():
            for entry in entries if isinstance(entries, list) else [entries]:
                if isinstance(entry, dict) and isinstance(entry.get("values"), dict):
                    items.append({**entry, "device": device})
                else:
                    bad = Bad(Reason.BAD_READING, f"no {{ts, values}} of device {short(device)}, got {short(entry)}")
                    self._told.tell(bad, "", None, {device: entry})
        return items

    def _item(self, message: ReadingsMessage, whole: object, item: object) -> None:
        mapping = self._mapping
        time_us, flag, spoilt = None, 2, None
        try:
            time_us = self._time_us(whole, item)
            flag = self._flag(whole, item)
        except Bad as bad:
            spoilt = bad
        for number, key, value, raw in self._raw(whole, item):
            self.found[number] += 1
            if sum(self.found) > MAX_READINGS:
                return
            name, sent = "", {"key": key, "value": raw}
            try:
                name = self._name(value, whole, item, key)
                if spoilt is not None or time_us is None:
                    raise spoilt or Bad(Reason.BAD_TIME, "no time")
                unit = value.unit.fill(self._topic, whole, item, key) if value.unit is not None else None
                sent |= {"unit": unit} if unit is not None else {}
                take(message, name, time_us, self._number(raw) * value.scale + value.offset, unit, flag)
            except Bad as bad:
                self._told.tell(bad, name, time_us, sent)
            except InputError as error:
                self._told.tell(Bad(Reason.BAD_READING, f"{mapping.file}: {error}"), name, time_us, sent)

    def _raw(self, whole: object, item: object) -> Iterator[tuple[int, str, Value, object]]:
        for number, value in enumerate(self._mapping.values):
            for key, raw in value.path.find(whole, item):
                if key in self._mapping.ignore:
                    self.ignored += 1
                else:
                    yield number, key, value, raw

    def _name(self, value: Value, whole: object, item: object, key: str) -> str:
        name = value.sensor.fill(self._topic, whole, item, key)
        return self._mapping.names.get(name, name)

    def _time_us(self, whole: object, item: object) -> int:
        mapping = self._mapping
        raw = mapping.time_at.one(whole, item)
        if raw is None:
            raise Bad(Reason.BAD_TIME, f"{mapping.file}: no time at {mapping.time_at.text}")
        try:
            return mapping.time.read(raw)[0]
        except ValueError as error:
            hint = "an offset, or `zone` in the mapping" if mapping.time.zone is None else mapping.time.format
            raise Bad(Reason.BAD_TIME, f"{mapping.file}: {error}, try {hint}") from None

    def _flag(self, whole: object, item: object) -> int:
        mapping = self._mapping
        mark = mapping.flag_at.one(whole, item) if mapping.flag_at is not None else None
        if mark is None:
            return 2
        text = {True: "true", False: "false"}[mark] if isinstance(mark, bool) else str(mark)
        if text not in mapping.flags:
            known = ", ".join(mapping.flags)
            raise Bad(Reason.BAD_FLAG, f"{mapping.file}: unknown quality mark, got {short(text)}, try one of {known}")
        return mapping.flags[text]

    def _number(self, raw: object) -> float:
        if self._mapping.numeric_text and isinstance(raw, str):
            try:
                number = float(raw.strip())
            except ValueError:
                number = math.nan
            if math.isfinite(number) and "_" not in raw:
                return number
        if isinstance(raw, str) and not self._mapping.numeric_text:
            raise Bad(Reason.BAD_VALUE, f"text where a number belongs, got {short(raw)}, try numeric_text or ignore")
        return as_number(raw)
