"""Plays a drill on a running system: its readings go out over MQTT like any gateway's, at the city's pace.

The drill itself lives in the engine: it goes on when this program dies, without readings, and ends by itself in time.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from city.broker_address import BrokerAddress
from city.clock import Clock, SystemClock, stopwatch_s, to_us
from city.errors import InputError, OutsideError
from city.levels import Flag
from city.model import City
from ingest.wire import NO_FILES, TlsFiles, tls_context
from rules.drillplan import DrillPlan, DrillSaid, drill_row
from rules.trials.arrivals import Measured
from rules.trials.scenario import Scenario
from store import audit, drills
from store.connection import Connection

BEGIN_WITHIN_S = 20.0
TURN_S = 0.2  # wall seconds between looks at what is due
HEARD_EVERY_US = 5_000_000  # a drill that is silent longer is not judged to be silent
_WAITING = 10_000  # messages that a broker that is away may keep waiting here


def begin(conn: Connection, clock: Clock, plan: DrillPlan, actor: str, how: str = "cli") -> drills.Row:
    """Begin a drill and wait until the engine has taken it up; its row.

    Raises
    ------
    InputError
        When the engine refuses it.
    OutsideError
        When no watcher answers.
    """
    at = clock.now()
    drill = drills.new_id(at)
    detail = {"scenario": plan.scenario, "digest": plan.digest, "people": list(plan.people)}
    deed = audit.Deed(actor, "drill.begin", drill, how=how, detail=detail)
    drills.say(conn, drill_row(DrillSaid(drill, actor, "", plan)), deed, at)
    row = _awaited(conn, drill, ("running", "refused"))
    if row is None:
        end(conn, clock, drill, actor, "nobody took it up", how)  # whenever a watcher comes, it is over at once
        raise OutsideError(f"drill {drill}: no watcher took it up in {BEGIN_WITHIN_S:g} s, try lifeline doctor")
    if row["state"] == "refused":
        raise InputError(f"drill: refused, {row['ended_why']}")
    return row


def end(
    conn: Connection,
    clock: Clock,
    drill: str,
    actor: str,
    note: str = "",
    how: str = "cli",
    within_s: float = BEGIN_WITHIN_S,
) -> drills.Row | None:
    """End a drill; its row once the engine has ended it, None when that takes too long (it will all the same)."""
    deed = audit.Deed(actor, "drill.end", drill, how=how, detail={"note": note})
    drills.say(conn, drill_row(DrillSaid(drill, actor, note)), deed, clock.now())
    return _awaited(conn, drill, ("ended", "refused"), within_s)


def _awaited(
    conn: Connection, drill: str, states: Sequence[str], within_s: float = BEGIN_WITHIN_S
) -> drills.Row | None:
    wall, began_s = SystemClock(), stopwatch_s()
    while stopwatch_s() - began_s < within_s:
        row = drills.one(conn, drill)
        if row is not None and row["state"] in states:
            return row
        wall.pause_s(0.05)
    return None


@dataclass
class Player:
    """Publishes a drill's readings when they are due.

    Parameters
    ----------
    url, clock, city
        Broker, city time, and the register (for the sensors' gateways and calibrations).
    tls
        Files for a broker at `mqtts://`.
    """

    url: str
    clock: Clock
    city: City
    scenario: Scenario
    drill: str
    began_us: int
    until_us: int
    tls: TlsFiles = NO_FILES
    sent: int = 0
    _client: Client = field(init=False)
    _spoke_us: int = 0

    def __post_init__(self) -> None:
        address = BrokerAddress.of(self.url)
        client = self._client = Client(CallbackAPIVersion.VERSION2, f"lifeline-drill-{secrets.token_hex(4)}")
        if address.username is not None:
            client.username_pw_set(address.username, address.password)
        if address.encrypted:
            client.tls_set_context(tls_context(self.tls))
        client.max_queued_messages_set(_WAITING)
        client.connect_async(address.host, address.port, keepalive=30)
        self._waiting = self._due()
        self._next = next(self._waiting, None)

    @property
    def told(self) -> bool:
        """Whether the whole story is told (sensors stay at their last values)."""
        return self.clock.now_us() - self.began_us > self.scenario.length_us

    def __enter__(self) -> Player:
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def turn(self, stop: threading.Event) -> bool:
        """Send what is due now and wait a moment; true when `stop` is set."""
        now_us = self.clock.now_us()
        due: list[Measured] = []
        while self._next is not None and self.began_us + self._next.time_us <= now_us:
            due.append(self._next)
            self._next = next(self._waiting, None)
        if due or now_us - self._spoke_us >= HEARD_EVERY_US:
            self._publish(due)
            self._spoke_us = now_us
        return SystemClock().pause_s(TURN_S, stop)

    def _due(self) -> Iterator[Measured]:
        return self.scenario.measured(self.until_us - self.began_us)

    def _publish(self, due: Sequence[Measured]) -> None:
        by_gateway: dict[str, list[dict[str, object]]] = {}
        for one in due:
            by_gateway.setdefault(self.city.sensors[one.sensor].gateway, []).append(self._reading(one))
        if not due:  # so that the engine knows that we are here
            by_gateway[self.city.sensors[self.scenario.sensors[0]].gateway] = []
        for gateway, readings in by_gateway.items():
            topic = f"lifeline/v1/{self.city.gateways[gateway].district}/{gateway}/exercise/{self.drill}"
            self._client.publish(topic, json.dumps({"readings": readings}), qos=1)
        self.sent += len(due)

    def _reading(self, one: Measured) -> dict[str, object]:
        """A reading as its gateway would send it, but in the canonical unit: the recorder calibrates it."""
        sensor, time_us = self.city.sensors[one.sensor], self.began_us + one.time_us
        value = one.value
        steps = [step for step in self.city.calibrations.get(sensor.id, ()) if to_us(step.from_) <= time_us]
        if steps and one.flag is not Flag.MISSING:
            step = max(steps, key=lambda step: step.from_)
            value = (value - step.offset) / step.scale
        return {
            "sensor": sensor.id, "time": time_us // 1000, "value": value, "unit": sensor.quantity.unit,
            "flag": int(one.flag),
        }  # fmt: skip
