"""A place that takes telemetry as an engine does, and tells what it got."""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Iterator

import pytest
from websockets.sync.server import ServerConnection, serve

from iii_worker import tracing
from iii_worker.observability import OtelConfig, init_otel, otel, pipeline, shutdown_otel

WAIT_S = 10


class TelemetryServer:
    """Listens on ``url``; what comes in can be waited for with :meth:`frame`."""

    def __init__(self, port: int = 0) -> None:
        self.frames: queue.Queue[tuple[str, dict]] = queue.Queue()
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.refuse = False
        self.connections: list[ServerConnection] = []
        self._server = serve(self._take, "127.0.0.1", port, max_size=None)
        self.port = self._server.socket.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _take(self, connection: ServerConnection) -> None:
        self.requests.append((connection.request.path, dict(connection.request.headers.raw_items())))
        if self.refuse:
            connection.send('{"type":"error","error":{"code":"AUTH_ERROR","message":"who are you"}}')
            return
        self.connections.append(connection)
        for message in connection:
            self.frames.put((message[:4].decode(), json.loads(message[4:])))

    def frame(self, kind: str) -> dict:
        """Wait for the next frame of a kind; others that come before are thrown away."""
        while True:
            found, content = self.frames.get(timeout=WAIT_S)
            if found == kind:
                return content

    def spans(self, count: int) -> list[dict]:
        """Wait for so many spans, in the order in which they came."""
        found: list[dict] = []
        while len(found) < count:
            for resource in self.frame("OTLP")["resourceSpans"]:
                found += [span for scope in resource["scopeSpans"] for span in scope["spans"]]
        return found

    def logs(self, count: int) -> list[dict]:
        found: list[dict] = []
        while len(found) < count:
            for resource in self.frame("LOGS")["resourceLogs"]:
                found += [record for scope in resource["scopeLogs"] for record in scope["logRecords"]]
        return found

    def close(self) -> None:
        self._server.shutdown()
        for connection in self.connections:
            connection.close()
        self._thread.join(WAIT_S)


@pytest.fixture
def server() -> Iterator[TelemetryServer]:
    running = TelemetryServer()
    yield running
    running.close()


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """Each test starts and ends without telemetry."""
    yield
    shutdown_otel(timeout=0)
    assert pipeline.active() is None
    assert tracing.recorder() is None


@pytest.fixture
def without_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otel, "is_installed", lambda: False)


@pytest.fixture(params=["own recorder", "opentelemetry"])
def telemetry(
    request: pytest.FixtureRequest, server: TelemetryServer, monkeypatch: pytest.MonkeyPatch
) -> TelemetryServer:
    """Telemetry that is on, once with each recorder; returns where it goes."""
    if request.param == "own recorder":
        monkeypatch.setattr(otel, "is_installed", lambda: False)
    else:
        request.getfixturevalue("opentelemetry")
    assert init_otel(OtelConfig(enabled=True, engine_ws_url=server.url, metrics_enabled=False))
    return server


@pytest.fixture
def opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip where `opentelemetry-sdk` is missing; fail where everything is required."""
    monkeypatch.delenv("OTEL_ENABLED", raising=False)
    if not otel.is_installed():
        if os.environ.get("III_ACTORS_REQUIRE_ALL") == "1":
            pytest.fail("opentelemetry-sdk is not installed, and III_ACTORS_REQUIRE_ALL=1")
        pytest.skip("opentelemetry-sdk is not installed (extra `otel`)")


def attributes(of: dict) -> dict:
    """Return OTLP attributes as a plain dict: the value of whatever kind it is."""
    return {pair["key"]: next(iter(pair["value"].values()), None) for pair in of["attributes"]}
