"""When to try again, when to hand on, when to stop. Pure: every answer depends on its arguments alone.

========== =============================== ==========================================================
answer     red                             other levels
========== =============================== ==========================================================
sent       done                            done
retry      again after 1 s … 5 min, until  again after 1 s … 5 min for 4 h, then failed and handed on
           delivered or closed; handed on
           beside that after 60 s
give up    failed and handed on at once    failed and handed on at once
========== =============================== ==========================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from city.levels import Level
from rules.notify.letter import Answer, GiveUp, Sent
from rules.reasons import because

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 300.0
LONGEST_ASKED_S = 3600.0
RED_FALLBACK_AFTER_S = 60.0
GIVE_UP_AFTER_S = 4 * 3600.0

# A notice replaces older undelivered ones of these kinds to the same person on the same channel. A clear says both
# times; a later raise makes an undelivered clear pointless; one repeat, or the latest update, is enough.
REPLACES = {
    "clear": ("raise", "update", "repeat", "no_duty", "clock_missed"),
    "raise": ("clear",),
    "update": ("clear", "update"),
    "repeat": ("clear", "repeat"),
}
FIRST = ("raise", "no_duty", "clock_missed")  # with these somebody hears of an incident for the first time
# Kinds that ask somebody to act: pointless once people have closed the incident, or found it false.
ASKS = ("raise", "repeat", "no_duty", "clock_missed")
OVER = ("closed", "false_alarm")


@dataclass(frozen=True, slots=True)
class Next:
    """What becomes of a notice: its state, when it is tried again, and whether the fallback channel takes over."""

    state: str
    next_try_at: datetime
    hand_on: bool
    answer: str


def delay_s(key: str, attempt: int, asked_s: float | None = None) -> float:
    """Seconds until attempt `attempt + 1`: doubling from 1 s to 5 min, ± 25 % by key, never less than was asked for."""
    base = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(attempt - 1, 16))
    draw = int.from_bytes(sha256(f"{key}:{attempt}".encode()).digest()[:4], "big") / 2**32
    wait_s = min(LONGEST_DELAY_S, base * (0.75 + 0.5 * draw))
    return max(wait_s, min(asked_s, LONGEST_ASKED_S)) if asked_s is not None else wait_s


def after(answer: Answer, key: str, level: Level, created_at: datetime, attempt: int, now: datetime) -> Next:
    """What follows from a channel's answer to attempt number `attempt` (1, 2, …)."""
    if isinstance(answer, Sent):
        return Next("sent", now, hand_on=False, answer=answer.answer)
    if isinstance(answer, GiveUp):
        return Next("failed", now, hand_on=True, answer=answer.reason)
    age_s = (now - created_at).total_seconds()
    if level is not Level.RED and age_s >= GIVE_UP_AFTER_S:
        return Next("failed", now, hand_on=True, answer=because("too_old", why=answer.reason))
    again = now + timedelta(seconds=delay_s(key, attempt, answer.after_s))
    hand_on = level is Level.RED and age_s >= RED_FALLBACK_AFTER_S
    return Next("queued", again, hand_on=hand_on, answer=answer.reason)


def fallback_key(key: str, channel: str) -> str:
    """Key of the notice that takes over from `key` on `channel`: always the same, so it is queued once."""
    return sha256(f"{key}\nfallback\n{channel}".encode()).hexdigest()


def short_code(key: str) -> str:
    """Six letters and digits people can read to each other on the phone, the same on every channel's repeat."""
    alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
    return "".join(alphabet[byte % 32] for byte in sha256(key.encode()).digest()[:6])
