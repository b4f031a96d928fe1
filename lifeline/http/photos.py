"""Photos that crews send with a report: made anew before they are kept, so that nothing but the picture is.

What arrives may be anything. It is read by the decoders of three formats only, never larger than `MOST_PIXELS`, one at
a time, turned the way it was held, made smaller, and written as a JPEG of our own: no EXIF, no place, nothing hidden.
"""

from __future__ import annotations

import hashlib
import io
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from city.errors import InputError
from lifeline.http.data import Data
from store.connection import Connection
from store.statements import statements

if TYPE_CHECKING:
    from PIL import Image

MOST_PHOTOS = 3  # with one report
MOST_OF_INCIDENT = 20
LONGEST_PHOTO = 8 * 1024 * 1024
LONGEST_UPLOAD = MOST_PHOTOS * LONGEST_PHOTO + 64 * 1024
LONGEST_SIDE = 2048
MOST_PIXELS = 50_000_000
_FORMATS = ("JPEG", "PNG", "WEBP")
_SQL = statements("photos", package="lifeline.http")
_one_at_a_time = threading.Lock()  # a decoded photo takes up to 200 MB


class PhotoRefusedError(InputError):
    """A photo that is not kept; `why` is a word of the crew page: `large`, `unreadable` or `enough`."""

    def __init__(self, why: str) -> None:
        super().__init__(f"photo: {why}")
        self.why = why


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo as it is kept: JPEG, at most `LONGEST_SIDE` pixels a side."""

    content: bytes
    width: int
    height: int

    @property
    def id(self) -> str:
        """sha256 of its bytes."""
        return hashlib.sha256(self.content).hexdigest()


def read_photo(content: bytes) -> Photo:
    """A photo as it arrived, made anew.

    Raises
    ------
    PhotoRefusedError
        `large`: more than `LONGEST_PHOTO` bytes or `MOST_PIXELS`; `unreadable`: not a whole JPEG, PNG or WebP picture.
    """
    from PIL import Image

    if len(content) > LONGEST_PHOTO:
        raise PhotoRefusedError("large")
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we look at the size ourselves
        try:
            return _made_anew(content)
        except (PhotoRefusedError, Image.DecompressionBombError) as error:
            raise PhotoRefusedError("large") from error
        except Exception as error:  # decoders raise almost anything on broken files
            raise PhotoRefusedError("unreadable") from error


def _made_anew(content: bytes) -> Photo:
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(content), formats=_FORMATS) as opened:
        if opened.width * opened.height > MOST_PIXELS:
            raise PhotoRefusedError("large")
        opened.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
        picture = ImageOps.exif_transpose(opened)
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    picture = _on_white(picture)
    picture.info.clear()  # what the file said of itself is not written again
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=82, optimize=True)
    return Photo(out.getvalue(), picture.width, picture.height)


def keep(conn: Connection, photos: Sequence[Photo], incident: str, person: str, command: str, at: datetime) -> None:
    """Keep photos of a report in its transaction.

    Raises
    ------
    PhotoRefusedError
        `enough`: the incident would have more than `MOST_OF_INCIDENT`.
    """
    conn.execute(_SQL["lock"], {"incident": incident})
    for photo in photos:
        given = {"incident": incident, "person": person, "command": command, "at": at, "id": photo.id}
        given |= {"width": photo.width, "height": photo.height, "bytes": photo.content}
        conn.execute(_SQL["keep"], given)
    row = conn.execute(_SQL["count"], {"incident": incident}).fetchone()
    if row and row[0] > MOST_OF_INCIDENT:
        raise PhotoRefusedError("enough")


def find(data: Data, attachment: str, incident: str | None) -> bytes | None:
    """The bytes of a photo, of one incident or of any that may be seen by who asks; None when there is none."""
    with data.reading() as conn:
        row = conn.execute(_SQL["find"], {"id": attachment, "incident": incident}).fetchone()
    return bytes(row[0]) if row else None


def _on_white(picture: Image.Image) -> Image.Image:
    from PIL import Image

    if not picture.has_transparency_data:
        return picture.convert("RGB")
    clear = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
