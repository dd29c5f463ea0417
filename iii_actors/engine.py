"""The composition root: builds one engine's actors and listeners, starts them in order, stops them in reverse.

The only file that knows all the rooms. Two engines in one process share nothing but the relief thread of
:mod:`iii_actors.actor`; Pykka's process-wide registry is never asked to stop anything.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from iii_actors.actor import ActorStats, LightActor, Moment, Ref, ask, launch, moments, stats
from iii_actors.builtin import builtin as builtin_class
from iii_actors.builtin.base import Builtin, BuiltinContext, Opened
from iii_actors.clock import Clock, SystemClock
from iii_actors.config import EngineConfig, ListenerSettings, WorkerInstance, default
from iii_actors.config.persisted import with_persisted
from iii_actors.core.channels import Channels
from iii_actors.core.draining import Drain, Drained, PendingCalls
from iii_actors.core.enqueue import EnqueueDesk
from iii_actors.core.functions import Functions
from iii_actors.core.invocations import Invocations
from iii_actors.core.observing import Observing
from iii_actors.core.refs import Core
from iii_actors.core.services import Services
from iii_actors.core.triggers import Triggers
from iii_actors.core.workers import Workers
from iii_actors.errors import EngineError, ListenError
from iii_actors.limits import ASK_TIMEOUT_S, CLOSE_WAIT_S, DRAIN_DEADLINE_S, SHUTDOWN_DEADLINE_S
from iii_actors.transport.listener import Listener
from iii_actors.transport.poller import Poller
from iii_actors.transport.stream_socket import StreamSockets

__all__ = ["Engine"]

logger = logging.getLogger(__name__)

SERVICE_RESTART: Final = 1012
"""Close code at shutdown: official Python workers take 1000 and 1001 for a final good-bye (core.md §1.4)."""


class Engine:
    """One engine: core actors, built-in workers, listeners.

    ``start`` and ``stop`` are to be called from one thread at a time; everything else from any. As a context manager
    it is started on entry and stopped on exit. Without a configuration it has the defaults of ``python -m iii_actors``.
    """

    def __init__(self, config: EngineConfig | None = None, *, clock: Clock | None = None) -> None:
        self.config = self._written = config if config is not None else default()
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._own_clock = clock is None
        self._actors: list[Ref] = []
        self._builtins: list[Builtin] = []
        self._listener_of: dict[str, Listener] = {}
        """By the worker's id, the primary one first."""
        self._sockets: StreamSockets
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
        self.config = with_persisted(self._written)
        self._core = self._build_core()
        self._poller = Poller("iii-reader")
        self._poller.start()
        self._sockets = StreamSockets(self._poller, self._clock)
        for instance in self.config.instances:
            builtin = self._made(instance)
            self._builtins.append(builtin)
            builtin.start()
        for instance in self.config.instances:
            if isinstance(instance.settings, ListenerSettings):
                try:
                    self._listener_of[instance.id] = self._bound(instance.settings)
                except ListenError as error:
                    if not self._listener_of:
                        raise
                    logger.warning("%s; the engine goes on without this listener", error)
        for builtin in self._builtins:
            builtin.open()
        # The primary one opens last: a harness takes its answering for everything being ready.
        for listener in reversed(self._listener_of.values()):
            _open(listener)

    def _made(self, instance: WorkerInstance) -> Builtin:
        context = BuiltinContext(
            self.core,
            instance,
            self.config,
            self._sockets,
            go_down=self._go_down,
            url=lambda: self.url,
            written=self._written,
            change_worker=self._change_worker,
        )
        return builtin_class(instance.kind)(context)

    def _bound(self, settings: ListenerSettings) -> Listener:
        assert self._poller is not None  # noqa: S101 - it is started
        return Listener(settings, self.core, self._poller, self.core.observing.take)

    def _build_core(self) -> Core:
        workers = self._run(Workers(self._clock))
        invocations = self._run(Invocations())
        services = self._run(Services())
        observing = Observing()
        functions = self._run(Functions(invocations, services))
        return Core(
            clock=self._clock,
            functions=functions,
            invocations=invocations,
            triggers=self._run(Triggers()),
            workers=workers,
            services=services,
            channels=self._run(Channels(self._clock)),
            enqueue=self._run(EnqueueDesk(functions, observing)),
            namespace_grace_s=self.config.registration_namespace_grace_ms / 1000,
            observing=observing,
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
        return [listener.address for listener in self._listener_of.values()]

    @property
    def _listeners(self) -> list[Listener]:
        return list(self._listener_of.values())

    @property
    def url(self) -> str:
        """Where workers connect: the primary listener, as seen from this machine."""
        if not self._listener_of:
            raise RuntimeError("the engine is not running")
        return self._listeners[0].url

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
        return refs + [ref for listener in self._listeners for ref in listener.actors()]

    # --- changing ----------------------------------------------------------------------------------------------------

    def reconfigure(self, config: EngineConfig) -> list[EngineError]:
        """Go by other settings while it runs: what has changed is changed, or stopped and started; the rest goes on.

        A worker that cannot go by its new settings keeps the old ones; the errors are returned, an empty list is
        success. Workers' connections end (1012: they reconnect) only if their listener has changed. One thread.
        """
        with self._changing:
            if self._state != "running":
                raise RuntimeError("only a running engine is changed")
            self._written = config
            errors = self._go_by_all(with_persisted(config))
            self._tell_settings()
            return errors

    def _change_worker(self, worker_id: str, block: object) -> None:
        """Have one worker go by another block of settings. Raises ``EngineError``; then nothing has changed."""
        if not self._changing.acquire(timeout=ASK_TIMEOUT_S):
            raise EngineError("the engine is starting, stopping or changing; try again")
        try:
            if self._state != "running":
                raise EngineError("the engine is not running")
            before = self.config
            errors = self._go_by_all(before.with_worker(worker_id, block))
            if errors:
                self.config = before
                raise errors[0]
            self._tell_settings()
        finally:
            self._changing.release()

    def _go_by_all(self, config: EngineConfig) -> list[EngineError]:
        errors: list[EngineError] = []
        wanted = {one.id for one in config.instances}
        for builtin in reversed(self._builtins):
            if builtin.id not in wanted:
                self._withdraw(builtin)
        running = {one.id: one for one in self._builtins}
        self.config = config
        self._builtins = []
        for instance in config.instances:
            try:
                self._go_by(instance, running.get(instance.id))
            except EngineError as error:
                errors.append(error)
        order = [one.id for one in config.instances if one.id in self._listener_of]
        self._listener_of = {listener_id: self._listener_of[listener_id] for listener_id in order}
        return errors

    def _tell_settings(self) -> None:
        for builtin in self._builtins:
            builtin.settings_changed(self.config, self._written)

    def _go_by(self, instance: WorkerInstance, builtin: Builtin | None) -> None:
        """Have one worker run by its settings; if that fails it runs as before, or not at all if it did not."""
        if builtin is None:
            self._join(instance)
            return
        before = builtin.context.instance
        if before.settings == instance.settings and before.kind == instance.kind:
            self._builtins.append(builtin)
            return
        try:
            changed = before.kind == instance.kind and builtin.change(instance.settings)
        except EngineError:
            self._builtins.append(builtin)
            raise
        if changed:
            self._builtins.append(builtin)
            builtin.context = replace(builtin.context, instance=instance, config=self.config)
            logger.info("%s goes by its new settings", instance.id)
            return
        self._withdraw(builtin)
        try:
            self._join(instance)
        except EngineError:
            self._join(before)
            raise

    def _join(self, instance: WorkerInstance) -> None:
        """Start one worker, and open its port."""
        builtin = self._made(instance)
        try:
            builtin.start()
            builtin.open()
            if isinstance(instance.settings, ListenerSettings):
                listener = self._bound(instance.settings)
                self._listener_of[instance.id] = listener
                _open(listener)
        except EngineError:
            builtin.stop_accepting()
            builtin.stop()
            raise
        self._builtins.append(builtin)
        logger.info("%s has started", instance.id)

    def _withdraw(self, builtin: Builtin) -> None:
        """Stop one worker; what is in flight on its port is cut."""
        builtin.stop_accepting()
        listener = self._listener_of.pop(builtin.id, None)
        if listener is not None:
            self._close([listener], time.monotonic() + SHUTDOWN_DEADLINE_S)
        builtin.stop()
        logger.info("%s has stopped", builtin.id)

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
            for listener in self._listener_of.values():
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
        self._close(list(self._listener_of.values()), deadline)
        for builtin in reversed(self._builtins):
            builtin.stop()
        if self._poller is not None:
            self._poller.stop()
        for ref in reversed(self._actors):
            ref.stop(block=False)
        if self._own_clock:
            self._clock.stop()

    @staticmethod
    def _close(listeners: Sequence[Listener], deadline: float) -> None:
        """Close ports, then their sockets, and wait until whoever was there has been cleaned up after."""

        def wait_for_departures(until: float) -> None:
            for listener in listeners:
                listener.wait_until_empty(max(0.0, until - time.monotonic()))

        for listener in listeners:
            listener.stop_accepting()
            listener.end_reading_ends(SERVICE_RESTART)
        for listener in listeners:
            for worker in listener.workers():
                worker.close(SERVICE_RESTART, "the engine is stopping")
            listener.end_others()
        wait_for_departures(min(deadline, time.monotonic() + CLOSE_WAIT_S))
        for listener in listeners:
            listener.cut_all()
        wait_for_departures(deadline)
        for listener in listeners:
            listener.end()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def _open(listener: Listener) -> None:
    listener.open()
    logger.info("Engine listening on address: %s:%d", *listener.address)
