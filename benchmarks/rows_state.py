"""State: pathload's set, get and update, as shares of the relay's 4x4 calls/s in the same round."""

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
  - name: iii-state
    config:
      adapter:
        name: kv
        config: {{store_method: file_based, file_path: state, durability: {durability}}}
"""
_FUNCTIONS: Final = ("state::set", "state::get", "state::update")
"""In the order in which pathload measures them."""


@dataclass(frozen=True)
class StateRow:
    """One run of pathload measures all three functions; the lines are those that have a goal."""

    key: str
    title: str
    goals: dict[str, Goal]
    """By the function's id."""
    connections: int = 4
    inflight: int = 16
    size: int = 64
    durability: str = ""
    """Empty: the store in memory."""

    def lines(self, bench: Bench) -> Sequence[Line]:
        return [
            Line(f"{function_id}, {self.title}", "calls/s" if goal.of is Of.RELAY or not goal.at_most else "us", goal)
            for function_id, goal in self.goals.items()
        ]

    def rounds(self, bench: Bench) -> Iterator[Sequence[Sample]]:
        settings = _FILE.format(durability=self.durability) if self.durability else ""
        shape = ["-shape", "state", "-conns", self.connections, "-inflight", self.inflight, "-size", self.size]
        with processes.relay(bench.tools.relay) as relay, processes.engine(bench.notes, settings=settings) as engine:
            for _ in range(bench.runs):
                yardstick = bench.yardstick(relay)
                # Its three measurements come one after the other, each of this length.
                measured = bench.pathload(engine, *shape, "-d", f"{bench.duration_s / 3:g}s")
                figures = {one["shape"].partition(" ")[0]: one for one in measured}
                if set(figures) != set(_FUNCTIONS):
                    raise Failed(f"pathload measured {', '.join(figures)}")
                if wrong := figures["state::update"].get("wrong_count"):
                    raise Failed(f"updates were lost: {wrong}")
                waits = any(goal.at_most for goal in self.goals.values())
                waiting_us = bench.waiting_us(relay) if waits else None
                yield [self._sample(goal, figures[name], yardstick, waiting_us) for name, goal in self.goals.items()]

    @staticmethod
    def _sample(goal: Goal, figures: dict[str, Any], yardstick: float, waiting_us: float | None) -> Sample:
        return Sample(
            float(figures["p50_us" if goal.at_most else "calls_per_s"]),
            relay=yardstick if goal.of is Of.RELAY else waiting_us if goal.at_most else None,
            yardstick=yardstick,
            p50_us=figures["p50_us"],
            p99_us=figures["p99_us"],
            errors=figures["errors"],
            lost=figures["lost"],
        )


def _shares(**goals: float) -> dict[str, Goal]:
    return {f"state::{name}": Goal(share, Of.RELAY) for name, share in goals.items()}


def _within_us(**goals: float) -> dict[str, Goal]:
    return {f"state::{name}": Goal(most, at_most=True) for name, most in goals.items()}


ROWS: Final[Sequence[Row]] = [
    StateRow("state", "4 x 16, 64 B", _shares(get=1.0, set=0.8, update=0.55)),
    StateRow("state-idle", "1 in flight", _within_us(get=100, update=130), connections=1, inflight=1),
    StateRow("state-16k", "4 x 16, 16 KiB", _shares(get=0.4, set=0.25), size=16 * 1024),
    StateRow("state-process", "sqlite, process", _shares(set=0.35), durability="process"),
    StateRow("state-disk", "sqlite, disk, 4 x 16", {"state::set": Goal(5000)}, durability="disk"),
]
