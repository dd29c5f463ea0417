"""A worker with routes that reads and writes the channels of requests, and a client that uploads and downloads."""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from benchmarks.processes import Failed

__all__ = ["Transfer", "both_ways", "routes"]

_MESSAGE: Final = bytes(65536)
_LOOK_S: Final = 0.005
_WAIT_S: Final = 60.0


class Transfer(NamedTuple):
    """What one direction took."""

    mb_per_s: float
    grown_mib: float
    """The engine's resident memory at its largest, above what it was before."""


@contextmanager
def _worker(url: str) -> Iterator[ClientConnection]:
    with connect(url, max_size=None, compression=None, proxy=None) as sock:
        sock.recv(_WAIT_S)  # workerregistered
        data = {"runtime": "benchmark", "name": f"transfer-{time.monotonic_ns()}"}
        sock.send(_frame("invokefunction", function_id="engine::workers::register", data=data, action={"type": "void"}))
        yield sock


def _frame(kind: str, **members: Any) -> str:
    return json.dumps({"type": kind, **members})


def _settle(sock: ClientConnection) -> None:
    """Return when the engine has taken everything sent so far."""
    sock.send(_frame("ping"))
    while json.loads(sock.recv(_WAIT_S))["type"] != "pong":
        pass


def _route(sock: ClientConnection, path: str, method: str) -> None:
    sock.send(_frame("registerfunction", id=path))
    config = {"api_path": path, "http_method": method}
    sock.send(_frame("registertrigger", id=path, trigger_type="http", function_id=path, config=config))


@contextmanager
def routes(url: str, count: int) -> Iterator[None]:
    """Register so many routes, half of them with a parameter, for as long as the block takes."""
    with _worker(url) as sock:
        for number in range(count // 2):
            _route(sock, f"many/{number}/fixed", "GET")
            _route(sock, f"many/{number}/:id", "GET")
            if number % 500 == 0:
                _settle(sock)
        _settle(sock)
        yield


def both_ways(url: str, address: str, pid: int, size: int) -> tuple[Transfer, Transfer]:
    """Send ``size`` bytes to a handler that reads them, then have a handler write as many."""
    with _worker(url) as sock:
        _route(sock, "up", "POST")
        _route(sock, "down", "GET")
        _settle(sock)
        serving = threading.Thread(target=_serve, args=(sock, url), daemon=True)
        serving.start()
        for request in (_upload, _download):
            request(address, len(_MESSAGE))  # so that every thread and buffer is there
        return _timed(pid, size, lambda: _upload(address, size)), _timed(pid, size, lambda: _download(address, size))


def _serve(sock: ClientConnection, url: str) -> None:
    try:
        for text in sock:
            frame = json.loads(text)
            if frame["type"] == "invokefunction":
                _handle(sock, url, frame)
    except ConnectionClosed:
        return


def _handle(sock: ClientConnection, url: str, frame: dict[str, Any]) -> None:
    data, total = frame["data"], 0
    if frame["function_id"] == "up":
        with _end(url, data["request_body"]) as end:
            try:
                while True:
                    total += len(end.recv())
            except ConnectionClosed:
                result = {"body": total}
        answer = {"invocation_id": frame["invocation_id"], "function_id": frame["function_id"]}
        sock.send(_frame("invocationresult", **answer, result=result))
        return
    with _end(url, data["response"]) as end:
        for sent in itertools.count(0, len(_MESSAGE)):
            left = int(data["query_params"]["size"]) - sent
            if left <= 0:
                return
            end.send(_MESSAGE[:left])


def _end(url: str, ref: dict[str, str]) -> ClientConnection:
    path = f"/ws/channels/{ref['channel_id']}?key={ref['access_key']}&dir={ref['direction']}"
    return connect(url + path, max_size=None, compression=None, proxy=None, ping_interval=None)


def _timed(pid: int, size: int, work: Callable[[], None]) -> Transfer:
    before, most = _resident_kib(pid), 0
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(_LOOK_S):
            most = max(most, _resident_kib(pid))

    watching = threading.Thread(target=watch)
    watching.start()
    began = time.perf_counter()
    try:
        work()
        took = time.perf_counter() - began
    finally:
        done.set()
        watching.join()
    return Transfer(size / took / 1e6, max(0, most - before) / 1024)


def _resident_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise Failed("the engine has ended")


def _upload(address: str, size: int) -> None:
    with ExitStack() as stack:
        sock = _connected(stack, address)
        sock.sendall(b"POST /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size)
        for sent in range(0, size, len(_MESSAGE)):
            sock.sendall(_MESSAGE[: size - sent])
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
        if not answer.startswith(b"HTTP/1.1 200 ") or not answer.endswith(b"\r\n\r\n%d" % size):
            raise Failed(f"an upload was answered with {answer[-200:]!r}")


def _download(address: str, size: int) -> None:
    with ExitStack() as stack:
        sock = _connected(stack, address)
        sock.sendall(b"GET /down?size=%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % size)
        buffer, received, last = bytearray(262144), 0, b""
        while count := sock.recv_into(buffer):
            received += count
            last = bytes(buffer[max(0, count - 5) : count])
        if received < size or not last.endswith(b"0\r\n\r\n"):
            raise Failed(f"a download ended after {received} bytes with {last!r}")


def _connected(stack: ExitStack, address: str) -> socket.socket:
    where = urlsplit(address)
    return stack.enter_context(socket.create_connection((where.hostname or "", where.port or 0), _WAIT_S))
