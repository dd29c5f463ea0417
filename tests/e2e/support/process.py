"""Processes that tests start: their lines can be waited for, and they never outlive the test."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

WAIT_S = 20.0
"""How long a test waits for anything, unless it says otherwise: an official worker needs about 2 s to come back."""


def environment(**more: str) -> dict[str, str]:
    """This process's environment, without what would tell a worker or an engine something else than the test does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("III_", "OTEL_"))}
    return {
        **kept,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "PYTHONUNBUFFERED": "1",
        **more,
    }


class Process:
    """A program in a process group of its own; threads collect what it prints on stdout and stderr, line by line."""

    def __init__(self, name: str, command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path) -> None:
        self.name = name
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._open = 2
        self._popen = subprocess.Popen(
            [str(word) for word in command],
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._pipes = (self._popen.stdout, self._popen.stderr)
        self._readers = [threading.Thread(target=self._read, args=(pipe,), daemon=True) for pipe in self._pipes]
        for reader in self._readers:
            reader.start()

    @property
    def ended(self) -> bool:
        """All that it will ever print is in :attr:`lines`."""
        return self._open == 0

    def _read(self, pipe: BinaryIO) -> None:
        for raw in pipe:
            line = raw.decode(errors="replace").rstrip("\n")
            with self._changed:
                self.lines.append(line)
                self.on_line(line)
                self._changed.notify_all()
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def on_line(self, line: str) -> None:
        """Called for each line, on a reading thread, with the condition held."""

    def wait_for(self, ready: Callable[[], object], what: str, timeout: float = WAIT_S) -> None:
        """Wait until ``ready()``, which is asked again after each line, is true."""
        with self._changed:
            self._changed.wait_for(lambda: ready() or self.ended, timeout)
            assert ready(), f"{self.name}: {what} did not come within {timeout:g} s; it said:\n{self.said()}"

    def mark(self) -> int:
        """Where the output is now: :meth:`expect` can look at what comes after."""
        with self._changed:
            return len(self.lines)

    def expect(self, pattern: str, *, after: int = 0, timeout: float = WAIT_S) -> re.Match[str]:
        """Wait for a line in which the regular expression is found."""
        found: list[re.Match[str]] = []

        def look() -> bool:
            if not found:
                matches = (re.search(pattern, line) for line in self.lines[after:])
                found.extend(match for match in matches if match)
            return bool(found)

        self.wait_for(look, f"a line like {pattern!r}", timeout)
        return found[0]

    def said(self) -> str:
        return "\n".join(f"    {line[:500]}" for line in self.lines[-400:])

    def write(self, line: str) -> None:
        self._popen.stdin.write(line.encode() + b"\n")
        self._popen.stdin.flush()

    def send_signal(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def kill(self) -> None:
        """SIGKILL to the whole group, and wait until it is gone: nothing in it has a chance to say good-bye."""
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait(WAIT_S)

    def exit_code(self, timeout: float = WAIT_S) -> int:
        """Wait for the end."""
        return self._popen.wait(timeout)

    def close(self) -> None:
        self.kill()
        for reader, pipe in zip(self._readers, self._pipes, strict=True):
            reader.join(WAIT_S)
            pipe.close()
        with suppress(BrokenPipeError):
            self._popen.stdin.close()


class EngineProcess:
    """``python -m iii_actors``, which can be ended in every way and started again on the same port.

    Whoever makes one closes it, also if :meth:`start` fails.
    """

    def __init__(self, cwd: Path, *arguments: str) -> None:
        self._cwd = cwd
        self._arguments = arguments
        self._process: Process | None = None
        self.port = 0

    @property
    def process(self) -> Process:
        assert self._process is not None
        return self._process

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, on the port it had before if there was one, and wait until it listens."""
        if self._process is not None:
            self._process.close()
        command = [sys.executable, "-m", "iii_actors", "--port", str(self.port), *self._arguments]
        self._process = Process("engine", command, env=environment(), cwd=self._cwd)
        listening = self._process.expect(r"Engine listening on address: 127\.0\.0\.1:(\d+)")
        self.port = int(listening[1])

    def kill(self) -> None:
        self.process.kill()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Ask it to end; return its exit code and the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.exit_code(), time.monotonic() - began

    def faults(self) -> list[str]:
        """What it logged as an error of its own, and tracebacks. (Warnings are for what peers do wrong.)"""
        lines = [line for line in self.process.lines if re.search(r"\[ERROR\]|Traceback", line)]
        return [line for line in lines if "iii_actors.worker_log" not in line]  # what workers have said

    def close(self) -> None:
        if self._process is not None:
            self._process.close()
