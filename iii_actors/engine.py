"""The composition root: builds one engine's actors and listeners, starts them in order, stops them in reverse.

The only file that knows all the rooms. Two engines in one process share nothing but the relief thread of
:mod:`iii_actors.actor`; Pykka's process-wide registry is never asked to stop anything.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, NamedTuple, Self

from iii_actors.actor import ActorStats, LightActor, Moment, Ref, ask, launch, moments, stats
from iii_actors.builtin import builtin as builtin_class
from iii_actors.builtin.base import Builtin, BuiltinContext, Opened
from iii_actors.clock import Clock, SystemClock
from iii_actors.config import EngineConfig, default
from iii_actors.core.channels import Channels
from iii_actors.core.draining import Drain, PendingCalls
from iii_actors.core.enqueue import EnqueueDesk
from iii_actors.core.functions import Functions
from iii_actors.core.invocations import Invocations
from iii_actors.core.refs import Core
from iii_actors.core.services import Services
from iii_actors.core.triggers import Triggers
from iii_actors.core.workers import Workers
from iii_actors.errors import ListenError
from iii_actors.limits import CLOSE_WAIT_S, DRAIN_DEADLINE_S, SHUTDOWN_DEADLINE_S
from iii_actors.transport.listener import Listener
from iii_actors.transport.poller import Poller
from iii_actors.transport.stream_socket import StreamSockets

__all__ = ["Drained", "Engine"]

logger = logging.getLogger(__name__)

SERVICE_RESTART: Final = 1012
"""Close code at shutdown: official Python workers take 1000 and 1001 for a final good-bye (core.md §1.4)."""


class Drained(NamedTuple):
    """How a drain ended."""

    calls: int
    """In flight when it began."""
    left: int
    """Still in flight at the deadline."""
    seconds: float
    """How long it took."""


class Engine:
    """One engine: core actors, built-in workers, listeners.

    ``start`` and ``stop`` are to be called from one thread at a time; everything else from any. As a context manager
    it is started on entry and stopped on exit. Without a configuration it has the defaults of ``python -m iii_actors``.
    """

    def __init__(self, config: EngineConfig | None = None, *, clock: Clock | None = None) -> None:
        self.config = config if config is not None else default()
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._own_clock = clock is None
        self._actors: list[Ref] = []
        self._builtins: list[Builtin] = []
        self._listeners: list[Listener] = []
        self._poller: Poller | None = None
        self._core: Core | None = None
        self._changing = threading.Lock()
        self._state = "new"
        self._drained = threading.Event()
        self.on_going_down: Callable[[float | None], None] = self._go_down_alone
        """What ``engine::drain`` calls, with its deadline in seconds (None: as configured), on an actor's thread.

        It must have the engine drained and stopped, and must not wait. Unless replaced, a thread is started for it."""

    # --- starting ----------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Start everything, the ports last: who can connect finds every built-in function there.

        Raises :class:`ListenError` if the primary listener cannot be bound; nothing is left running then.
        """
        with self._changing:
            if self._state != "new":
                raise RuntimeError("an engine is started once; make another one")
            self._state = "running"
            try:
                self._start()
            except BaseException:
                self._stop(0.0)
                raise
        return self

    def _start(self) -> None:
        core = self._core = self._build_core()
        self._poller = Poller("iii-reader")
        self._poller.start()
        sockets = StreamSockets(self._poller, self._clock)
        for instance in self.config.instances:
            builtin = builtin_class(instance.kind)(BuiltinContext(core, instance, self.config, sockets, self._go_down))
            self._builtins.append(builtin)
            builtin.start()
        settings = self.config.listeners()
        for index, options in enumerate(settings):
            try:
                self._listeners.append(Listener(options, core, self._poller, _no_store))
            except ListenError as error:
                if index == 0:
                    raise
                logger.warning("%s; the engine goes on without this listener", error)
        for builtin in self._builtins:
            builtin.open()
        # The primary one opens last: a harness takes its answering for everything being ready.
        for listener in reversed(self._listeners):
            listener.open()
            logger.info("Engine listening on address: %s:%d", *listener.address)

    def _build_core(self) -> Core:
        workers = self._run(Workers(self._clock))
        invocations = self._run(Invocations())
        services = self._run(Services())
        functions_actor = Functions(invocations, services)
        functions = self._run(functions_actor)
        return Core(
            clock=self._clock,
            functions=functions,
            invocations=invocations,
            triggers=self._run(Triggers()),
            workers=workers,
            services=services,
            channels=self._run(Channels(self._clock)),
            enqueue=self._run(EnqueueDesk(functions)),
            namespace_grace_s=self.config.registration_namespace_grace_ms / 1000,
        )

    def _run(self, actor: LightActor) -> Ref:
        ref = launch(actor)
        self._actors.append(ref)
        return ref

    # --- what is there -----------------------------------------------------------------------------------------------

    @property
    def core(self) -> Core:
        """The core's actors, for what is built on top (and for tests)."""
        if self._core is None:
            raise RuntimeError("the engine has not been started")
        return self._core

    @property
    def listeners(self) -> list[tuple[str, int]]:
        """Address of each open listener, the primary one first."""
        return [listener.address for listener in self._listeners]

    @property
    def url(self) -> str:
        """Where workers connect: the primary listener, as seen from this machine."""
        if not self._listeners:
            raise RuntimeError("the engine is not running")
        host, port = self._listeners[0].address
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port}"

    def opened(self) -> list[Opened]:
        """Return the ports of the built-in workers: HTTP and the like."""
        return [one for builtin in self._builtins for one in builtin.opened()]

    def actors(self) -> list[ActorStats]:
        """Figures of every actor of this engine: the core's, the built-in workers', one per connection."""
        return [figures for ref in self._refs() if (figures := stats(ref)) is not None]

    def moments(self) -> list[Moment]:
        """What each of these actors is doing now; any thread, also while others hang."""
        return moments(self._refs())

    def _refs(self) -> list[Ref]:
        refs = [*self._actors, *(ref for builtin in self._builtins for ref in builtin.actors())]
        return refs + [worker.connection for listener in self._listeners for worker in listener.workers()]

    # --- going down --------------------------------------------------------------------------------------------------

    def drain(self, deadline_s: float = DRAIN_DEADLINE_S) -> Drained:
        """Refuse new workers (503) and new calls (``engine_draining``), and wait for what runs. Then call :meth:`stop`.

        What a worker calls while it executes something belongs to what runs. Waits, for ``deadline_s`` at most; any
        thread, but no actor's. There is no way back.
        """
        began = time.monotonic()
        deadline = began + deadline_s
        with self._changing:
            if self._state != "running":
                return Drained(0, 0, 0.0)
            for builtin in self._builtins:
                builtin.drain()
            for listener in self._listeners:
                listener.drain()
        calls = ask(self.core.invocations, Drain(self._drained.set))
        for builtin in self._builtins:
            builtin.drained(max(0.0, deadline - time.monotonic()))
        while True:
            self._drained.clear()
            left = ask(self.core.invocations, PendingCalls())
            if not left or not self._drained.wait(max(0.0, deadline - time.monotonic())):
                return Drained(calls, left, time.monotonic() - began)

    def _go_down(self, deadline_s: float | None) -> int:
        self.on_going_down(deadline_s)
        in_flight: int = ask(self.core.invocations, PendingCalls())
        return in_flight

    def _go_down_alone(self, deadline_s: float | None) -> None:
        def work() -> None:
            self.drain(DRAIN_DEADLINE_S if deadline_s is None else deadline_s)
            self.stop()

        threading.Thread(target=work, name="iii-drain", daemon=True).start()

    # --- stopping ----------------------------------------------------------------------------------------------------

    def stop(self, deadline_s: float = SHUTDOWN_DEADLINE_S) -> None:
        """Stop: ports first, then the workers' sockets (Close 1012: they reconnect), built-ins, core. Idempotent.

        Returns within about ``deadline_s`` seconds; what is not through by then is cut.
        """
        with self._changing:
            if self._state == "running":
                self._stop(deadline_s)

    def _stop(self, deadline_s: float) -> None:
        self._state = "stopped"
        deadline = time.monotonic() + deadline_s
        for builtin in self._builtins:
            builtin.stop_accepting()
        for listener in self._listeners:
            listener.stop_accepting()
            listener.end_reading_ends(SERVICE_RESTART)
        for listener in self._listeners:
            for worker in listener.workers():
                worker.close(SERVICE_RESTART, "the engine is stopping")
            listener.end_others()
        self._wait_for_departures(min(deadline, time.monotonic() + CLOSE_WAIT_S))
        for listener in self._listeners:
            listener.cut_all()
        self._wait_for_departures(deadline)
        for builtin in reversed(self._builtins):
            builtin.stop()
        if self._poller is not None:
            self._poller.stop()
        for ref in reversed(self._actors):
            ref.stop(block=False)
        if self._own_clock:
            self._clock.stop()

    def _wait_for_departures(self, deadline: float) -> None:
        for listener in self._listeners:
            listener.wait_until_empty(max(0.0, deadline - time.monotonic()))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def _no_store(frame: bytes) -> None:
    """Telemetry is accepted and has no store in this version (observability.md §2)."""
