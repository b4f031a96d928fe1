"""Figures that somebody has confirmed for one sensor, as tags of the register: `category_mpa=56`.

What differs from member to member cannot be a detector's setting; and a figure that cannot be read must be seen, not
replaced by a default.
"""

from __future__ import annotations

from functools import lru_cache
from math import isfinite

from city.errors import InputError
from detectors.subject import Subject


def confirmed(subject: Subject | None, name: str, default: float) -> float:
    """The number above 0 after `name=` among a sensor's tags; `default` without such a tag.

    Raises
    ------
    InputError
        The tag has no such number, or there are two of the name.

    Examples
    --------
    >>> confirmed(Subject("s", "strain", tags=frozenset({"girder", "e_gpa=206"})), "e_gpa", 210.0)
    206.0
    """
    return _stated(subject.tags, name, default) if subject is not None and subject.tags else default


@lru_cache(maxsize=4096)
def _stated(tags: frozenset[str], name: str, default: float) -> float:
    stated = sorted(tag for tag in tags if tag.startswith(f"{name}="))
    if not stated:
        return default
    try:
        value = float(stated[0].partition("=")[2])
    except ValueError:
        value = 0.0
    if len(stated) > 1 or not isfinite(value) or value <= 0:
        raise InputError(f"tag {stated[-1]} is not one number above 0")
    return value
