"""Telemetry as official SDKs send it: OTLP/JSON frames, built from a few words."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from iii_actors import Engine, EngineConfig
from iii_actors.clock import Clock
from tests.support.peer import Peer, peers
from tests.support.raw import BINARY, PING, PONG, RawClient, client_frame

NOW_NS = 1_700_000_000_000_000_000
WAIT_S = 15.0
TRACE, SPAN = "c" * 32, "d" * 16


def attributes(given: dict[str, Any]) -> list[dict[str, Any]]:
    """Attributes in OTLP's own writing; a dict is taken for a value written already."""
    found = []
    for key, value in given.items():
        kind = {bool: "boolValue", int: "intValue", float: "doubleValue"}.get(type(value), "stringValue")
        found.append({"key": key, "value": value if isinstance(value, dict) else {kind: value}})
    return found


def span(name: str = "work", **members: Any) -> dict[str, Any]:
    """One span of 100 ms; ``at_ms`` moves it, ``attributes`` is a plain dict."""
    start = NOW_NS + members.pop("at_ms", 0) * 1_000_000
    end = start + int(members.pop("lasts_ms", 100) * 1_000_000)
    given = attributes(members.pop("attributes", {}))
    return {
        "traceId": TRACE,
        "spanId": SPAN,
        "name": name,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(end),
        "attributes": given,
        **members,
    }


def _resource(service: str | None) -> dict[str, Any]:
    return {"attributes": attributes({"service.name": service})} if service else {}


def traces(*spans: dict[str, Any], service: str | None = "svc", scope: Any = None) -> bytes:
    groups = [{"resource": _resource(service), "scopeSpans": [{"scope": scope, "spans": list(spans)}]}]
    return b"OTLP" + json.dumps({"resourceSpans": groups}).encode()


def logs(*records: dict[str, Any], service: str | None = "svc", scope: Any = None) -> bytes:
    groups = [{"resource": _resource(service), "scopeLogs": [{"scope": scope, "logRecords": list(records)}]}]
    return b"LOGS" + json.dumps({"resourceLogs": groups}).encode()


def metrics(*found: dict[str, Any], service: str | None = "svc", scope: Any = None) -> bytes:
    groups = [{"resource": _resource(service), "scopeMetrics": [{"scope": scope, "metrics": list(found)}]}]
    return b"MTRC" + json.dumps({"resourceMetrics": groups}).encode()


def gauge(name: str, value: float, **point: Any) -> dict[str, Any]:
    """One gauge with one point; ``attributes`` is a plain dict."""
    given = attributes(point.pop("attributes", {}))
    return {"name": name, "unit": "1", "gauge": {"dataPoints": [{"asDouble": value, "attributes": given, **point}]}}


class Uplink:
    """A telemetry socket: :meth:`say` returns when the engine has taken what was said."""

    def __init__(self, engine: Engine) -> None:
        self._client = RawClient(engine.listeners[0])
        self._client.upgrade("/otel")

    def say(self, *payloads: bytes) -> None:
        for payload in payloads:
            self._client.send(client_frame(BINARY, payload))
        self._client.send(client_frame(PING, b"?"))
        assert self._client.frame() == (PONG, b"?")

    def say_frame(self, frame: bytes) -> None:
        self._client.send(frame)

    def __enter__(self) -> Self:
        self._client.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._client.__exit__(*error)


@contextmanager
def observed(clock: Clock | None = None, http: bool = False, **settings: Any) -> Iterator[tuple[Engine, Peer]]:
    """Run an engine with these settings of ``iii-observability``, and a worker of it."""
    workers: list[dict[str, Any]] = [{"name": "iii-worker-manager", "config": {"port": 0}}]
    if http:
        workers.append({"name": "iii-http", "config": {"port": 0}})
    workers.append({"name": "iii-observability", "config": {"enabled": True, **settings}})
    with Engine(EngineConfig(workers=workers), clock=clock) as engine, peers(engine.url) as make:
        yield engine, make("watched")


def listed(peer: Peer, **query: Any) -> list[dict[str, Any]]:
    """All spans that the engine keeps, or those of a query."""
    members = {"include_internal": True, "search_all_spans": True, **query}
    return peer.call("engine::traces::list", members)["spans"]


def named(peer: Peer, name: str, **query: Any) -> dict[str, Any]:
    """The one span of this name."""
    (found,) = [one for one in listed(peer, **query) if one["name"] == name]
    return found


def eventually(look: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
    """Look until it is good, for at most some seconds; each look is a call, so there is no need to wait between."""
    deadline = time.monotonic() + WAIT_S
    while True:
        found = look()
        if good(found):
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not in time; last seen: {found}")
