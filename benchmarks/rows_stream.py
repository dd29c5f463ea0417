"""Streams: pathload's writes to a group, without and with sockets that follow it, against the relay's 4x4 calls/s."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks import processes
from benchmarks.bench import Bench, Row
from benchmarks.processes import Failed
from benchmarks.table import Goal, Line, Of, Sample

__all__ = ["ROWS"]

_FILE: Final = """\
workers:
  - name: iii-stream
    config: {{port: {port}}}
"""


@dataclass(frozen=True)
class StreamRow:
    """Workers write with so many calls in flight each; so many sockets follow. An event counts once per socket."""

    key: str
    title: str
    unit: str
    goal: Goal
    subscribers: int
    connections: int = 4
    inflight: int = 16

    def lines(self, bench: Bench) -> Sequence[Line]:
        return [Line(self.title, self.unit, self.goal)]

    def rounds(self, bench: Bench) -> Iterator[Sequence[Sample]]:
        port = processes.free_port()
        settings = _FILE.format(port=port)
        shape = ["-shape", "stream", "-conns", self.connections, "-inflight", self.inflight, "-subs", self.subscribers]
        shape += ["-stream-url", f"ws://127.0.0.1:{port}"]
        with processes.relay(bench.tools.relay) as relay, processes.engine(bench.notes, settings=settings) as engine:
            for _ in range(bench.runs):
                yardstick = bench.yardstick(relay)
                (figures,) = bench.pathload(engine, *shape, "-d", f"{bench.duration_s}s")
                if self.subscribers and not figures["deliveries"]:
                    raise Failed(f"nothing was delivered: {figures}")
                latency = "delivery" if self.subscribers else ""
                yield [
                    Sample(
                        float(figures[_FIGURES[self.unit]]),
                        relay=yardstick if self.goal.of is Of.RELAY else bench.waiting_us(relay),
                        yardstick=yardstick,
                        p50_us=figures[f"{latency}_p50_us".removeprefix("_")],
                        p99_us=figures[f"{latency}_p99_us".removeprefix("_")],
                        errors=figures["errors"] + figures.get("surplus", 0),
                        lost=figures["lost"] + figures.get("missing", 0),
                    )
                ]


_FIGURES: Final = {"calls/s": "calls_per_s", "events/s": "events_per_s", "us": "delivery_p50_us"}

ROWS: Final[Sequence[Row]] = [
    StreamRow("stream-set", "stream::set, 4 x 16, nobody follows", "calls/s", Goal(0.5, Of.RELAY), 0),
    StreamRow("stream-8", "stream::set, 4 x 16, 8 sockets follow", "events/s", Goal(0.8, Of.RELAY), 8),
    StreamRow("stream-100", "stream::set, 4 x 16, 100 sockets follow", "events/s", Goal(0.8, Of.RELAY), 100),
    StreamRow("stream-idle", "stream::set to delivery, idle", "us", Goal(300, at_most=True), 1, 1, 1),
]
