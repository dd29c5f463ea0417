"""Publish and subscribe: pathload against the engine, as a share of the relay's 4x4 calls/s in the same round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks import processes
from benchmarks.bench import Bench, Row
from benchmarks.processes import Failed
from benchmarks.table import Goal, Line, Of, Sample

__all__ = ["ROWS"]


@dataclass(frozen=True)
class PubSubRow:
    """One publisher keeps so many messages in flight; one counts as delivered when all subscribers have it."""

    key: str
    title: str
    unit: str
    inflight: int
    subscribers: int
    goal: Goal

    def lines(self, bench: Bench) -> Sequence[Line]:
        return [Line(self.title, self.unit, self.goal)]

    def rounds(self, bench: Bench) -> Iterator[Sequence[Sample]]:
        shape = ["-shape", "pubsub", "-conns", 1, "-inflight", self.inflight, "-subs", self.subscribers]
        with processes.relay(bench.tools.relay) as relay, processes.engine(bench.notes) as engine:
            for _ in range(bench.runs):
                yardstick = bench.yardstick(relay)
                (figures,) = bench.pathload(engine, *shape, "-d", f"{bench.duration_s}s")
                if not figures["deliveries"]:
                    raise Failed(f"nothing was delivered: {figures}")
                rate = self.goal.of is Of.RELAY
                yield [
                    Sample(
                        float(figures["deliveries_per_s" if rate else "delivery_p50_us"]),
                        relay=yardstick if rate else bench.waiting_us(relay),
                        yardstick=yardstick,
                        p50_us=figures["delivery_p50_us"],
                        p99_us=figures["delivery_p99_us"],
                        errors=figures["errors"] + figures["surplus"],
                        lost=figures["lost"] + figures["missing"],
                    )
                ]


ROWS: Final[Sequence[Row]] = [
    PubSubRow("pubsub-8", "pub/sub, 1 publisher x 16 to 8", "deliveries/s", 16, 8, Goal(0.9, Of.RELAY)),
    PubSubRow("pubsub-64", "pub/sub, 1 publisher x 4 to 64", "deliveries/s", 4, 64, Goal(0.8, Of.RELAY)),
    PubSubRow("pubsub-idle", "publish to delivery, idle", "us", 1, 1, Goal(150, at_most=True)),
]
