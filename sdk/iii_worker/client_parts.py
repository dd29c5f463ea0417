"""The parts of a client, put together; the modules ``client_*`` are what users see of them."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from iii_worker import frames
from iii_worker.calls import Calls
from iii_worker.channel import revive
from iii_worker.connection import Connection
from iii_worker.dial import parse_address
from iii_worker.errands import Errands
from iii_worker.errors import SHUTDOWN, ForkedError, InvocationError
from iii_worker.functions import FunctionTable
from iii_worker.futures import Futures
from iii_worker.options import InitOptions, resolve_address
from iii_worker.pending import PendingCalls
from iii_worker.pool import HandlerPool
from iii_worker.replay import ReplaySet
from iii_worker.router import Router
from iii_worker.sending import Unsendable
from iii_worker.states import ConnectionStateCallback, States

__all__ = ["ClientParts"]


class ClientParts(ABC):
    """What the parts know of the client: :class:`iii_worker._types.ClientPort`."""

    def __init__(self, address: str | None = None, options: InitOptions | None = None) -> None:
        self.options = (options or InitOptions()).resolved()
        self.address = resolve_address(address)
        parse_address(self.address)
        self.headers: Mapping[str, str] = MappingProxyType(dict(self.options.headers or {}))
        self.pool = HandlerPool(self.options.handler_threads, self.options.handler_queue)
        self.replay = ReplaySet()
        self.errands = Errands()
        self.states = States(self.errands)
        self._forked = False
        self._closed = False
        self._stopped = threading.Event()
        pending = PendingCalls()
        self._router = Router(pending, self._rejected, self._need_reader)
        self.calls = Calls(self.options, pending, self._revive)
        self.connection = Connection(
            self.address,
            self.options,
            self.replay,
            self.states,
            receive=self._router.receive,
            opened=self.calls.opened,
            ended=self._ended,
        )
        self.calls.wire = self.connection
        self.futures = Futures(self.calls, self.pool.deadlines, self.errands)
        self.function_table = FunctionTable(self, self.pool, self._revive)
        self._router.invocations = self.function_table

    # --- what parts use -----------------------------------------------------------------------------------------------

    @abstractmethod
    def call(
        self,
        function_id: str,
        payload: object = None,
        *,
        timeout: float | None = None,
        namespace: str | None = None,
        metadata: object = None,
    ) -> Any:
        """Call a function and wait for its result."""

    @abstractmethod
    def send(
        self, function_id: str, payload: object = None, *, namespace: str | None = None, metadata: object = None
    ) -> None:
        """Call a function without waiting."""

    @property
    def namespace(self) -> str | None:
        """The worker's own namespace; None is the engine's ``default``."""
        return self.options.namespace

    @property
    def worker_id(self) -> str | None:
        """The id the engine gave the present connection; None while there is none."""
        link = self.connection.link
        return None if link is None else link.worker_id

    def send_frame(self, frame: dict[str, Any]) -> None:
        """Send a frame on the present connection, if there is one."""
        link = self.connection.link
        if link is not None:
            try:
                link.send(frames.encode(frame))
            except Unsendable:
                return

    def adopt(self, function_id: str, job: Callable[[], None]) -> bool:
        """Take a job for the reading thread; see :class:`iii_worker._types.ClientPort`."""
        link = self.connection.link
        return link is not None and link.adopt(job)

    def add_connection_state_listener(self, callback: ConnectionStateCallback) -> Callable[[], None]:
        """Be told of the connection's state: of the present one here and now, then of each change.

        Later calls come on a thread for callbacks, one after the other; they may use the client. What a callback raises
        is logged. Returns a function that ends it; it may be called again.
        """
        return self.states.listen(callback)

    def check_process(self) -> None:
        """Raise :class:`ForkedError` in a process forked from the client's own."""
        if self._forked:
            raise ForkedError

    def check_open(self) -> None:
        """Raise what keeps this client from ever offering something again: it was shut down, or is the parent's."""
        self.check_process()
        if self._closed:
            raise InvocationError(SHUTDOWN, "this client was shut down: make a new one")

    # --- wiring -------------------------------------------------------------------------------------------------------

    def _revive(self, value: Any) -> Any:
        return revive(value, self.address, self.headers)

    def _rejected(self, error: Exception) -> None:
        self.connection.fail(error)

    def _need_reader(self) -> None:
        self.connection.need_reader()

    def _ended(self, link: Any) -> None:
        self.calls.ended(link)
        if self.connection.fatal_error is not None:
            self._stopped.set()
