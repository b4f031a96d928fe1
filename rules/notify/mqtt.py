"""MQTT channel: the JSON body on a topic of the person's own, QoS 1; sent means that the broker acknowledged it.

Settings: `topic` (`{person}` is the person's id, `{mqtt}` their own part of it, `{phone}` and so on), `url_env` (the
variable with the broker's address, `mqtts://user:password@host:port`) or `host`, `port`, `user`, `password_env`, `tls`;
`ca_file`.
A password is never sent in the clear: without TLS it is refused unless the broker is this machine.

========================================== ========
answer of the broker                       ours
========================================== ========
acknowledged (with or without listeners)   sent
no answer, busy, quota, connection dropped retry
not let in, topic or payload refused       give up
========================================== ========
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from city.broker_address import BrokerAddress
from city.clock import stopwatch_s
from city.errors import InputError
from rules.notify.access import MissingSecret, distrusted, secret, trust
from rules.notify.letter import Answer, GiveUp, Letter, NoAddress, Retry, Sent, Tools, fill
from rules.reasons import because

_HERE = ("localhost", "127.0.0.1", "::1")
_NO_SUCH_VERSION = 132
_NOT_LET_IN = (133, 134, 135, 138, 140)  # client id, user or password, not authorised, banned, method
_REFUSED = (144, 149, 153)  # topic name, packet too large, payload format


def send(letter: Letter, settings: Mapping[str, object], tools: Tools) -> Answer:
    """Deliver one letter."""
    topic = fill(str(settings.get("topic", "")), letter, lambda text: quote(text, safe="/@:"))  # no + or # from people
    if isinstance(topic, NoAddress):
        return topic
    if not topic or topic.startswith("$") or any(sign in topic for sign in "+#\0{}"):
        return GiveUp(f"topic {topic!r}: not one to publish on", broken=True)
    try:
        address = _address(settings, tools)
        answer = _ask(address, topic, letter, settings, tools, MQTTProtocolVersion.MQTTv5)
        if answer is None:  # an older broker
            answer = _ask(address, topic, letter, settings, tools, MQTTProtocolVersion.MQTTv311)
    except (MissingSecret, InputError) as error:
        return GiveUp(str(error), broken=True)
    except OSError as error:
        if why := distrusted(error):
            return GiveUp(why, broken=True)
        return Retry(f"{type(error).__name__}: {error}".rstrip(": "))
    return answer or Retry("the broker speaks neither MQTT 5 nor 3.1.1")


def _address(settings: Mapping[str, object], tools: Tools) -> BrokerAddress:
    if settings.get("url_env"):
        address = BrokerAddress.of(secret(settings, "url_env", tools))
    else:
        safe, user = settings.get("tls", True) is not False, settings.get("user")
        port = int(str(settings.get("port") or (8883 if safe else 1883)))
        password = secret(settings, "password_env", tools) or None
        address = BrokerAddress(str(settings.get("host", "")), port, str(user) if user else None, password, safe)
    if not address.host:
        raise InputError("broker: host not given, try url_env or host")
    if address.password and not address.encrypted and address.host not in _HERE:
        raise InputError(f"{address}: no TLS and a password is set: it would travel in the clear, try mqtts://")
    return address


@dataclass
class _Talk:
    """What the broker said, as the network thread heard it."""

    publish: tuple[str, bytes]
    more: Properties | None = None
    answer: Answer | None = None
    other_version: bool = False
    done: threading.Event = field(default_factory=threading.Event)

    def connected(
        self, client: Client, _data: object, _flags: ConnectFlags, code: ReasonCode, _said: Properties | None
    ) -> None:
        if not code.is_failure:
            client.publish(*self.publish, qos=1, properties=self.more)
        elif code.value == _NO_SUCH_VERSION:
            self.other_version = True
            self.done.set()
        else:
            self._end(_judge("connection refused", code))

    def published(self, _client: Client, _data: object, _mid: int, code: ReasonCode, _said: Properties | None) -> None:
        self._end(_judge("refused", code) if code.is_failure else Sent(because("broker_took")))

    def gone(
        self, _client: Client, _data: object, _flags: DisconnectFlags, code: ReasonCode, _said: Properties | None
    ) -> None:
        self._end(_judge("connection lost", code))

    def _end(self, answer: Answer) -> None:
        if not self.done.is_set():
            self.answer = answer
            self.done.set()


def _judge(what: str, code: ReasonCode) -> Answer:
    said = f"{what}: {code}"
    if code.value in _NOT_LET_IN:
        return GiveUp(said, broken=True)
    return GiveUp(said) if code.value in _REFUSED else Retry(said)


def beside(letter: Letter) -> Properties | None:
    """What goes beside the body: the trace, as W3C Trace Context says it for MQTT."""
    if not letter.traceparent:
        return None
    more = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho says no types for it
    more.UserProperty = [("traceparent", letter.traceparent)]
    return more


def _ask(
    address: BrokerAddress,
    topic: str,
    letter: Letter,
    settings: Mapping[str, object],
    tools: Tools,
    version: MQTTProtocolVersion,
) -> Answer | None:
    """One connection, one message; None when the broker does not speak this version of MQTT."""
    talk = _Talk((topic, letter.body), beside(letter) if version is MQTTProtocolVersion.MQTTv5 else None)
    name = f"lifeline-notice-{secrets.token_hex(6)}"
    client = Client(CallbackAPIVersion.VERSION2, name, protocol=version, reconnect_on_failure=False)
    client.on_connect, client.on_publish, client.on_disconnect = talk.connected, talk.published, talk.gone
    client.connect_timeout = tools.timeout_s
    if address.username:
        client.username_pw_set(address.username, address.password)
    if address.encrypted:
        client.tls_set_context(trust(settings))
    client.connect(address.host, address.port, keepalive=30)
    end_s = stopwatch_s() + tools.timeout_s
    client.loop_start()
    try:
        came = talk.done.wait(max(0.0, end_s - stopwatch_s()))
    finally:
        client.disconnect()
        client.loop_stop()
    if talk.other_version:
        return None
    return talk.answer if came and talk.answer else Retry(f"no answer within {tools.timeout_s:g} s")
