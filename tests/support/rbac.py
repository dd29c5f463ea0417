"""An engine with a plain listener, for whoever serves hooks, and one with rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

import iii_actors
from tests.support.peer import WAIT_S, CallFailed, Peer, peers

LISTENER = "iii-worker-manager"


class Rules:
    """One engine, its admin (a worker on the plain listener), and clients of the listener with rules."""

    def __init__(self, engine: iii_actors.Engine, admin: Peer, made: list[Peer], scheme: str = "ws") -> None:
        self.engine = engine
        self.admin = admin
        host, port = engine.listeners[1]
        self.address = (host, port)
        self.url = f"{scheme}://{host}:{port}/"
        self._made = made
        self.client: Peer
        """One that tests share."""

    def join(self, query: str = "", announce: bool = False, namespace: str | None = None, **options: Any) -> Peer:
        """Connect and be let in."""
        peer = Peer(self.url + query, **options)
        self._made.append(peer)
        if announce:
            peer.register_worker(namespace=namespace)
        return peer

    def other(self, namespace: str, function_ids: list[str]) -> Peer:
        """Connect a worker to the plain listener that has echoes of these ids in a namespace."""
        peer = Peer(self.engine.url)
        self._made.append(peer)
        peer.register_worker(namespace=namespace)
        for function_id in function_ids:
            peer.register(function_id, lambda data: data)
        return peer

    def refused(self, query: str = "", path: str = "", **options: Any) -> Any:
        """Connect, and be refused after the upgrade; returns the ``error`` frame, having seen the Close behind it."""
        with connect(self.url + path + query, proxy=None, compression=None, **options) as socket:
            frame = json.loads(socket.recv(timeout=WAIT_S))
            try:
                more = socket.recv(timeout=WAIT_S)
            except ConnectionClosed as closed:
                assert closed.rcvd is not None, "no Close frame"
                assert closed.rcvd.code == 1005
                return frame
            raise AssertionError(f"a refused connection goes on: {more!r}")


@contextmanager
def rules(clock: Any = None, engine: Callable[..., Any] | None = None, **listener: Any) -> Iterator[Rules]:
    """Run an engine whose second listener has these settings."""
    entries = [{"name": LISTENER, "config": {"port": 0}}, {"name": LISTENER, "config": {"port": 0, **listener}}]
    config = iii_actors.EngineConfig(workers=entries)
    made: list[Peer] = []
    with (engine or iii_actors.Engine)(config, clock=clock) as running, peers(running.url) as join:
        try:
            yield Rules(running, join("admin"), made)
        finally:
            for peer in made:
                peer.close()


HOOKS = {
    "auth_function_id": "auth",
    "on_function_registration_function_id": "on-function",
    "on_trigger_registration_function_id": "on-trigger",
    "on_trigger_type_registration_function_id": "on-type",
    "expose_functions": ['match("pub::*")', 'match("p::*")', {"metadata": {"gold": True}}],
}
"""Settings of a listener whose registrations :class:`Hooked` decides about."""


class Hooked:
    """A listener with hooks. :attr:`hooks` says what each answers; :attr:`told` what it was told."""

    def __init__(self, made):
        self.made = made
        self.admin = made.admin
        self.session = {}
        self.told = []
        self.hooks = {}
        self.admin.register("auth", lambda _: self.session)
        for name in ("on-function", "on-trigger", "on-type"):
            self.admin.register(name, self._handler(name))
        self.admin.send(type="registertriggertype", id="hook", description="d")
        self.admin.barrier()

    def _handler(self, name):
        def handler(data):
            self.told.append((name, data))
            answer = self.hooks.get(name, {})
            if isinstance(answer, Exception):
                raise answer
            return answer

        return handler

    def join(self, hooks=None, namespace=None, **session):
        self.session = {"context": {"team": 1}, "allow_trigger_type_registration": True, **session}
        self.hooks = hooks or {}
        client = self.made.join(announce=True, namespace=namespace)
        self.told.clear()
        return client

    def function(self, function_id, namespace="default"):
        try:
            query = {"function_id": function_id, "namespace": namespace}
            return self.admin.call("engine::functions::info", query)
        except CallFailed as failed:
            assert failed.code == "NOT_FOUND"
            return None

    def triggers(self):
        found = self.admin.call("engine::registered-triggers::list", {})["registered_triggers"]
        return {one["id"]: one for one in found}

    def types(self):
        found = self.admin.call("engine::triggers::list", {})["triggers"]
        return {one["id"]: one for one in found}

    def leave(self):
        """End all clients, and wait until they have left."""
        for peer in self.made._made:
            peer.close()
        self.made._made.clear()
        assert self.made.engine._listeners[1].wait_until_empty(WAIT_S)
        self.admin.barrier()
        self.admin.seen.clear()
        self.told.clear()


FUNCTION = {"type": "registerfunction", "id": "f", "description": "d", "metadata": {"m": 1}}
TYPE = {"type": "registertriggertype", "id": "tt", "description": "d"}
TRIGGER = {"type": "registertrigger", "id": "t", "trigger_type": "hook", "function_id": "pub::f", "config": {"c": 1}}


def send(client, message, **changed):
    """Send a message, and return when the engine is through with it."""
    client.send(**(message | changed))
    client.barrier()
