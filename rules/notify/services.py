"""Other people's services through Apprise: DingTalk, WeCom, Feishu, Telegram, text messages and some hundred more.

Settings: `url_env` (variable with the Apprise address) or `url`; `{person}` (their id), `{name}` and their addresses
(`{phone}`, `{email}`, `{apprise}`, …) in it are filled in for each person. Apprise says whether it worked, not why, so
that whatever did not is tried again. It is asked in a thread of its own: one that does not come back in time is left
behind, a few at most.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from city.levels import Level
from rules.notify.access import MissingSecret, secret
from rules.notify.letter import Answer, GiveUp, Letter, NoAddress, Retry, Sent, Tools, fill
from rules.reasons import because

if TYPE_CHECKING:
    from apprise import NotifyBase

LEFT_BEHIND = 8
SHORT_MESSAGE = 1000  # a service that takes no more than this in a message is spoken to in brief
_patience = threading.BoundedSemaphore(LEFT_BEHIND)


def send(letter: Letter, settings: Mapping[str, object], tools: Tools) -> Answer:
    """Deliver one letter."""
    try:
        template = secret(settings, "url_env", tools) or str(settings.get("url", ""))
    except MissingSecret as error:
        return GiveUp(str(error), broken=True)
    address = fill(template, letter, lambda text: quote(text, safe=""))
    if isinstance(address, NoAddress):
        return address
    service = open_service(address)
    if service is None:  # never say the address: it holds the secret
        return GiveUp("the Apprise address is none that Apprise knows, see url_env", broken=True)
    return within(tools.timeout_s, lambda: _say(service, letter))


def open_service(url: str) -> NotifyBase | None:
    """The service behind an Apprise address; None when it is none."""
    from apprise import Apprise  # heavy, and few processes need it

    found: NotifyBase | None = Apprise.instantiate(url, suppress_exceptions=True)
    return found


def _say(service: NotifyBase, letter: Letter) -> Answer:
    from apprise import NotifyFormat, NotifyType

    brief = 0 < service.body_maxlen <= SHORT_MESSAGE
    text = letter.text if len(letter.text) + len(letter.subject) < service.body_maxlen else _shortened(letter, service)
    kind = {Level.NONE: NotifyType.SUCCESS, Level.BLUE: NotifyType.INFO, Level.RED: NotifyType.FAILURE}
    done = service.notify(
        body=letter.short if brief else text,
        title="" if brief else letter.subject,
        notify_type=kind.get(letter.level, NotifyType.WARNING),
        body_format=NotifyFormat.TEXT,
    )
    return Sent(because("service_took")) if done else Retry(because("service_did_not"))


def _shortened(letter: Letter, service: NotifyBase) -> str:
    """As many lines as the service takes in one message, and the brief form, which leads to all of them."""
    room = max(0, service.body_maxlen - len(letter.short) - len(letter.subject) - 4)
    head = letter.text[:room].rpartition("\n")[0]
    return f"{head}\n…\n{letter.short}"


def within(timeout_s: float, ask: Callable[[], Answer]) -> Answer:
    """What `ask` answers, in a thread that is left behind when it takes longer than `timeout_s`."""
    if not _patience.acquire(timeout=timeout_s):
        return Retry(f"{LEFT_BEHIND} earlier calls have not come back")
    found: list[Answer] = []

    def work() -> None:
        try:
            found.append(ask())
        except Exception as error:  # noqa: BLE001 - other people's code: whatever it is, it did not work
            found.append(Retry(type(error).__name__))  # its words may hold the address, and that the secret
        finally:
            _patience.release()

    thread = threading.Thread(target=work, name="apprise", daemon=True)
    thread.start()
    thread.join(timeout_s)
    return found[0] if found else Retry(f"no answer within {timeout_s:g} s")
