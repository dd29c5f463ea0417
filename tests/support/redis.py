"""A real redis-server of the tests' own, on a free port; it can be killed, stopped in its tracks, and started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis

__all__ = ["RedisServer", "redis_server"]

START_S = 10.0
TRIES = 5


class RedisServer:
    """A redis-server without files, on 127.0.0.1."""

    def __init__(self, program: str, folder: str) -> None:
        self._program = program
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it: the first time on a free port, later on the same one. Returns when it answers."""
        if self.port:
            assert self._runs()
            return
        for _ in range(TRIES):  # another may take the port between our looking and its listening
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
            if self._runs():
                return
        raise AssertionError(f"redis-server does not start: {(Path(self._folder) / 'log').read_text()[-500:]}")

    def _runs(self) -> bool:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with (Path(self._folder) / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, *options, "--dir", self._folder], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_S
        with self.client() as client:
            while time.monotonic() < deadline and self._process.poll() is None:
                try:
                    client.ping()
                except redis.ConnectionError:
                    continue
                return self._process.poll() is None
        self.kill()
        return False

    def client(self) -> redis.Redis:
        """A client of the test's own; close it."""
        return redis.Redis(port=self.port, protocol=2, retry=None, socket_timeout=START_S)

    def kill(self) -> None:
        """End it at once; whoever is connected is cut off."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it be there and do nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Run one; skips the test where there is none, or fails it if III_ACTORS_REQUIRE_ALL=1."""
    program = shutil.which("redis-server")
    if program is None:
        reason = "there is no redis-server on the PATH (Debian: apt-get install redis-server)"
        if os.environ.get("III_ACTORS_REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with ExitStack() as stack:
        server = RedisServer(program, stack.enter_context(tempfile.TemporaryDirectory()))
        stack.callback(server.kill)
        server.start()
        yield server
