"""Stand-ins for what an agent reads: a Modbus device, a serial line, a document; and ports."""

from __future__ import annotations

import asyncio
import os
import pty
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from tests.running import PATIENCE_S


@contextmanager
def modbus() -> Iterator[int]:
    """A device whose register 100 holds 1025; its port."""
    loop = asyncio.new_event_loop()

    async def start() -> ModbusTcpServer:
        cells = [SimData(100, values=[1025], datatype=DataType.REGISTERS)]
        server = ModbusTcpServer(SimDevice(1, cells), address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        return server

    server = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.transport.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # an asyncio server
    finally:
        asyncio.run_coroutine_threadsafe(server.shutdown(), loop).result(30)  # type: ignore[no-untyped-call]
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_S)
        loop.close()


@contextmanager
def probe() -> Iterator[str]:
    """A serial line that says the same over and over; its name."""
    master, slave = pty.openpty()
    stop = threading.Event()

    def talk() -> None:
        while not stop.wait(0.2):
            os.write(master, b"D= 12.5 cm\r\n")

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        stop.set()
        thread.join(PATIENCE_S)
        os.close(slave)
        os.close(master)


@contextmanager
def weather() -> Iterator[int]:
    """A document with the rain; its port."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = b'{"rain": {"mm": 0.4}}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join(PATIENCE_S)
        server.server_close()
