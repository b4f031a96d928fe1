"""The engine's state as bytes: small things pickled, the tracks' columns as they lie in memory.

A mark with the shape comes first: `SHAPE` grows with every change of what is pickled that `load` does not know how to
read, and a digest stands for the fields of the types that are written without their names. Whoever can write
`lifeline.snapshots` must not be able to run code here, so values are made only of the types in `_VALUES` and a short
list.
"""

from __future__ import annotations

import copyreg
import gc
import hashlib
import importlib
import io
import pickle
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from city.errors import OutsideError
from rules.alarm.alarm import Alarm
from rules.alarm.tracks import COLUMNS, Tracks
from rules.desk.incidents import Incident
from rules.signs.memory import Signs
from rules.state import State

SHAPE = 4  # 1: pickled whole; 2: alarms and incidents with the names of their attributes in each; 3: no early signs
_READS, _WITH_SIGNS = (2, 3, 4), 4
_HEAD = struct.Struct("<6sH8sQ")  # mark, shape, fields of the plain types, bytes of the pickled part
_LENGTH = struct.Struct("<Q")
_MARK = b"LLsnap"

_VALUES = frozenset(  # modules whose types are values and do nothing when they are made
    {
        "city.geo", "city.levels", "city.reading", "detectors.protocol", "rules.alarm.alarm", "rules.alarm.fold",
        "rules.alarm.holds", "rules.alarm.ladder", "rules.alarm.silence", "rules.alarm.track", "rules.alarm.windows",
        "rules.conditions.truth", "rules.desk.floods", "rules.desk.incidents", "rules.desk.plan", "rules.desk.roster",
        "rules.drillplan", "rules.state",
    }
)  # fmt: skip
_MOVED = {("rules.desk.roster", name): "rules.desk.plan" for name in ("Chain", "ChainStep")}  # where older ones name it
_BUILTINS = {
    ("builtins", "set"),
    ("builtins", "frozenset"),
    ("datetime", "time"),
    ("datetime", "datetime"),
    ("datetime", "timedelta"),
    ("datetime", "timezone"),
    ("collections", "OrderedDict"),
    ("types", "MappingProxyType"),
}


class _Narrow(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - pickle's own signature
        if (module, name) in _BUILTINS:
            return super().find_class(module, name)
        module = _MOVED.get((module, name), module)
        if module in _VALUES:
            found = super().find_class(module, name)
            if isinstance(found, type):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a snapshot")


def _plain_types() -> Mapping[type, tuple[str, ...]]:
    """The value types that are no more than their fields, and these: they are written as calls of the type.

    Types with a `__setstate__` of their own are not among them: they can read what older versions wrote.
    """
    found = {}
    for module in sorted(_VALUES):
        for kind in vars(importlib.import_module(module)).values():
            if isinstance(kind, type) and is_dataclass(kind) and kind.__module__ == module:
                own = kind.__dict__.get("__setstate__")
                if own is None or own.__module__ == "dataclasses":
                    found[kind] = tuple(field.name for field in fields(kind))
    return found


def _reducer(kind: type, names: tuple[str, ...]) -> Callable[[Any], tuple[type, tuple[Any, ...]]]:
    get = attrgetter(*names)
    if len(names) == 1:
        return lambda value: (kind, (get(value),))
    return lambda value: (kind, get(value))


def _namer(kind: type) -> Callable[[Any], tuple[Any, ...]]:
    """As the type pickles itself, but with the names of its attributes written once for all values: twice as fast."""
    names = tuple(field.name for field in fields(kind))
    get = attrgetter(*names)
    return lambda value: (copyreg.__newobj__, (kind,), (names, get(value)))  # type: ignore[attr-defined]  # pickle's own


def _by_value(kind: type[Enum]) -> Callable[[Enum], tuple[type[Enum], tuple[Any]]]:
    """A member as a call of its type with its value: Python 3.11's first releases write a look-up by name instead."""
    return lambda member: (kind, (member.value,))


def _enumerations() -> set[type[Enum]]:
    named = (kind for module in _VALUES for kind in vars(importlib.import_module(module)).values())
    return {kind for kind in named if isinstance(kind, type) and issubclass(kind, Enum) and kind.__module__ in _VALUES}


_TYPES = _plain_types()
_REDUCERS: Mapping[type, Callable[[Any], Any]] = {
    **{kind: _by_value(kind) for kind in _enumerations()},
    **{kind: _reducer(kind, names) for kind, names in _TYPES.items()},
    **{kind: _namer(kind) for kind in (Alarm, Incident)},
}
_FIELDS = hashlib.sha256(repr([(kind.__qualname__, names) for kind, names in _TYPES.items()]).encode()).digest()[:8]


class Unreadable(OutsideError):
    """A snapshot that this version cannot read: the state must be made again from what the database holds."""


def freeze(state: State) -> Sequence[bytes | memoryview]:
    """A copy of a state, as blocks that together are its bytes; quick, so that alarms do not wait.

    The blocks are good until the next call for the same state.

    The collector of cycles rests meanwhile: it would go over everything for nothing.
    """
    small, columns = state.tracks.freeze()
    own = {field.name: getattr(state, field.name) for field in fields(State) if field.name not in ("tracks", "signs")}
    own["signs"], fleet = state.signs.freeze()
    own["exercises"] = {name: dump(inner) for name, inner in state.exercises.items()}
    body = io.BytesIO()
    pickler = pickle.Pickler(body, protocol=pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _REDUCERS
    gc.disable()
    try:
        pickler.dump((small, own))
    finally:
        gc.enable()
    pickled = body.getvalue()
    blocks: list[bytes | memoryview] = [_HEAD.pack(_MARK, SHAPE, _FIELDS, len(pickled)), pickled]
    for name in COLUMNS:
        block = columns[name].view(np.uint8).data
        blocks += [_LENGTH.pack(len(block)), block]
    return [*blocks, _LENGTH.pack(sum(len(block) for block in fleet)), *fleet]


def dump(state: State) -> bytes:
    """A state as bytes."""
    return b"".join(freeze(state))


def load(body: bytes) -> State:
    """The state of `dump`; Unreadable when the bytes are none, or of another version's making."""
    if len(body) < _HEAD.size or not body.startswith(_MARK):
        raise Unreadable(f"snapshot of the watcher: not of this kind, got {len(body)} bytes beginning {body[:8]!r}")
    _, shape, names, length = _HEAD.unpack_from(body)
    if shape not in _READS or names != _FIELDS:
        has, reads = f"{shape}-{names.hex()}", f"{SHAPE}-{_FIELDS.hex()}"
        raise Unreadable(f"snapshot of the watcher: has shape {has}, this version reads shape {reads}")
    try:
        small, own = _Narrow(io.BytesIO(body[_HEAD.size : _HEAD.size + length])).load()
        columns, rest = _columns(body, _HEAD.size + length, shape)
        tracks = Tracks.thaw(small, columns)
        own["signs"] = Signs.thaw(own["signs"], rest) if shape >= _WITH_SIGNS else Signs()
        own["exercises"] = {name: load(inner) for name, inner in own.get("exercises", {}).items()}
        return State(tracks=tracks, **own)
    except (
        pickle.UnpicklingError, struct.error, AttributeError, EOFError, ImportError, LookupError, TypeError, ValueError,
        msgspec.MsgspecError,
    ) as error:  # fmt: skip
        raise Unreadable(f"snapshot of the watcher: cannot be read, got {type(error).__name__}: {error}") from error


def _columns(body: bytes, at: int, shape: int) -> tuple[dict[str, NDArray[Any]], bytes]:
    """The tracks' columns, and what comes after them."""
    columns: dict[str, NDArray[Any]] = {}
    for name, kind in COLUMNS.items():
        if name == "signs" and shape < _WITH_SIGNS:
            columns[name] = np.zeros(len(columns["times"]), kind)
            continue
        (size,) = _LENGTH.unpack_from(body, at)
        at += _LENGTH.size
        columns[name] = np.frombuffer(body, dtype=kind, count=size // np.dtype(kind).itemsize, offset=at)
        at += size
    if shape < _WITH_SIGNS:
        return columns, b""
    (size,) = _LENGTH.unpack_from(body, at)
    at += _LENGTH.size
    return columns, body[at : at + size]
