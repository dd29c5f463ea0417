"""Workers that come, stay and go: pathload against a fresh engine in every round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks import processes
from benchmarks.bench import Bench, Row
from benchmarks.processes import Failed, Server
from benchmarks.table import Goal, Line, Sample

__all__ = ["ROWS"]

_IDLE_STAY_S: Final = 2
_BRIEF: Final = "30ms"
"""No cycle begins after this: of 5,000 registrations there is one."""


class WorkerRow:
    """The frame of these rows: each round starts an engine, and takes the relay's 4x4 figure first."""

    key: str

    def rounds(self, bench: Bench) -> Iterator[Sequence[Sample]]:
        with processes.relay(bench.tools.relay) as relay:
            for _ in range(bench.runs):
                yardstick = bench.yardstick(relay)
                with processes.engine(bench.notes) as engine:
                    yield self.measure(bench, engine, yardstick)

    def measure(self, bench: Bench, engine: Server, yardstick: float) -> Sequence[Sample]:
        raise NotImplementedError


@dataclass(frozen=True)
class ChurnRow(WorkerRow):
    """Workers with 10 functions and 2 triggers connect, register, call, leave, four at a time.

    Then the clean-up of 20 of them, one by one: from leaving until another worker, asking without pause, sees neither
    the worker nor any function nor any trigger of it listed.
    """

    key: str
    beside: int = 0

    def lines(self, bench: Bench) -> Sequence[Line]:
        suffix = f" beside {self.beside:,} idle" if self.beside else ""
        return [
            Line(f"workers come and go, 4 at a time{suffix}", "cycles/s", Goal(500)),
            Line(f"their clean-up seen by others{suffix}", "us", Goal(2000, at_most=True)),
        ]

    def measure(self, bench: Bench, engine: Server, yardstick: float) -> Sequence[Sample]:
        duration = f"{bench.duration_s}s"
        cycles, gone = _churn(bench, engine, "-conns", 4, "-d", duration, "-workers", self.beside)
        return [
            Sample(
                float(cycles["cycles_per_s"]),
                yardstick=yardstick,
                p50_us=cycles["cycle_p50_us"],
                p99_us=cycles["cycle_p99_us"],
                errors=cycles["errors"],
                lost=cycles["lost"],
            ),
            _gone(gone, 1.0, yardstick),
        ]


class CleanUpRow(WorkerRow):
    """The same clean-up for a worker that leaves 200 functions and 200 triggers."""

    key = "cleanup"

    def lines(self, bench: Bench) -> Sequence[Line]:
        return [Line("clean-up of 200 functions, 200 triggers", "ms", Goal(20, at_most=True))]

    def measure(self, bench: Bench, engine: Server, yardstick: float) -> Sequence[Sample]:
        options = ["-functions", 200, "-triggers", 200, "-conns", 1, "-d", _BRIEF, "-lost", "10s"]
        _, gone = _churn(bench, engine, *options)
        return [_gone(gone, 1000.0, yardstick)]


def _churn(bench: Bench, engine: Server, *options: object) -> tuple[dict[str, Any], dict[str, Any]]:
    cycles, gone = bench.pathload(engine, "-shape", "churn", "-trigger", "subscribe", *options)
    if not cycles["done"]:
        raise Failed(f"no worker came through: {cycles}")
    return cycles, gone


def _gone(figures: dict[str, Any], us_per_unit: float, yardstick: float) -> Sample:
    p50, p99 = figures["gone_p50_us"], figures["gone_p99_us"]
    return Sample(p50 / us_per_unit, yardstick=yardstick, p50_us=p50, p99_us=p99)


class IdleRow(WorkerRow):
    """1,000 workers connect one after another, each registering itself and a function, and stay."""

    key = "idle"
    workers = 1000

    def lines(self, bench: Bench) -> Sequence[Line]:
        return [
            Line("1,000 idle workers connected in", "s", Goal(3, at_most=True)),
            Line("resident memory of each", "KiB", Goal(60, at_most=True)),
        ]

    def measure(self, bench: Bench, engine: Server, yardstick: float) -> Sequence[Sample]:
        options = ["-workers", self.workers, "-d", f"{_IDLE_STAY_S}s", "-pid", engine.pid]
        connected, memory = bench.pathload(engine, "-shape", "idle", *options)
        grown = memory["rss_kib_with"] - memory["rss_kib_before"]
        return [
            Sample(connected["connect_ms"] / 1000, yardstick=yardstick),
            Sample(grown / self.workers, yardstick=yardstick),
        ]


class RegistrationRow(WorkerRow):
    """One worker connects, registers 5,000 functions and calls the last: the time of it all."""

    key = "register"

    def lines(self, bench: Bench) -> Sequence[Line]:
        return [Line("5,000 functions of one worker callable in", "s", Goal(1, at_most=True))]

    def measure(self, bench: Bench, engine: Server, yardstick: float) -> Sequence[Sample]:
        options = ["-functions", 5000, "-triggers", 0, "-conns", 1, "-samples", 0, "-d", _BRIEF, "-lost", "30s"]
        cycles, _ = _churn(bench, engine, *options)
        faults = {"errors": cycles["errors"], "lost": cycles["lost"]}
        return [Sample(cycles["cycle_p50_us"] / 1e6, yardstick=yardstick, **faults)]


class StartRow(WorkerRow):
    """From starting the process to the first TCP connection it accepts."""

    key = "start"

    def lines(self, bench: Bench) -> Sequence[Line]:
        return [Line("import and start to listening", "s", Goal(0.6, at_most=True))]

    def measure(self, bench: Bench, engine: Server, yardstick: float) -> Sequence[Sample]:
        return [Sample(engine.started_s, yardstick=yardstick)]


ROWS: Final[Sequence[Row]] = [
    ChurnRow("churn"),
    ChurnRow("churn-idle", 1000),
    CleanUpRow(),
    IdleRow(),
    RegistrationRow(),
    StartRow(),
]
