"""Modbus TCP devices, polled. Neighbouring registers are read in one request."""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from city.clock import SystemClock, stopwatch_s
from gateway.config import ModbusConfig, Register
from gateway.envelope import Row
from gateway.sources.rows import Found
from gateway.sources.source import SourceFailed, Surroundings, Take

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # what it complains of is told once, by the status and our log

_FORMATS = {
    "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q", "uint64": ">Q",
    "float32": ">f", "float64": ">d",
}  # fmt: skip
_MOST_REGISTERS, _MOST_BITS = 120, 1900  # a request; the protocol ends at 125 and 2000


def registers_of(register: Register) -> int:
    """How many registers (or bits) a value takes."""
    return 1 if register.form == "bit" else struct.calcsize(_FORMATS[register.form]) // 2


def value_of(register: Register, words: Sequence[int]) -> float:
    """The value in its registers, scaled (may be NaN or infinite when the device says so)."""
    ordered = words[::-1] if register.little_words else words
    raw = b"".join(word.to_bytes(2, "little" if register.little_bytes else "big") for word in ordered)
    number = float(struct.unpack(_FORMATS[register.form], raw)[0])
    return round(number * register.scale + register.offset, 9)


@dataclass(frozen=True, slots=True)
class _Block:
    """Neighbouring registers of one table, read at the same interval."""

    table: str
    address: int
    count: int
    registers: tuple[Register, ...]


def _blocks(registers: Sequence[Register]) -> Iterator[_Block]:
    open_: list[Register] = []
    end = 0

    def closed() -> _Block:
        return _Block(open_[0].table, open_[0].address, end - open_[0].address, tuple(open_))

    for register in sorted(registers, key=lambda each: (each.table, each.address)):
        after = register.address + registers_of(register)
        most = _MOST_BITS if register.form == "bit" else _MOST_REGISTERS
        if open_ and (register.table != open_[0].table or register.address > end or after - open_[0].address > most):
            yield closed()
            open_, end = [], 0
        open_.append(register)
        end = max(end, after)
    if open_:
        yield closed()


class ModbusSource:
    """One device. A register it refuses is bad; a line that dies, or no answer at all, is a failure."""

    def __init__(self, config: ModbusConfig, around: Surroundings) -> None:
        self._config, self._around = config, around
        by_interval: dict[float, list[Register]] = {}
        for register in config.registers:
            by_interval.setdefault(register.every_s, []).append(register)
        self._plan = [(every_s, tuple(_blocks(some))) for every_s, some in by_interval.items()]

    async def takes(self) -> AsyncGenerator[Take, None]:
        """One take for each round of registers with the same interval; their time is when they were answered."""
        config, wall = self._config, SystemClock()
        client = AsyncModbusTcpClient(
            config.host, port=config.port, timeout=config.timeout_s, retries=1, reconnect_delay=0
        )
        try:
            if not await client.connect():
                raise SourceFailed(f"modbus {config.host}:{config.port}: no connection, try: power, cable, address")
            due_s = [stopwatch_s()] * len(self._plan)
            while True:
                n = min(range(len(due_s)), key=due_s.__getitem__)
                await wall.sleep_s(due_s[n] - stopwatch_s())
                every_s, blocks = self._plan[n]
                found = Found()
                for block in blocks:
                    await self._read(client, block, found)
                due_s[n] = max(due_s[n] + every_s, stopwatch_s())  # rounds that were missed are not made up for
                yield Take(found.rows, found.bad, found.why)
        except (ModbusException, OSError, TimeoutError) as error:
            raise SourceFailed(f"modbus {config.host}:{config.port}: {str(error) or type(error).__name__}") from error
        finally:
            client.close()

    async def _read(self, client: AsyncModbusTcpClient, block: _Block, found: Found) -> None:
        ask = {
            "holding": client.read_holding_registers,
            "input": client.read_input_registers,
            "coil": client.read_coils,
            "discrete": client.read_discrete_inputs,
        }[block.table]
        answer: ModbusPDU = await ask(block.address, count=block.count, device_id=self._config.device)
        time_us = self._around.clock.now_us() // 1000 * 1000
        for register in block.registers:
            place = f"{register.table} {register.address} ({register.sensor})"
            if answer.isError():
                found.refuse(f"{place}: refused by the device: {answer}")
                continue
            at, count = register.address - block.address, registers_of(register)
            words = answer.bits[at : at + 1] if register.form == "bit" else answer.registers[at : at + count]
            if len(words) < count:
                found.refuse(f"{place}: the answer is too short")
                continue
            value = float(words[0]) if register.form == "bit" else value_of(register, words)
            if not math.isfinite(value):
                found.refuse(f"{place}: not a finite number")
                continue
            row: Row = (register.sensor, time_us, value, register.unit, 0)
            found.rows.append(row)
