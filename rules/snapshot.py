"""The engine's state as bytes: pickled, and unpickled only into the kinds of values a state is made of.

Whoever can write `lifeline.snapshots` must not be able to run code here, so nothing outside `_VALUES` and a short list
is looked up.
"""

from __future__ import annotations

import gc
import io
import pickle
from typing import Any

from city.errors import OutsideError
from rules.state import State

_VALUES = frozenset(  # modules whose types are values and do nothing when they are made
    {
        "city.geo", "city.levels", "city.reading", "detectors.protocol", "rules.alarm.alarm", "rules.alarm.fold",
        "rules.alarm.ladder", "rules.alarm.silence", "rules.alarm.track", "rules.conditions.truth",
        "rules.desk.incidents", "rules.desk.roster", "rules.state",
    }
)  # fmt: skip
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
        if module in _VALUES:
            found = super().find_class(module, name)
            if isinstance(found, type):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a snapshot")


def dump(state: State) -> bytes:
    """A state as bytes. The collector of cycles waits meanwhile: it would go over everything for nothing."""
    gc.disable()
    try:
        return pickle.dumps(state, protocol=pickle.HIGHEST_PROTOCOL)
    finally:
        gc.enable()


def load(body: bytes) -> State:
    """The state of `dump`; OutsideError when the bytes are none, or of another version's making."""
    try:
        state = _Narrow(io.BytesIO(body)).load()
    except (pickle.UnpicklingError, AttributeError, EOFError, ImportError, IndexError, TypeError, ValueError) as error:
        raise OutsideError(
            f"snapshot of the watcher: cannot be read, got {error}, try the version of Lifeline that wrote it"
        ) from error
    if not isinstance(state, State):
        raise OutsideError(f"snapshot of the watcher: not a state, got {type(state).__name__}")
    return state
