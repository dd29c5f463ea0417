"""What every row needs: the tools, how long and how often to measure, and the relay's own figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from benchmarks import processes
from benchmarks.processes import Server
from benchmarks.table import Line, Sample
from benchmarks.tools import Tools

__all__ = ["Bench", "CallLoad", "Row"]

_YARDSTICK_S: Final = 2.0
_ROOM_S: Final = 60.0
"""What a load generator may take beyond the measured time: connecting, and waiting for what is late."""


@dataclass(frozen=True)
class CallLoad:
    """One shape of callload: connections, calls in flight per caller, bytes each way, idle workers beside."""

    callers: int = 4
    callees: int = 4
    inflight: int = 16
    size: int = 64
    idle: int = 0

    def options(self) -> list[object]:
        pairs = {
            "-callers": self.callers,
            "-callees": self.callees,
            "-inflight": self.inflight,
            "-size": self.size,
            "-idle": self.idle,
        }
        return [part for pair in pairs.items() for part in pair]


YARDSTICK: Final = CallLoad()


@dataclass
class Calls:
    """All calls made of the engine so far, in whatever row."""

    done: int = 0
    errors: int = 0
    lost: int = 0


@dataclass
class Bench:
    """One run of the benchmarks."""

    tools: Tools
    runs: int
    duration_s: float
    soak: int
    calls: Calls = field(default_factory=Calls)
    notes: list[str] = field(default_factory=list)

    def yardstick(self, relay: Server) -> float:
        """Return the relay's calls/s, 4x4, now."""
        return float(self.callload(relay, YARDSTICK, min(_YARDSTICK_S, self.duration_s))["calls_per_s"])

    def waiting_us(self, relay: Server) -> float:
        """Return the relay's p50, 1x1, one in flight, now: what a pair of wake-ups costs on this machine."""
        return float(self.callload(relay, CallLoad(1, 1, 1), min(_YARDSTICK_S, self.duration_s))["p50_us"])

    def callload(self, server: Server, shape: CallLoad, duration_s: float | None = None) -> dict[str, Any]:
        """Run callload against either server; return its figures."""
        measured_s = self.duration_s if duration_s is None else duration_s
        options = [*shape.options(), "-d", f"{measured_s}s"]
        return processes.load(self.tools.callload, server, measured_s + _ROOM_S, *options)[0]

    def engine_calls(self, server: Server, shape: CallLoad, duration_s: float | None = None) -> dict[str, Any]:
        """Run callload against the engine, and count its calls among all."""
        figures = self.callload(server, shape, duration_s)
        self.calls.done += figures["done"]
        self.calls.errors += figures["errors"]
        self.calls.lost += figures["lost"]
        return figures

    def pathload(self, server: Server, *options: object) -> list[dict[str, Any]]:
        """Run pathload against the engine; return its figures, an object per measurement."""
        return processes.load(self.tools.pathload, server, self.duration_s + _ROOM_S, *options)


class Row(Protocol):
    """Something to measure; it may fill several lines of the table."""

    @property
    def key(self) -> str:
        """Its name for ``--rows``."""

    def lines(self, bench: Bench) -> Sequence[Line]:
        """Return the lines it fills."""

    def rounds(self, bench: Bench) -> Iterator[Sequence[Sample]]:
        """Measure; yield after each round a sample per line. Raises :class:`~benchmarks.processes.Failed`."""
