"""The Python SDKs: ours at both ends beside the official one at both ends, same engine, same round."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import processes
from benchmarks.bench import Bench, CallLoad, Row
from benchmarks.processes import Failed, Server
from benchmarks.table import Goal, Line, Of, Sample
from benchmarks.tools import ROOT

__all__ = ["ROWS"]

_OFFICIAL: Final = "iii-sdk==0.23.0"
_INTERPRETER: Final = "III_ACTORS_OFFICIAL_SDK_PYTHON"
_INSTALL_S: Final = 300.0
_ROOM_S: Final = 90.0
_END_S: Final = 15.0
_PROGRAM: Final = Path(__file__).with_name("sdk_load.py")
_MEGABYTE: Final = 1_000_000


@dataclass(frozen=True)
class SdkRow:
    """So many calls in flight; the goal is a multiple of the official SDK's calls/s."""

    key: str
    in_flight: int
    factor: float

    def lines(self, bench: Bench) -> Sequence[Line]:
        goal = Goal(self.factor, Of.PLAIN, plain="the official SDK's")
        return [Line(f"Python SDK at both ends, {self.in_flight} in flight, 64 B", "calls/s", goal)]

    def rounds(self, bench: Bench) -> Iterator[Sequence[Sample]]:
        official = _official()
        with processes.engine(bench.notes) as engine:
            for _ in range(bench.runs):
                theirs = _measured(official, "official", engine, self.in_flight, 64, bench.duration_s)
                ours = _measured(sys.executable, "ours", engine, self.in_flight, 64, bench.duration_s)
                yield [_sample(ours, ours["calls_per_s"], theirs["calls_per_s"])]


class PayloadRow:
    """What our SDK at both ends adds to a round trip of 1 MB, beside the same through the Go load generator."""

    key = "sdk-1m"

    def lines(self, bench: Bench) -> Sequence[Line]:
        return [Line("Python SDK at both ends, 1 MB, beyond the engine's own", "ms", Goal(15.0, at_most=True))]

    def rounds(self, bench: Bench) -> Iterator[Sequence[Sample]]:
        shape = CallLoad(1, 1, 1, _MEGABYTE)
        with processes.engine(bench.notes) as engine:
            for _ in range(bench.runs):
                own_us = float(bench.engine_calls(engine, shape)["p50_us"])
                ours = _measured(sys.executable, "ours", engine, 1, _MEGABYTE, bench.duration_s)
                yield [_sample(ours, (ours["p50_us"] - own_us) / 1000)]


def _sample(figures: dict[str, Any], value: float, official: float | None = None) -> Sample:
    return Sample(value, None, official, None, figures["p50_us"], figures["p99_us"], figures["errors"], 0)


def _measured(
    interpreter: str, sdk: str, engine: Server, in_flight: int, size: int, duration_s: float
) -> dict[str, Any]:
    """Have one process serve and another call; return what the caller prints."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "sdk"), "OTEL_ENABLED": "false"}
    command = [interpreter, str(_PROGRAM), sdk, engine.url]
    load = [str(in_flight), str(size), str(duration_s)]
    with _serving([*command, "callee"], environment):
        try:
            done = subprocess.run(
                [*command, "caller", *load],
                env=environment,
                capture_output=True,
                text=True,
                timeout=duration_s + _ROOM_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"the calls through the {sdk} SDK did not end") from None
    if done.returncode:
        raise Failed(f"the calls through the {sdk} SDK: {done.stderr.strip().splitlines()[-1:]}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


@contextmanager
def _serving(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        if process.stdout is None or process.stdout.readline() != "ready\n":
            raise Failed(f"the worker did not start: {' '.join(command[1:3])}")
        yield
    finally:
        try:
            process.communicate(timeout=_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _official() -> str:
    """Return the interpreter that has the official SDK: the one the environment names, else one made in the cache."""
    if named := os.environ.get(_INTERPRETER):
        return named
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "iii-actors-bench"
    room = home / f"{_OFFICIAL.replace('==', '-')}-python{sys.version_info.major}.{sys.version_info.minor}"
    interpreter = room / "bin" / "python"
    if not (room / "ready").exists():
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(room)],
            [str(interpreter), "-m", "pip", "install", "--quiet", _OFFICIAL],
        ):
            done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_S, check=False)
            if done.returncode:
                raise Failed(
                    f"{_OFFICIAL} could not be installed ({done.stderr.strip().splitlines()[-1:]}): "
                    f"name an interpreter that has it in {_INTERPRETER}"
                )
        (room / "ready").touch()
    return str(interpreter)


ROWS: Final[Sequence[Row]] = [SdkRow("sdk-1", 1, 2.0), SdkRow("sdk-16", 16, 1.5), PayloadRow()]
