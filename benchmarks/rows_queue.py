"""Queues: pathload's jobs from the call that hands them in to their arrival, steadily and in a burst."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks import processes
from benchmarks.bench import Bench, Row
from benchmarks.processes import Failed
from benchmarks.table import Goal, Line, Of, Sample

__all__ = ["ROWS"]

_FILE: Final = """\
workers:
  - name: iii-queue
    config:
      adapter:
        name: builtin
        config: {{store_method: file_based, file_path: jobs, durability: {durability}}}
"""
_BURST: Final = 5_000


@dataclass(frozen=True)
class QueueRow:
    """One run measures twice: so many jobs in flight per producer for a while, then as many as possible at once."""

    key: str
    title: str
    steady: Goal
    burst: Goal | None = None
    topics: int = 4
    producers: int = 4
    inflight: int = 16
    queue: str = ""
    """A named queue instead of topics."""
    durability: str = ""
    """Empty: jobs in memory."""

    def lines(self, bench: Bench) -> Sequence[Line]:
        lines = [Line(self.title, "us" if self.steady.at_most else "jobs/s", self.steady)]
        if self.burst is not None:
            lines.append(Line(f"{self.title}, burst of {_BURST}", "jobs/s", self.burst))
        return lines

    def rounds(self, bench: Bench) -> Iterator[Sequence[Sample]]:
        settings = _FILE.format(durability=self.durability) if self.durability else ""
        shape: list[object] = ["-shape", "queue", "-conns", self.producers, "-inflight", self.inflight]
        shape += ["-topics", self.topics, "-jobs", _BURST if self.burst is not None else 1]
        shape += ["-queue", self.queue] if self.queue else []
        with processes.relay(bench.tools.relay) as relay, processes.engine(bench.notes, settings=settings) as engine:
            for _ in range(bench.runs):
                yardstick = bench.yardstick(relay)
                steady, burst = bench.pathload(engine, *shape, "-d", f"{bench.duration_s}s")
                waiting_us = bench.waiting_us(relay) if self.steady.at_most else None
                samples = [self._sample(self.steady, steady, yardstick, waiting_us)]
                if self.burst is not None:
                    if burst["deliveries"] != _BURST:
                        raise Failed(f"of {_BURST} jobs {burst['deliveries']} were delivered")
                    samples.append(self._sample(self.burst, burst, yardstick))
                yield samples

    @staticmethod
    def _sample(goal: Goal, figures: dict[str, Any], yardstick: float, waiting_us: float | None = None) -> Sample:
        if not figures["deliveries"]:
            raise Failed(f"nothing was delivered: {figures}")
        return Sample(
            float(figures["delivery_p50_us" if goal.at_most else "jobs_per_s"]),
            relay=yardstick if goal.of is Of.RELAY else waiting_us,
            yardstick=yardstick,
            p50_us=figures["delivery_p50_us"],
            p99_us=figures["delivery_p99_us"],
            errors=figures["errors"] + figures["surplus"],
            lost=figures["lost"] + figures["missing"],
        )


_SHARE: Final = Goal(0.2, Of.RELAY)
_ONE: Final[dict[str, Any]] = {"topics": 1, "producers": 1, "inflight": 1}
_MANY: Final[dict[str, Any]] = {"producers": 32, "inflight": 4}

ROWS: Final[Sequence[Row]] = [
    QueueRow("queue-topics", "queue, 4 topics", _SHARE, _SHARE),
    QueueRow("queue-named", "queue, 1 named, 4 functions", _SHARE, _SHARE, queue="default"),
    QueueRow("queue-idle", "enqueue to start, idle", Goal(1000, at_most=True), **_ONE),
    QueueRow("queue-process", "queue, sqlite, process", Goal(4000), Goal(4000), durability="process"),
    QueueRow("queue-process-idle", "the same, idle", Goal(3000, at_most=True), durability="process", **_ONE),
    QueueRow("queue-disk", "queue, sqlite, disk, 32 x 4", Goal(2000), durability="disk", **_MANY),
]
