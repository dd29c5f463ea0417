"""Cron: 10,000 jobs spread over a minute, and how long after each second the last of its jobs is with its worker."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from websockets.sync.client import ClientConnection, connect

from benchmarks import processes
from benchmarks.bench import Bench, Row
from benchmarks.processes import Failed
from benchmarks.table import Goal, Line, Sample

__all__ = ["ROWS"]

_JOBS: Final = 10_000
_SECONDS: Final = 10
"""Whole seconds watched in a round; the one in which the watching begins is not one of them."""
_WAIT_S: Final = 30.0


class CronRow:
    """Every job fires once a minute, each on its own second: some 167 are due at a time. One worker has them all.

    A round's figure is the worst second's. The last job's arrival is told by this process, so decoding is part of it.
    """

    key = "cron"

    def lines(self, bench: Bench) -> Sequence[Line]:
        return [Line("10,000 cron jobs: a second's due set fired within", "ms", Goal(50, at_most=True))]

    def rounds(self, bench: Bench) -> Iterator[Sequence[Sample]]:
        with processes.relay(bench.tools.relay) as relay:
            for _ in range(bench.runs):
                yardstick = bench.yardstick(relay)
                with (
                    processes.engine(bench.notes) as engine,
                    connect(engine.url, max_size=None, compression=None, proxy=None) as socket,
                ):
                    _register(socket)
                    late = _lateness_ms(socket)
                    fewest = min(count for count, _ in late)
                    yield [Sample(max(ms for _, ms in late), yardstick=yardstick, lost=max(0, _JOBS // 60 - fewest))]


def _register(socket: ClientConnection) -> None:
    details = {"runtime": "python", "version": "1", "name": "bench-cron"}
    _send(socket, type="invokefunction", function_id="engine::workers::register", data=details)
    _send(socket, type="registerfunction", id="bench::tick")
    for number in range(_JOBS):
        config = {"expression": f"{number % 60} * * * * *"}
        _send(
            socket,
            type="registertrigger",
            id=f"job-{number}",
            trigger_type="cron",
            function_id="bench::tick",
            config=config,
        )
    _send(socket, type="ping")
    while (message := json.loads(socket.recv(_WAIT_S)))["type"] != "pong":
        if message["type"] == "triggerregistrationresult":
            raise Failed(f"a job is refused: {message}")
        _answer(socket, message)


def _lateness_ms(socket: ClientConnection) -> list[tuple[int, float]]:
    """Return for each second watched how many jobs came and how many milliseconds after it the last one did."""
    arrived: dict[str, list[float]] = {}
    while len(arrived) < _SECONDS + 2:
        message = json.loads(socket.recv(_WAIT_S))
        now = time.time()
        if _answer(socket, message):
            arrived.setdefault(message["data"]["scheduled_time"], []).append(now)
    whole = sorted(arrived.items())[1:-1]
    return [(len(times), 1000 * (max(times) - datetime.fromisoformat(due).timestamp())) for due, times in whole]


def _answer(socket: ClientConnection, message: dict[str, Any]) -> bool:
    """Answer a run; returns whether the message is one."""
    if message["type"] != "invokefunction":
        return False
    ids = {key: message[key] for key in ("invocation_id", "function_id")}
    _send(socket, type="invocationresult", **ids, result=None)
    return True


def _send(socket: ClientConnection, **members: Any) -> None:
    socket.send(json.dumps(members))


ROWS: Final[Sequence[Row]] = [CronRow()]
