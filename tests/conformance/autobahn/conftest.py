"""The echo server under test, as a subprocess, with each reader.

``III_ACTORS_ECHO_COMMAND`` replaces it, with ``{port}`` and ``{reader}`` filled in: any echo server can be examined.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ECHO_SERVER = HERE / "echo_server.py"
SECONDS_TO_START = 30


@pytest.fixture(scope="session", params=["shared", "own"])
def echo_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Host and port of a running echo server."""
    command = os.environ.get("III_ACTORS_ECHO_COMMAND")
    if command is None:
        command = shlex.join([sys.executable, str(ECHO_SERVER), "{port}", "--reader", "{reader}"])
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    words = [word.replace("{port}", str(port)).replace("{reader}", request.param) for word in shlex.split(command)]
    path = os.pathsep.join(filter(None, [str(HERE.parents[2]), os.environ.get("PYTHONPATH")]))
    log = tmp_path_factory.mktemp("echo") / f"{request.param}.log"
    with log.open("wb") as out:
        server = subprocess.Popen(words, stdout=out, stderr=out, env=os.environ | {"PYTHONPATH": path})
    try:
        wait_until_listening(server, port, log)
        yield "127.0.0.1", port
        assert server.poll() is None, f"the echo server ended during the tests:\n{log.read_text()}"
    finally:
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def wait_until_listening(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=0.02)
            break
    pytest.fail(f"the echo server (status {server.poll()}) does not listen:\n{log.read_text()}")
