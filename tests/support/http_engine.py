"""An engine with an HTTP front, its routes, and clients of it that say any bytes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests

from iii_actors import Engine, EngineConfig
from iii_actors.builtin.http import Http
from iii_actors.clock import Clock
from iii_actors.config.http import HttpSettings
from tests.support.peer import Peer, peers
from tests.support.raw import RawClient

WAIT_S = 10.0
_numbers = itertools.count(1)


class Site:
    """One engine with a front, and a worker whose functions are its routes."""

    def __init__(self, engine: Engine, make: Callable[..., Peer]) -> None:
        self.engine = engine
        self.make = make
        self.worker = make("site")
        self.front = next(one for one in engine._builtins if isinstance(one, Http))
        self.session = requests.Session()
        self.session.trust_env = False

    @property
    def url(self) -> str:
        host, port = self.front.address
        return f"http://{host}:{port}"

    def route(
        self,
        path: str,
        handler: Callable[[Any], Any] | None = None,
        method: str = "GET",
        *,
        worker: Peer | None = None,
        function_id: str | None = None,
        trigger: dict[str, Any] | None = None,
        **config: Any,
    ) -> str:
        """Register a function and its route; in effect on return. Without a handler calls are frames to expect."""
        peer = worker or self.worker
        function_id = function_id or f"site::f{next(_numbers)}"
        peer.register(function_id, handler)
        self.bind(function_id, path, method, worker=peer, trigger=trigger, **config)
        return function_id

    def bind(
        self,
        function_id: str,
        path: str,
        method: str = "GET",
        *,
        worker: Peer | None = None,
        trigger: dict[str, Any] | None = None,
        **config: Any,
    ) -> str:
        """Register a trigger only; returns its id."""
        peer = worker or self.worker
        members = {"id": f"site-t{next(_numbers)}", **(trigger or {})}
        peer.send(
            type="registertrigger",
            trigger_type="http",
            function_id=function_id,
            config={"api_path": path, "http_method": method, **config},
            **members,
        )
        peer.barrier()
        return members["id"]

    def unbind(self, trigger_id: str, worker: Peer | None = None) -> None:
        peer = worker or self.worker
        peer.send(type="unregistertrigger", id=trigger_id)
        peer.barrier()

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """Make a request and have the whole answer."""
        return self.session.request(method, self.url + path, timeout=WAIT_S, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.ask("GET", path, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        return self.ask("POST", path, **options)

    def raw(self, **buffers: int) -> RawClient:
        """Connect, to say any bytes."""
        return RawClient(self.front.address, **buffers)

    def status(self, request: bytes) -> int:
        """Say any bytes on a connection of their own; return the first answer's status, 0 for none."""
        with self.raw() as client:
            client.send(request)
            return status_of(client.rest())

    def apply(self, **settings: Any) -> None:
        """Change settings while it runs; those not named stay as they are."""
        now = self.front.settings.model_dump()
        host, _ = self.front.address
        self.front.apply(HttpSettings.model_validate({**now, "host": host, "port": now["port"], **settings}))


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def read_answer(client: RawClient) -> tuple[int, dict[str, str], bytes]:
    """Read one answer with a content-length, or none for 204 and 304; the connection stays."""
    head, *lines = client.head().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", 0))
    while len(client.received) < length:
        assert client.more(), "the connection ended in the middle of a body"
    body, client.received = client.received[:length], client.received[length:]
    return int(head.split(" ")[1]), headers, body


def error_of(response: requests.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/json"
    return json.loads(response.content)["error"]


@contextmanager
def site(clock: Clock | None = None, reader: str = "shared", **settings: Any) -> Iterator[Site]:
    """Run an engine with a front on a free port."""
    config = EngineConfig(
        workers=[
            {"name": "iii-worker-manager", "config": {"port": 0, "reader": reader}},
            {"name": "iii-http", "config": {"port": 0, **settings}},
        ]
    )
    with Engine(config, clock=clock) as engine, peers(engine.url) as make:
        made = Site(engine, make)
        try:
            yield made
        finally:
            made.session.close()
