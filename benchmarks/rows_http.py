"""The HTTP front: wrk against a route that pathload's worker serves; and 100 MB up and down through channels."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from benchmarks import processes, transfer
from benchmarks.bench import Bench, Row
from benchmarks.processes import Failed, Server
from benchmarks.table import Goal, Line, Of, Sample

__all__ = ["ROWS"]

_STAY: Final = "600s"
_WARM_S: Final = 1
_ROUTES: Final = 10_000
_TRANSFER_BYTES: Final = 100_000_000
_SETTINGS: Final = """\
workers:
  - name: iii-worker-manager
  - name: iii-http
    config: {{port: {port}}}
"""
_UNRECORDED: Final = (
    "  - {name: iii-observability, config: {enabled: false, metrics_enabled: false, logs_enabled: false}}\n"
)
"""An entry for :data:`_SETTINGS`: without it spans, metrics and logs are recorded."""
_AMONG: Final = Goal(0.9, Of.PLAIN, plain="one route alone")
_US: Final = {"us": 1.0, "ms": 1e3, "s": 1e6}
_HELLO: Final = """\
import sys, uvicorn
async def hello(scope, receive, send):
    headers = [(b"content-type", b"application/json"), (b"content-length", b"11")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"ok":true}'})
quiet = {"log_level": "error", "access_log": False, "lifespan": "off"}
uvicorn.run(hello, port=int(sys.argv[1]), http="httptools", loop="uvloop", **quiet)
"""


@dataclass(frozen=True)
class Wrk:
    """What wrk has measured."""

    requests_per_s: float
    p50_us: float
    p99_us: float
    errors: int


def _wrk(connections: int, duration_s: float, url: str) -> Wrk:
    program = shutil.which("wrk")
    if program is None:
        raise Failed("wrk is not installed; it is a package of the same name in most distributions")
    command = [program, "-t1", f"-c{connections}", f"-d{max(1, round(duration_s))}s", "--latency", url]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60 + duration_s, check=True).stdout
    rate = re.search(r"Requests/sec:\s*([\d.]+)", said)
    if rate is None:
        raise Failed(f"wrk says {said!r}")
    errors = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    return Wrk(
        float(rate[1]),
        _percentile(said, 50),
        _percentile(said, 99),
        (int(errors[1]) if errors else 0) + (sum(map(int, broken.groups())) if broken else 0),
    )


def _percentile(said: str, percent: int) -> float:
    found = re.search(rf"\s{percent}%\s+([\d.]+)(us|ms|s)", said)
    if found is None:
        raise Failed(f"wrk says {said!r}")
    return float(found[1]) * _US[found[2]]


@contextmanager
def _front(bench: Bench, more: str = "") -> Iterator[tuple[Server, str]]:
    """Run an engine whose front is on a free port; yields it and the front's address."""
    port = processes.free_port()
    with processes.engine(bench.notes, settings=_SETTINGS.format(port=port) + more) as engine:
        yield engine, f"http://127.0.0.1:{port}"


@contextmanager
def _serving(bench: Bench, engine: Server) -> Iterator[None]:
    """Have pathload's worker serve GET /bench."""
    command = [bench.tools.pathload, "-url", engine.url, "-shape", "httpworker", "-d", _STAY]
    with ExitStack() as stack:
        worker = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        stack.callback(worker.kill)
        if worker.stdout is None or not worker.stdout.readline():
            raise Failed("pathload's worker does not serve")
        yield


@contextmanager
def _hello() -> Iterator[str]:
    """Run a bare uvicorn that answers the same bytes."""
    port = processes.free_port()
    with processes.other([sys.executable, "-c", _HELLO, str(port)], port) as server:
        yield server.url.replace("ws://", "http://")


class RateRow:
    """32 connections and one, to an engine that records everything and to one that records nothing, by turns."""

    key = "http"

    def lines(self, bench: Bench) -> Sequence[Line]:
        return [
            Line("HTTP route, 32 connections, everything recorded", "requests/s", Goal(0.12, Of.RELAY)),
            Line("the same, p99", "ms", Goal(25, at_most=True)),
            Line("the same, nothing recorded", "requests/s", Goal(0.18, Of.RELAY)),
            Line("recorded, as a share of not", "requests/s", Goal(0.8, Of.PLAIN, plain="nothing recorded")),
            Line("HTTP route, 1 connection, p50, everything recorded", "us", Goal(300, at_most=True)),
            Line("the same, nothing recorded", "us", Goal(300, at_most=True)),
            Line("share of a bare uvicorn, nothing recorded", "requests/s", Goal(0.25, Of.PLAIN, plain="bare uvicorn")),
        ]

    def rounds(self, bench: Bench) -> Iterator[Sequence[Sample]]:
        with (
            processes.relay(bench.tools.relay) as relay,
            _front(bench) as (engine, address),
            _front(bench, _UNRECORDED) as (quiet, quiet_address),
            _serving(bench, engine),
            _serving(bench, quiet),
            _hello() as hello,
        ):
            url, quiet_url = f"{address}/bench", f"{quiet_address}/bench"
            for one in (url, quiet_url):
                _wrk(32, _WARM_S, one)
            for _ in range(bench.runs):
                yardstick = bench.yardstick(relay)
                many, many_quiet = _wrk(32, bench.duration_s, url), _wrk(32, bench.duration_s, quiet_url)
                one, one_quiet = (_wrk(1, bench.duration_s, there) for there in (url, quiet_url))
                bare, waiting_us = _wrk(32, bench.duration_s, hello), bench.waiting_us(relay)
                yield [
                    _rate(many, yardstick, relay=yardstick),
                    _rate(many, yardstick, many.p99_us / 1000),
                    _rate(many_quiet, yardstick, relay=yardstick),
                    _rate(many, yardstick, plain=many_quiet.requests_per_s),
                    _rate(one, yardstick, one.p50_us, relay=waiting_us),
                    _rate(one_quiet, yardstick, one_quiet.p50_us, relay=waiting_us),
                    _rate(many_quiet, yardstick, plain=bare.requests_per_s),
                ]


def _rate(
    measured: Wrk,
    yardstick: float,
    value: float | None = None,
    *,
    relay: float | None = None,
    plain: float | None = None,
) -> Sample:
    """Return a sample of what wrk has measured: the requests/s, or another figure of it."""
    value = measured.requests_per_s if value is None else value
    return Sample(value, relay, plain, yardstick, measured.p50_us, measured.p99_us, measured.errors)


class ManyRoutesRow:
    """The same beside 10,000 other routes."""

    key = "http-routes"

    def lines(self, bench: Bench) -> Sequence[Line]:
        return [Line("HTTP route, 32 connections, beside 10,000 routes", "requests/s", _AMONG)]

    def rounds(self, bench: Bench) -> Iterator[Sequence[Sample]]:
        with (
            processes.relay(bench.tools.relay) as relay,
            _front(bench) as (engine, address),
            _front(bench) as (crowded, busy_address),
            _serving(bench, engine),
            _serving(bench, crowded),
            transfer.routes(crowded.url, _ROUTES),
        ):
            for url in (f"{address}/bench", f"{busy_address}/bench"):
                _wrk(32, _WARM_S, url)
            for _ in range(bench.runs):
                yardstick = bench.yardstick(relay)
                plain = _wrk(32, bench.duration_s, f"{address}/bench")
                among = _wrk(32, bench.duration_s, f"{busy_address}/bench")
                yield [
                    Sample(
                        among.requests_per_s,
                        plain=plain.requests_per_s,
                        yardstick=yardstick,
                        p50_us=among.p50_us,
                        p99_us=among.p99_us,
                        errors=among.errors + plain.errors,
                    )
                ]


class TransferRow:
    """100 MB through a request's channel, and through a response's."""

    key = "http-100mb"

    def lines(self, bench: Bench) -> Sequence[Line]:
        memory = Goal(64, at_most=True)
        return [
            Line("100 MB up through a channel", "MB/s", Goal(100)),
            Line("memory above idle meanwhile", "MiB", memory),
            Line("100 MB down through a channel", "MB/s", Goal(100)),
            Line("memory above idle meanwhile", "MiB", memory),
        ]

    def rounds(self, bench: Bench) -> Iterator[Sequence[Sample]]:
        for _ in range(bench.runs):
            with _front(bench) as (engine, address):
                up, down = transfer.both_ways(engine.url, address, engine.pid, _TRANSFER_BYTES)
            yield [Sample(up.mb_per_s), Sample(up.grown_mib), Sample(down.mb_per_s), Sample(down.grown_mib)]


ROWS: Final[Sequence[Row]] = [RateRow(), ManyRoutesRow(), TransferRow()]
