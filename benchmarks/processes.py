"""The processes of a measurement: the engine and the relay, started and ended here, and the load generators."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.tools import ROOT

__all__ = ["Failed", "Server", "engine", "free_port", "load", "other", "relay"]

_START_S: Final = 15.0
_STOP_S: Final = 15.0
_POLL_S: Final = 0.001


class Failed(Exception):
    """A process did not do what it was started for; the text is what it said."""


@dataclass(frozen=True)
class Server:
    """A listening process."""

    url: str
    pid: int
    started_s: float
    """From starting the process to its first accepted TCP connection."""


@contextmanager
def engine(notes: list[str], reader: str = "shared", settings: str = "") -> Iterator[Server]:
    """Run ``python -m iii_actors`` of this checkout with its defaults; what it logs as an error becomes a note.

    ``settings``: a configuration file's text, instead of the defaults.
    """
    port = free_port()
    command = [sys.executable, "-m", "iii_actors", "--port", str(port), "--reader", reader]
    # With byte code, as an engine that is installed has it.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryDirectory() as folder:  # where no config.yaml lies about
        if settings:
            (Path(folder) / "config.yaml").write_text(settings, encoding="utf-8")
        log = Path(folder) / "log"
        try:
            with _running(command, port, log, folder, environment) as server:
                yield server
        finally:
            errors = [line for line in log.read_text(errors="replace").splitlines() if "[ERROR]" in line]
            if errors:
                notes.append(f"the engine logged {len(errors)} errors, the first: {errors[0]:.300}")


@contextmanager
def relay(program: Path) -> Iterator[Server]:
    """Run the relay."""
    port = free_port()
    with other([str(program), "-addr", f"127.0.0.1:{port}"], port) as server:
        yield server


@contextmanager
def other(command: list[str], port: int) -> Iterator[Server]:
    """Run any program that listens on a port of this machine."""
    with (
        tempfile.TemporaryDirectory() as folder,
        _running(command, port, Path(folder) / "log", folder, dict(os.environ)) as server,
    ):
        yield server


def load(program: Path, server: Server, timeout_s: float, *options: object) -> list[dict[str, Any]]:
    """Run a load generator against a server to its end; return the JSON objects it prints, one per measurement.

    Raises :class:`Failed`, with what it said last.
    """
    command = [str(program), "-url", server.url, *map(str, options)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"{_shown(program, options)} did not end within {timeout_s:.0f} s") from None
    if done.returncode:
        raise Failed(f"{_shown(program, options)}: {_last_words(done.stderr)}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def _shown(program: Path, options: tuple[object, ...]) -> str:
    return " ".join([program.name.partition("-")[0], *map(str, options)])


@contextmanager
def _running(command: list[str], port: int, log: Path, folder: str, environment: dict[str, str]) -> Iterator[Server]:
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            _await_listening(process, port, log)
            yield Server(f"ws://127.0.0.1:{port}", process.pid, time.perf_counter() - began)
            if process.poll() is not None:
                raise Failed(f"{command[0]} ended in the middle of a measurement: {_end_of(log)}")
        finally:
            _stop(process)


def _await_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(_POLL_S)
        else:
            return
    raise Failed(f"nothing listens on the port: {_end_of(log)}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise Failed(f"SIGTERM did not end the process within {_STOP_S:.0f} s") from None


def _end_of(log: Path) -> str:
    return _last_words(log.read_text(errors="replace"))


def _last_words(said: str) -> str:
    """Return the last lines of what a process said, in one."""
    return " | ".join(line.strip() for line in said.strip().splitlines()[-3:])


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
