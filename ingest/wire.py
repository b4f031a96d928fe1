"""A socket to a broker that never blocks: TCP or TLS, with a buffer of what is still to be written."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from typing import Final

from city.broker_address import BrokerAddress
from city.errors import OutsideError
from city.tls import NO_FILES, TlsFiles, tls_context

__all__ = ["NO_FILES", "TlsFiles", "Wire", "tls_context"]

_CONNECT_S: Final = 5.0  # also for each step of the TLS greeting
_CHUNK: Final = 1 << 18
_FAREWELL_S: Final = 1.0


class Wire:
    """An open connection. OutsideError and OSError: it is over."""

    def __init__(self, address: BrokerAddress, context: ssl.SSLContext | None) -> None:
        self._name = str(address)
        sock = socket.create_connection((address.host, address.port), _CONNECT_S)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context is not None:
                sock = context.wrap_socket(sock, server_hostname=address.host)
        except BaseException:
            sock.close()
            raise
        sock.setblocking(False)
        self._sock, self._encrypted = sock, context is not None
        self._unsent = b""
        self._write_wants_read = self._read_wants_write = False

    def read(self) -> bytes:
        """What has come, up to a bound; empty when nothing has (OutsideError when the broker closed)."""
        self._read_wants_write = False
        try:
            chunk = self._sock.recv(_CHUNK)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError):
            return b""
        except ssl.SSLWantWriteError:
            self._read_wants_write = True
            return b""
        except ssl.SSLEOFError:
            chunk = b""
        if not chunk:
            raise OutsideError(f"broker {self._name}: closed the connection")
        return chunk

    def write(self, content: bytes = b"") -> None:
        """Write as much as goes, of `content` behind what is left; the rest waits for the next call."""
        self._write_wants_read = False
        unsent = self._unsent + content if self._unsent else content
        try:
            while unsent:
                unsent = unsent[self._sock.send(unsent) :]
        except (BlockingIOError, InterruptedError, ssl.SSLWantWriteError):
            pass
        except ssl.SSLWantReadError:
            self._write_wants_read = True
        self._unsent = unsent

    def wait(self, waker: socket.socket, timeout_s: float, *, reading: bool) -> bool:
        """Wait until something can be read or written or `waker` has something; whether to read now."""
        if reading and isinstance(self._sock, ssl.SSLSocket) and self._sock.pending():
            timeout_s = 0.0
            ready = True
        else:
            ready = False
        listen = [waker, self._sock] if reading or self._write_wants_read else [waker]
        blocked = (self._unsent and not self._write_wants_read) or (reading and self._read_wants_write)
        readable, writable, _ = select.select(listen, [self._sock] if blocked else [], [], timeout_s)
        return reading and (ready or self._sock in readable or (self._read_wants_write and bool(writable)))

    def close(self, farewell: bytes = b"") -> None:
        """Write what is left and `farewell`, as far as that goes within a second, and close."""
        with contextlib.suppress(OSError, ValueError):
            self._sock.settimeout(_FAREWELL_S)
            if self._unsent or farewell:
                self._sock.sendall(self._unsent + farewell)
            self._sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            self._sock.close()
