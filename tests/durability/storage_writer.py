"""A process that opens stores and writes to them until it is killed; run by the tests beside it.

For each line of its input, a JSON object (:class:`Task`), it forks a writer and reports on its output, a line each:
``pid <pid>``, ``open``, ``done <n>`` for every operation that was answered (``failed <n> <error>`` if with an error),
``closed`` and, when the writer is dead, ``end``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from iii_actors.clock import SystemClock
from iii_actors.storage.sqlite import SqliteStore

KEYS = 50
SCOPE = ("scope",)
WAIT_S = 30


class Task(NamedTuple):
    path: str
    durability: str
    first: int
    """The number of the first operation."""
    count: int
    """How many operations."""
    in_flight: int
    file_bytes: int | None = None
    """No file may grow beyond this size until an operation has failed."""


def operation(number: int) -> tuple[str, str, bytes]:
    """Return what, key and text of one operation: every number has its own, from a few octets to several pages."""
    what = ("set", "set", "update", "delete", "set")[number % 5]
    text = b'{"n":%d,"pad":"%b"}' % (number, b"%d," % number * (number * 7919 % 1500 if number % 3 == 0 else 3))
    return what, f"key {number * 31 % KEYS}", text


def applied(values: dict[str, bytes], number: int) -> None:
    """Do to a dictionary what the operation does to a store."""
    what, key, text = operation(number)
    if what == "delete":
        values.pop(key, None)
    else:
        values[key] = text


def submit(store: SqliteStore, number: int, done: Callable[[Any, Any], None]) -> None:
    what, key, text = operation(number)
    if what == "set":
        store.set(SCOPE, key, text, done)
    elif what == "update":
        store.update(SCOPE, key, lambda _: (text, None), done)
    else:
        store.delete(SCOPE, key, done)


def say(line: str) -> None:
    # One write of so few octets reaches the pipe whole or not at all, whenever the process is killed.
    os.write(1, line[:4000].encode() + b"\n")


def work(task: Task) -> None:
    if task.file_bytes is not None:
        limit_files(task.file_bytes)
    clock = SystemClock()
    store = SqliteStore(task.path, clock, durability=task.durability, save_interval_ms=100)
    say("open")
    room = threading.Semaphore(task.in_flight)

    def done_of(number: int) -> Callable[[Any, Any], None]:
        def done(_: Any, error: Any) -> None:
            if error is not None:
                limit_files(None)
            say(f"done {number}" if error is None else f"failed {number} {error}")
            room.release()

        return done

    for number in range(task.first, task.first + task.count):
        assert room.acquire(timeout=WAIT_S)
        submit(store, number, done_of(number))
    store.close()
    clock.stop()
    say("closed")


def limit_files(size: int | None) -> None:
    import resource

    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard if size is None else size, hard))


def serve(work: Callable[[Any], None], task_type: Callable[..., Any]) -> None:
    """Take tasks, a JSON object a line, and do each in a fork of its own, which may be killed."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                say(f"pid {os.getpid()}")
                work(task_type(**json.loads(line)))
            except BaseException as error:
                say(f"error {error!r}")
            os._exit(0)
        os.waitpid(pid, 0)
        say("end")


def main() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    serve(work, Task)


if __name__ == "__main__":
    main()
