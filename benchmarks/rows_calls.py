"""The call path: callload against the engine and, in the same round, against the relay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks import processes
from benchmarks.bench import YARDSTICK, Bench, CallLoad, Row
from benchmarks.table import Goal, Line, Of, Sample

__all__ = ["ROWS"]

_SOAK_RUN_S: Final = 10.0
_UNRECORDED: Final = """\
workers:
  - {name: iii-observability, config: {enabled: false, metrics_enabled: false, logs_enabled: false}}
"""


@dataclass(frozen=True)
class CallRow:
    """One shape. A round is: the relay's 4x4, the relay on this shape, the engine on this shape."""

    key: str
    title: str
    load: CallLoad
    goal: Goal
    reader: str = "shared"

    def lines(self, bench: Bench) -> Sequence[Line]:
        return [Line(self.title, "calls/s", self.goal)]

    def rounds(self, bench: Bench) -> Iterator[Sequence[Sample]]:
        with processes.relay(bench.tools.relay) as relay, processes.engine(bench.notes, self.reader) as engine:
            for _ in range(bench.runs):
                if self.load == YARDSTICK:
                    same = yardstick = float(bench.callload(relay, self.load)["calls_per_s"])
                else:
                    yardstick = bench.yardstick(relay)
                    same = float(bench.callload(relay, self.load)["calls_per_s"])
                plain = None
                if self.goal.of is Of.PLAIN:
                    plain = float(bench.engine_calls(engine, YARDSTICK)["calls_per_s"])
                yield [_sample(bench.engine_calls(engine, self.load), same, plain, yardstick)]


def _sample(figures: dict[str, Any], relay: float, plain: float | None, yardstick: float) -> Sample:
    return Sample(
        float(figures["calls_per_s"]),
        relay,
        plain,
        yardstick,
        figures["p50_us"],
        figures["p99_us"],
        figures["errors"],
        figures["lost"],
    )


class RecordedRow:
    """4x4 on an engine that records everything, and on one that records nothing, by turns."""

    key = "4x4-recorded"

    def lines(self, bench: Bench) -> Sequence[Line]:
        return [Line("4x4, 16, 64 B, everything recorded", "calls/s", Goal(0.95, Of.PLAIN, plain="nothing recorded"))]

    def rounds(self, bench: Bench) -> Iterator[Sequence[Sample]]:
        with (
            processes.relay(bench.tools.relay) as relay,
            processes.engine(bench.notes) as engine,
            processes.engine(bench.notes, settings=_UNRECORDED) as quiet,
        ):
            for _ in range(bench.runs):
                yardstick = bench.yardstick(relay)
                plain = float(bench.engine_calls(quiet, YARDSTICK)["calls_per_s"])
                yield [_sample(bench.engine_calls(engine, YARDSTICK), yardstick, plain, yardstick)]


class SoakRow:
    """All calls of this run, of whatever shape, and as many more (4x4) as it takes to make up the number asked for."""

    key = "soak"

    def lines(self, bench: Bench) -> Sequence[Line]:
        return [Line("calls of all rows, and 4x4 up to the target", "calls", Goal(bench.soak))]

    def rounds(self, bench: Bench) -> Iterator[Sequence[Sample]]:
        if bench.calls.done < bench.soak:
            with processes.engine(bench.notes) as engine:
                while bench.calls.done < bench.soak:
                    before = bench.calls.done
                    bench.engine_calls(engine, YARDSTICK, _SOAK_RUN_S)
                    if bench.calls.done == before:
                        raise processes.Failed("the engine answers no calls")
        yield [Sample(float(bench.calls.done), errors=bench.calls.errors, lost=bench.calls.lost)]


ROWS: Final[Sequence[Row]] = [
    CallRow("4x4", "4x4, 16 in flight, 64 B", YARDSTICK, Goal(0.75, Of.RELAY)),
    CallRow("1x1", "1x1, 1 in flight, 64 B", CallLoad(1, 1, 1), Goal(0.75, Of.RELAY)),
    CallRow("64x64", "64x64, 1 in flight, 64 B", CallLoad(64, 64, 1), Goal(0.85, Of.RELAY)),
    CallRow("256x256", "256x256, 1 in flight, 64 B", CallLoad(256, 256, 1), Goal(0.85, Of.RELAY)),
    CallRow("64k", "4x4, 16 in flight, 65,536 B", CallLoad(size=65536), Goal(1.0, Of.RELAY)),
    CallRow("1m", "4x4, 2 in flight, 1,000,000 B", CallLoad(inflight=2, size=1_000_000), Goal(0.95, Of.RELAY)),
    CallRow("4x4-idle", "4x4, 16, 64 B beside 1,000 idle", CallLoad(idle=1000), Goal(0.95, Of.PLAIN)),
    RecordedRow(),
    CallRow("4x4-own", "4x4, 16, 64 B, reader: own", YARDSTICK, Goal(0.60, Of.RELAY), "own"),
    CallRow("1x1-own", "1x1, 1, 64 B, reader: own", CallLoad(1, 1, 1), Goal(0.65, Of.RELAY), "own"),
]
SOAK: Final[Row] = SoakRow()
