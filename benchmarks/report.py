"""Where and when it was measured, and the page docs/benchmarks.rst."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import iii_actors
from benchmarks.table import Result, as_rst
from benchmarks.tools import ROOT

__all__ = ["LEGEND", "circumstances", "page"]

LEGEND: Final = """\
Figures are medians of the rounds. A round measures, one right after the other on the same machine, the relay's 4x4
rate (last column: how fast the machine was just then), the relay on the row's shape, and the engine on the row's
shape. The ratio is the engine's figure over the relay's on the same shape in the same round, the median over the
rounds; a target that is a share of the relay's calls/s means this ratio. Beside a time in us stands the relay's p50
with one call in flight, two wake-ups of a sleeping process each way, which is most of it: targets in us come from a
machine where that is 70-99. Load generator and server share the machine's cores. Errors and lost calls are sums; with
either, a target is not reached."""

_ROWS: Final = """\
The relay is ``bench/relay``: a compiled (Go) program that routes calls and does nothing else. The load generators are
``bench/callload`` and ``bench/pathload``; "4x4" is four callers and four callees, each caller keeping so many calls in
flight, with so many bytes each way.

- *Beside 1,000 idle* is judged by the engine's own 4x4 rate in the same round without them.
- *Workers come and go*: a worker connects, names itself, registers 10 functions and 2 ``subscribe`` triggers, calls the
  last function, and leaves.
- *Clean-up*: from leaving until another worker, which asks without pause, sees neither the worker, nor a function, nor
  a trigger of it listed; p50 of 20 departures. Three answered questions are part of it.
- *5,000 functions*: from connecting until a call of the last one is answered.
- *HTTP route*: ``wrk`` asks for ``GET /bench``, served by a worker of pathload's; the relay's figure is its 4x4 rate.
- *100 MB up, down*: one request, read or written by a Python worker in 64 KiB messages; memory is the engine's.
- *Pub/sub*: a message is in flight until all subscribers have it; the relay's figure is its 4x4 rate.
- *10,000 cron jobs*: each fires once a minute, 167 in a second; until the last of them is with its worker.
- *Start*: from starting the process to the first TCP connection it accepts."""


def circumstances(command: str) -> dict[str, str]:
    """Return what a figure is worth nothing without; no names of places or people. To be asked before measuring."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": f"{len(os.sched_getaffinity(0))} cores ({_processor()}), {_memory()}, Linux {platform.release()}",
        "load": f"{os.getloadavg()[0]:.2f} (average of the minute before: what else the machine was doing)",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "go": _said("go", "env", "GOVERSION"),
        "engine": f"iii-actors {iii_actors.__version__}, {_said('git', 'describe', '--always', '--dirty')}",
        "command": command,
    }


def page(facts: dict[str, str], results: Sequence[Result], notes: Sequence[str]) -> str:
    """Return the whole page."""
    title = "Benchmarks"
    parts = [
        f"{title}\n{'=' * len(title)}",
        "Written by ``python -m benchmarks --rst docs/benchmarks.rst``, which measures every row and prints the table.",
        "\n".join(f":{name}: {f'``{fact}``' if name == 'command' else fact}" for name, fact in facts.items()),
        as_rst(results),
        LEGEND,
        _ROWS,
    ]
    if notes:
        parts.append("Notes of this run:\n\n" + "\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts) + "\n"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()
