"""The writer's process, seen from a test; and what a file holds after it."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from iii_actors.clock import ManualClock
from iii_actors.storage.sqlite import SqliteStore
from tests.durability.queue_worker import QueueTask
from tests.durability.storage_writer import SCOPE, WAIT_S, Task
from tests.storage.asking import result

__all__ = ["Writer", "content", "tracing", "writer"]

ROOT = Path(__file__).parents[2]


class Writer:
    """Starts a writer at a time, as often as asked."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put("eof")

    def start(self, task: Task | QueueTask) -> int:
        """Start one; returns its process id."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(task._asdict()) + "\n")
        self._process.stdin.flush()
        return int(self.line().removeprefix("pid "))

    def line(self) -> str:
        line = self._lines.get(timeout=WAIT_S)
        assert not line.startswith("error"), line
        return line

    def rest(self) -> Iterator[str]:
        """Yield the lines up to the writer's end."""
        while (line := self.line()) != "end":
            assert line != "eof", "the process is gone"
            yield line


@contextmanager
def writer(*prefix: str, module: str = "tests.durability.storage_writer") -> Iterator[Writer]:
    """Run the process, under another program if there is a prefix.

    :param module: what it runs: something that takes tasks and reports as `storage_writer` does.
    """
    with subprocess.Popen(
        [*prefix, sys.executable, "-m", module],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Writer(process)
            assert process.stdin is not None
            process.stdin.close()
            process.wait(WAIT_S)
        finally:
            process.kill()


def content(path: Path) -> dict[str, bytes]:
    """Open a file as the next engine would, and return the values in the order of insertion."""
    store = SqliteStore(path, ManualClock())
    try:
        return {key: entry.text for key, entry in result(store.list, SCOPE)}
    finally:
        store.close()


def tracing(options: Sequence[str]) -> list[str]:
    """Return how to run a program under strace; skips the test where that is not to be had."""
    program = shutil.which("strace")
    works = program is not None and subprocess.run([program, "-o", "/dev/null", "true"], check=False).returncode == 0
    if not works:
        reason = "there is no strace that may trace (Debian: apt-get install strace)"
        (pytest.fail if os.environ.get("III_ACTORS_REQUIRE_ALL") == "1" else pytest.skip)(reason)
    return [str(program), "-f", "-qq", "-o", os.devnull, *options]
