"""Gateways that measure a known truth, in a process of their own: `python -m bench.faultline.gateways SETTINGS`.

How far a gateway has measured is kept in the transaction that keeps its messages, as in any gateway, so that a kill
neither repeats nor skips one. The process ends by itself, with 0, when all is measured and confirmed by the broker.
"""

from __future__ import annotations

import asyncio
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from bench.faultline.truth import DISTRICT, Truth
from city.clock import SystemClock
from city.errors import OutsideError
from gateway.agent import Agent, AgentSettings
from gateway.envelope import body
from gateway.outbox import Outbox

_TICK_S = 0.02
_AGAIN_S = 0.2
_CATCH_UP = 20  # messages in one transaction
MEASURED = "measured"


@dataclass(frozen=True)
class GatewaysSettings:
    """`backlog_per_s` as in `AgentSettings`; `timeout_s` is how long the line waits for an answer."""

    url: str
    folder: str
    truth: str
    backlog_per_s: float | None = None
    timeout_s: float = 10.0

    def json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))


class _JumpyClock(SystemClock):
    """The gateway's own clock, off by what the truth says."""

    off_us = 0

    def now_us(self) -> int:
        return super().now_us() + self.off_us


class _Gateway:
    def __init__(self, settings: GatewaysSettings, truth: Truth, number: int, disk: ThreadPoolExecutor) -> None:
        self.truth, self.number, self.disk = truth, number, disk
        self.clock, name = _JumpyClock(), truth.names()[number]
        self.outbox = _opened(Path(settings.folder) / f"{name}.outbox")
        self.measured = int(self.outbox.note(MEASURED) or 0)
        line = AgentSettings(
            backlog_per_s=settings.backlog_per_s, timeout_s=settings.timeout_s, back_off_s=(0.1, 1.0), keepalive_s=5
        )
        self.agent = Agent(settings.url, DISTRICT, name, self.outbox, self.clock, line, disk)

    @property
    def done(self) -> bool:
        return self.measured == self.truth.messages and self.outbox.messages == 0

    async def measure(self) -> None:
        """Keep what is due; a disk that refuses leaves it due."""
        last = min(self.truth.due(SystemClock().now_us()), self.measured + _CATCH_UP)
        if last == self.measured:
            return
        self.clock.off_us = self.truth.jump_us(last - 1)
        parts = [self.truth.rows(self.number, each) for each in range(self.measured, last)]
        notes = {MEASURED: str(last)}
        put = partial(self.outbox.put, [(body(rows), len(rows)) for rows in parts], 0, notes)
        try:
            await asyncio.get_running_loop().run_in_executor(self.disk, put)
        except OutsideError:
            return
        self.measured = last
        self.agent.wake()


def _opened(path: Path) -> Outbox:
    """An outbox; whatever keeps it shut (a full disk) is said, and it is tried again, as a supervisor would."""
    while True:
        try:
            return Outbox(path, durable=False)
        except OutsideError as error:
            sys.stderr.write(f"{error}\n")
            SystemClock().pause_s(_AGAIN_S)


async def _work(settings: GatewaysSettings) -> None:
    truth, wall, stop = Truth.of(settings.truth), SystemClock(), asyncio.Event()
    with ThreadPoolExecutor(2, "outbox") as disk:
        gateways = [_Gateway(settings, truth, number, disk) for number in range(truth.gateways)]
        lines = [asyncio.create_task(gateway.agent.run(stop)) for gateway in gateways]
        while not all(gateway.done for gateway in gateways):
            for gateway in gateways:
                await gateway.measure()
            await wall.sleep_s(_TICK_S)
        stop.set()
        await asyncio.gather(*lines)
        for gateway in gateways:
            gateway.outbox.close()


if __name__ == "__main__":
    asyncio.run(_work(GatewaysSettings(**json.loads(sys.argv[1]))))
