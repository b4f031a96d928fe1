"""The YAML language server that editors run, asked what it says of a folder's files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from threading import Timer
from typing import IO, Any

_TOOLS = Path(os.environ.get("LIFELINE_TEST_EDITOR", Path(__file__).resolve().parents[2] / ".tools" / "editor"))
SERVER = _TOOLS / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
MISSING = "" if SERVER.exists() and shutil.which("node") else f"the YAML language server is not in {_TOOLS} (bin/test)"
_LONGEST_S = 60.0


def diagnose(folder: Path, names: list[str]) -> dict[str, list[str]]:
    """What the server says of each file, as `line:column: message` (one-based), in order."""
    command = ["node", str(SERVER), "--stdio"]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - ours
    watchdog = Timer(_LONGEST_S, server.kill)
    watchdog.start()
    try:
        with server:
            assert server.stdin is not None
            assert server.stdout is not None
            found = _converse(server.stdin, server.stdout, folder, names)
            server.kill()
            return found
    finally:
        watchdog.cancel()


def _converse(to: IO[bytes], back: IO[bytes], folder: Path, names: list[str]) -> dict[str, list[str]]:
    ability = {"workspace": {"configuration": True}, "textDocument": {"publishDiagnostics": {}}}
    _send(
        to, id=1, method="initialize", params={"processId": None, "rootUri": folder.as_uri(), "capabilities": ability}
    )
    while _receive(back).get("id") != 1:
        pass
    _send(to, method="initialized", params={})
    asked = {(folder / name).as_uri(): name for name in names}
    for uri, name in asked.items():
        text = (folder / name).read_text(encoding="utf-8")
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        _send(to, method="textDocument/didOpen", params={"textDocument": document})
    found: dict[str, list[str]] = {}
    while len(found) < len(names):
        message = _receive(back)
        if message.get("method") == "workspace/configuration":
            wanted = message["params"]["items"]
            setting = {"validate": True, "schemaStore": {"enable": False}}
            told = [setting if item.get("section") == "yaml" else None for item in wanted]
            _send(to, id=message["id"], result=told)
        elif "id" in message and "method" in message:
            _send(to, id=message["id"], result=None)
        elif message.get("method") == "textDocument/publishDiagnostics":
            own = sorted(message["params"]["diagnostics"], key=_place)
            found[asked[message["params"]["uri"]]] = [
                f"{one['range']['start']['line'] + 1}:{one['range']['start']['character'] + 1}: {one['message']}"
                for one in own
            ]
    return found


def _place(diagnostic: dict[str, Any]) -> tuple[int, int]:
    start = diagnostic["range"]["start"]
    return start["line"], start["character"]


def _send(to: IO[bytes], **message: object) -> None:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    to.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    to.flush()


def _receive(back: IO[bytes]) -> dict[str, Any]:
    length = 0
    while (line := back.readline()) != b"\r\n":
        if not line:
            raise EOFError("the language server ended")
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    message: dict[str, Any] = json.loads(back.read(length))
    return message
