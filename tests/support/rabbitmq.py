"""A real rabbitmq-server of the tests' own, on free ports, in a temporary folder; it can be stopped and started again.

It takes some seconds to start, so there is one per session (:func:`shared_rabbitmq`); each test has names of its own
in it, or drops what it has made.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections import deque
from pathlib import Path

import pika
import pytest

__all__ = ["RabbitServer", "shared_rabbitmq"]

START_S = 60.0
TRIES = 4
READY = "completed with"
UNTIL_WE_END = '("$0" </dev/null; kill -9 0) & read -r _; kill -9 0'
"""Runs a program until it ends, or its input does: not even a killed test leaves a node behind."""
CONFIGURATION = "disk_free_limit.absolute = 1MB\nvm_memory_high_watermark.relative = 0.8\n"


def free_port() -> int:
    """A port that is free, outside of those that the system gives to clients: a node takes seconds to get to it."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class RabbitServer:
    """A node on 127.0.0.1 that keeps its files in a folder, with an epmd of its own: Erlang's would stay behind."""

    def __init__(self, program: str, epmd: str, folder: str) -> None:
        self._program = program
        self._epmd = epmd
        self._folder = Path(folder)
        self._processes: list[subprocess.Popen[str]] = []
        self._lines: deque[str] = deque(maxlen=100)
        self.port = 0
        self._ports: dict[str, int] = {}
        self._name = f"tests-{os.getpid()}@localhost"

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/%2F"

    def environment(self) -> dict[str, str]:
        """What rabbitmq-server and rabbitmqctl are run with."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
        return kept | {
            "HOME": str(self._folder),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_PID_FILE": str(self._folder / "pid"),
            "RABBITMQ_NODENAME": self._name,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._ports["dist"]),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "ERL_EPMD_PORT": str(self._ports["epmd"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # Two schedulers that do not spin: others want the processors too.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
        }

    def start(self) -> None:
        """Start it: the first time on free ports, later on the same ones. Returns when it answers."""
        if self.port:
            assert self._runs(), self._said()
            return
        (self._folder / "plugins").write_text("[].")
        (self._folder / "rabbitmq.conf").write_text(CONFIGURATION)
        for _ in range(TRIES):
            self.port = free_port()
            self._ports = {"dist": free_port(), "epmd": free_port()}
            if self._runs():
                return
        raise AssertionError(f"rabbitmq-server does not start: {self._said()}")

    def _said(self) -> str:
        return "".join(self._lines)[-800:]

    def _runs(self) -> bool:
        """Start the two programs; returns whether the node says that it is ready."""
        self._lines.clear()
        for program, said in ((self._epmd, subprocess.DEVNULL), (self._program, subprocess.PIPE)):
            process = subprocess.Popen(
                ["/bin/sh", "-c", UNTIL_WE_END, program],
                env=self.environment(),
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            self._processes.append(process)
        ready = threading.Event()
        reader = threading.Thread(target=self._read, args=(process, ready), daemon=True)
        reader.start()
        ready.wait(START_S)
        if process.poll() is None and READY in self._said():
            return True
        self.kill()
        return False

    def _read(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        """Take down what a node says until it ends."""
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._lines.append(line)
                if READY in line:
                    ready.set()
        ready.set()

    def connect(self) -> pika.BlockingConnection:
        """A connection of the test's own; close it."""
        return pika.BlockingConnection(pika.URLParameters(self.url))

    def kill(self) -> None:
        """End it at once, with all that it has started."""
        processes, self._processes = self._processes, []
        for process in reversed(processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdin is not None:
                process.stdin.close()


def _program(name: str, *patterns: str) -> str | None:
    """Find a program that Debian does not put on the PATH, or only as a script that wants to be another user."""
    for pattern in patterns:
        found = sorted(Path("/").glob(pattern))
        if found:
            return str(found[-1])
    return shutil.which(name)


@functools.cache
def _started() -> RabbitServer | str:
    server = _program("rabbitmq-server", "usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server")
    epmd = _program("epmd", "usr/lib/erlang/erts-*/bin/epmd")
    if server is None or epmd is None:
        return "there is no rabbitmq-server here (Debian: apt-get install rabbitmq-server)"
    folder = tempfile.mkdtemp(prefix="rabbitmq-")
    node = RabbitServer(server, epmd, folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(node.kill)
    node.start()
    return node


def shared_rabbitmq() -> RabbitServer:
    """The session's node; skips the test where there is none, or fails it if III_ACTORS_REQUIRE_ALL=1."""
    found = _started()
    if isinstance(found, str):
        if os.environ.get("III_ACTORS_REQUIRE_ALL") == "1":
            pytest.fail(found)
        pytest.skip(found)
    return found
