"""Function tables without an engine: clients that know each other directly, and answers to wait for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from iii_worker._types import Incoming
from iii_worker.blocking import blocking
from iii_worker.errors import InvocationError, from_wire
from iii_worker.functions import FunctionTable
from iii_worker.pool import HandlerPool

WAIT_S = 20.0


class Answer:
    """What an invocation is answered with; a reply, to be given to ``dispatch``."""

    def __init__(self, function_id: str = "") -> None:
        self.function_id = function_id
        self.replies: list[tuple[bytes | None, Any]] = []
        self._there = threading.Event()

    def __call__(self, text: bytes | None, error: Any) -> None:
        self.replies.append((text, error))
        self._there.set()

    @property
    def there(self) -> bool:
        return self._there.is_set()

    def outcome(self) -> Any:
        """Wait, and return the result or raise the error, as a caller gets it."""
        if not self._there.is_set():
            with blocking():
                assert self._there.wait(WAIT_S), f"{self.function_id} was not answered"
        text, error = self.replies[0]
        if error is not None:
            raise from_wire(error, self.function_id, None)
        return None if text is None else json.loads(text)

    def error(self) -> InvocationError:
        """Wait for the error it must be."""
        try:
            result = self.outcome()
        except InvocationError as error:
            return error
        raise AssertionError(f"answered with {result!r}")


class Client:
    """As much of a client as a function table needs; all clients of a world reach each other's functions."""

    def __init__(self, world: list[Client], *, adopt: bool = False, **pool: Any) -> None:
        self.pool = HandlerPool(**pool)
        self.frames: list[dict[str, Any]] = []
        self.removed: list[str] = []
        self.replay: Any = self
        self.table = FunctionTable(self, self.pool)  # type: ignore[arg-type]  the table needs no more of a client
        self._adopting = adopt
        self._adopted: Callable[[], None] | None = None
        self._world = world
        world.append(self)

    def add_function(self, frame: dict[str, Any]) -> None:
        self.frames.append(frame)

    def remove_function(self, function_id: str) -> None:
        self.removed.append(function_id)

    def adopt(self, function_id: str, job: Callable[[], None]) -> bool:
        self._adopted = job if self._adopting else None
        return self._adopting

    def register(self, function_id: str, handler: Any, **options: Any) -> Any:
        return self.table.register(function_id, handler, **options)

    def invoke(self, function_id: str, payload: Any = None, **fields: Any) -> Answer:
        """Send an invocation to this client's own table, as the connection would."""
        text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        answer = Answer(function_id)
        fields = {"invocation_id": "i1"} | fields
        self.table.dispatch(Incoming(function_id, msgspec.Raw(text), **fields), answer)
        if self._adopted is not None:
            job, self._adopted = self._adopted, None
            threading.Thread(target=job, name="a reader", daemon=True).start()
        return answer

    def call(self, function_id: str, payload: Any = None) -> Any:
        """Call whichever client has the function, and wait on this thread."""
        owner = next(client for client in self._world if function_id in client.table.ids())
        return owner.invoke(function_id, payload).outcome()


@contextmanager
def clients() -> Iterator[Callable[..., Client]]:
    """A maker of clients; their threads end with the block."""
    world: list[Client] = []

    def make(**options: Any) -> Client:
        return Client(world, **options)

    try:
        yield make
    finally:
        for client in world:
            client.pool.close()
