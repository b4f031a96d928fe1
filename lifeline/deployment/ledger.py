"""Client certificates that a deployment's authority signed: to whom, until when, and which of them no longer count.

The list outlives the certificates' own files, which are handed to installers and deleted: without it nobody could say
what is to be revoked. It holds no secret.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from city.errors import InputError, OutsideError
from lifeline.deployment.authority import Authority, described
from lifeline.deployment.layout import put

FILE: Final = "authority/issued.csv"
REVOKED: Final = "tls/broker/revoked.crl"
_COLUMNS: Final = ("user", "serial", "until", "revoked")


@dataclass(frozen=True, slots=True)
class Issued:
    """One certificate; `revoked` is since when it no longer counts, None while it does."""

    user: str
    serial: int
    until: datetime
    revoked: datetime | None = None


class Ledger:
    """All of them, oldest first."""

    def __init__(self, issued: Collection[Issued] = ()) -> None:
        self.issued = list(issued)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The one of a deployment; empty where there is none (InputError when a line is none of ours)."""
        path = folder / FILE
        try:
            rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
            return cls([_issued(row) for row in rows])
        except FileNotFoundError:
            return cls()
        except OSError as error:
            raise OutsideError(f"{path}: cannot be read: {error.strerror}, try as the account that made it") from error
        except (KeyError, TypeError, ValueError) as error:
            hint = "try the file from a backup: it says what can be revoked"
            raise InputError(f"{path}: damaged, got {error}, {hint}") from error

    def add(self, user: str, certificate: str) -> None:
        """Note one that was signed."""
        serial, until = described(certificate)
        self.issued.append(Issued(user, serial, until))

    def revoke(self, users: Collection[str], now: datetime) -> list[str]:
        """What these users hold no longer counts; whose certificates that were."""
        struck = [one for one in self.issued if one.user in users and one.revoked is None and one.until > now]
        self.issued = [replace(one, revoked=now) if one in struck else one for one in self.issued]
        return sorted({one.user for one in struck})

    def barred(self) -> set[str]:
        """Users that were given certificates of which none counts."""
        return {one.user for one in self.issued} - {one.user for one in self.issued if one.revoked is None}

    def ends(self) -> dict[str, datetime]:
        """Until when the newest certificate of each user counts."""
        return {one.user: one.until for one in self.issued if one.revoked is None}

    def write(self, folder: Path, authority: Authority, now: datetime) -> None:
        """Keep it, and the list that the broker goes by."""
        out = io.StringIO()
        table = csv.writer(out, lineterminator="\n")
        table.writerow(_COLUMNS)
        for one in self.issued:
            since = one.revoked.isoformat() if one.revoked else ""
            table.writerow((one.user, f"{one.serial:x}", one.until.isoformat(), since))
        put(folder, FILE, out.getvalue())
        place = folder / REVOKED
        before = place.read_text(encoding="utf-8") if place.exists() else ""
        struck = [(one.serial, one.revoked) for one in self.issued if one.revoked is not None and one.until > now]
        put(folder, REVOKED, authority.revocations(struck, now, before))


def _issued(row: dict[str, str]) -> Issued:
    since = datetime.fromisoformat(row["revoked"]) if row["revoked"] else None
    return Issued(row["user"], int(row["serial"], 16), datetime.fromisoformat(row["until"]), since)
