"""Times as other people's systems write them: read exactly, never guessed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from city.clock import from_us, to_us

# How many microseconds one of each is.
UNIX = {"unix_s": 1e6, "unix_ms": 1e3, "unix_us": 1.0}
FORMATS = ("iso", *UNIX)


class NoZoneError(ValueError):
    """A local time, and nobody said where; its text is the time."""


@dataclass(frozen=True, slots=True)
class Written:
    """How times are written.

    Parameters
    ----------
    format
        One of `FORMATS`, or strptime's notation.
    zone
        The time zone of times without an offset; None: there must be none.
    """

    format: str = "iso"
    zone: ZoneInfo | None = None

    def read(self, raw: object) -> tuple[int, bool]:
        """Microseconds since 1970, and whether the local time came twice (clocks went back; the first is taken).

        Raises
        ------
        NoZoneError
            It has no offset and there is no zone.
        ValueError
            It is no time, or none that a calendar has; the message says what it was.
        """
        if self.format in UNIX:
            number = as_number(raw)
            if number is None or not math.isfinite(number):
                raise ValueError(f"not a number: {str(raw)[:60]!r}")
            return _sane(round(number * UNIX[self.format]), raw), False
        try:
            moment = self._moment(raw)
        except (ValueError, OverflowError):
            raise ValueError(f"not a time: {str(raw)[:60]!r}") from None
        if moment.tzinfo is not None:
            return _sane(to_us(moment), raw), False
        if self.zone is None:
            raise NoZoneError(repr(str(raw)))
        return _local(moment, self.zone, raw)

    def _moment(self, raw: object) -> datetime:
        if isinstance(raw, datetime):
            return raw
        if self.format == "iso":
            return datetime.fromisoformat(str(raw).strip())
        return datetime.strptime(str(raw).strip(), self.format)  # noqa: DTZ007 - the zone is put to it by the caller


def as_number(raw: object) -> float | None:
    """A number as others write it, also as text; None when it is none."""
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        return None
    try:
        return float(raw)
    except (ValueError, OverflowError):
        return None


def _local(moment: datetime, zone: ZoneInfo, raw: object) -> tuple[int, bool]:
    """A local time as UTC; the first of two when clocks went back, refused when they went forward over it."""
    try:
        local = moment.replace(tzinfo=zone)
        there = local.astimezone(UTC)
        back = there.astimezone(zone).replace(tzinfo=None)
    except OverflowError:
        raise ValueError(f"outside of years: {str(raw)[:60]!r}") from None
    if back != moment:
        raise ValueError(f"no such local time: {str(raw)[:60]!r}")
    return to_us(there), local.utcoffset() != local.replace(fold=1).utcoffset()


def _sane(moment_us: int, raw: object) -> int:
    try:
        from_us(moment_us) + timedelta(0)
    except OverflowError:
        raise ValueError(f"outside of years: {str(raw)[:60]!r}") from None
    return moment_us
