"""Opening an outbox that must open: a damaged one is set aside, and a new one begins with numbers never used before."""

from __future__ import annotations

import logging
from pathlib import Path

from city.clock import from_us
from city.errors import OutsideError
from gateway.outbox import Outbox

log = logging.getLogger(__name__)


def open_outbox(path: Path, max_bytes: int | None, max_age_s: float | None, now_us: int) -> tuple[Outbox, str]:
    """The outbox, and where a damaged one was put (empty when there was none).

    A new outbox after a damaged one counts from the milliseconds since 1970: higher than whatever the old one used.
    """

    def opened(first_seq: int = 1) -> Outbox:
        return Outbox(path, max_readings=1 << 40, max_bytes=max_bytes, max_age_s=max_age_s, first_seq=first_seq)

    try:
        return opened(), ""
    except OutsideError as error:
        if "damaged" not in str(error):
            raise
        aside = path.with_name(f"{path.name}.damaged-{from_us(now_us):%Y%m%dT%H%M%SZ}")
        log.warning("outbox.damaged %s, kept as %s", path, aside.name, extra={"action": "outbox_damaged"})
        for suffix in ("", "-wal"):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.replace(aside.with_name(aside.name + suffix))
        return opened(now_us // 1000), aside.name
