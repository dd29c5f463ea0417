"""A table of the engine's that is kept up to date by its pushes, across reconnects.

The engine lists everything when asked, and tells changes through a trigger. Four things must not go wrong between the
two:

- a change that comes while a list is fetched may be in that list or not: it is held, and applied after the list. What
  was in the list already is the same afterwards.
- a change that was sent on an earlier connection says nothing any more. Each connection binds a trigger of its own,
  whose metadata says which: engines pass it on with every push.
- an engine tells how what is there differs from what it told before, not from what is in the list. This engine starts
  with everything when a trigger is bound, so the list is not needed; if it came first, it is replaced. Deployed ones
  look every 5 s, so what was away for a moment, and in that moment from the list, would stay away: from those the list
  is fetched once more.
- changes must be applied in the order in which they were sent, and none may be lost: they have a queue and a thread of
  their own (:class:`Pushes`), beside the handler pool, which may be full or busy. Should that queue overflow, the list
  is fetched again.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Generic, TypeVar
from uuid import uuid4

import msgspec

from iii_worker._types import ClientPort, Incoming, Reply
from iii_worker.errands import Errands
from iii_worker.errors import CONNECTION_LOST, NOT_CONNECTED, SHUTDOWN, TIMEOUT, InvocationError
from iii_worker.functions import FunctionTable
from iii_worker.limits import REGISTRY_CALL_S, REGISTRY_HELD, REGISTRY_PAUSE_S, REGISTRY_RETRY_S
from iii_worker.registry_rows import LIVE_PREFIX
from iii_worker.trigger_inputs import RegisterTriggerInput
from iii_worker.triggers import Trigger, TriggerTable
from iii_worker.values import from_json

__all__ = ["LiveTable", "Pushes"]

logger = logging.getLogger(__name__)

Key = TypeVar("Key")
Row = TypeVar("Row")
Change = TypeVar("Change")

_HOME: Final = "default"


class LiveTable(ABC, Generic[Key, Row, Change]):
    """Thread-safe. Starts with the first :meth:`start`; nothing is registered before.

    :param errands: where callbacks of users run, one after the other.
    """

    trigger_type: str
    trigger_config: Mapping[str, Any]
    list_function: str
    list_input: Mapping[str, Any]
    noun: str
    rebinds: bool
    """Whether a list alone may contradict later pushes, so that fetching again means binding again."""
    first_push_s: float
    """Seconds in which a push is waited for that makes the list unnecessary."""
    confirm_s: float | None
    """Seconds after which the first list of a binding is fetched once more, unless :attr:`exact`; None: it is not."""

    def __init__(self, client: ClientPort, functions: FunctionTable, triggers: TriggerTable, errands: Errands) -> None:
        self._client = client
        self._functions = functions
        self._triggers = triggers
        self._callbacks = errands
        self._work = Errands("iii-registry", idle_s=REGISTRY_PAUSE_S)
        self._taking = Errands("iii-registry-pushes", idle_s=REGISTRY_PAUSE_S)
        self._arrived: deque[Incoming] = deque(maxlen=REGISTRY_HELD)
        self._overflow = False
        self._connected = False
        self._pushed = False
        """Whether the present binding has had a push."""
        self.exact = False
        """Whether the engine tells this binding all that there is to know."""
        self._starting = threading.Lock()
        self._started = False
        self._binding = threading.Lock()
        self._fetching = threading.Lock()
        self._changed = threading.Condition(threading.Lock())
        self._epoch = 0
        """Counts connections."""
        self._loaded = -1
        """The connection whose list is in the table; -1: none yet."""
        self._held: list[Any] | None = None
        """Pushes that wait for the list that is being fetched; None: none is."""
        self._stale = False
        """More came than can be held: the list must be fetched again."""
        self._rows: dict[Key, Row] = {}
        """Replaced, never changed: readers need no lock."""
        self._listeners: list[Callable[[Change], None]] = []
        self.function_id: Final = f"{LIVE_PREFIX}{self.noun}::{uuid4()}"
        """The function that takes the pushes."""
        self._trigger: Trigger | None = None

    # --- what a table is of -------------------------------------------------------------------------------------------

    @abstractmethod
    def listed(self, answer: Any) -> dict[Key, Row]:
        """Return the rows of an answer of :attr:`list_function`."""

    @abstractmethod
    def pushed(self, rows: Mapping[Key, Row], data: Any, *, first: bool) -> dict[Key, Row] | None:
        """Return what a push makes of the rows; None: the push says only that something has changed.

        :param first: it is the first push of this binding. Called with the lock held.
        """

    def is_exact(self, data: Any) -> bool:
        """Return whether a binding whose first push is this one is told all that there is to know."""
        return False

    @abstractmethod
    def difference(self, before: Mapping[Key, Row], after: Mapping[Key, Row]) -> Change | None:
        """Return what callbacks are told, None for nothing."""

    # --- starting -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Register what is needed, unless that is done. Does not wait for the engine."""
        with self._starting:
            if self._started:
                return
            self._functions.register(
                self.function_id,
                self.push,
                description=f"Keeps the live list of {self.noun} of a Python worker",
                metadata={"internal": True},
                request_format=False,
                response_format=False,
                concurrency=1,
            )
            self._started = True
            self._client.add_connection_state_listener(self._state_changed)

    def load(self, timeout: float | None = None) -> None:
        """Start, and return when the table has been filled once. Raises what the engine answers instead of the list."""
        self.start()
        if self._loaded >= 0:
            return
        seconds = timeout or self._client.options.invocation_timeout_ms / 1000
        deadline = time.monotonic() + seconds
        self.wait_until(lambda: self._loaded >= 0, min(self.first_push_s, seconds))
        while self._loaded < 0:
            left = deadline - time.monotonic()
            if left <= 0:
                raise InvocationError(TIMEOUT, f"the list of {self.noun} did not come within {seconds:g} s")
            self._fetch(self._epoch, left)

    def _state_changed(self, state: str) -> None:
        """A new connection, or the end of one. On the thread for callbacks; at first on the one that starts."""
        with self._changed:
            self._connected = state == "connected"
            self._changed.notify_all()
        self._begin()

    def _begin(self) -> None:
        """Bind anew, and catch up; without a connection, only unbind."""
        with self._binding:
            trigger, self._trigger = self._trigger, None
            if trigger is not None:
                trigger.unregister()
            with self._changed:
                self._stale = False
                if not self._connected:
                    return
                self._epoch += 1
                epoch = self._epoch
                self._held = None
                self._pushed = self.exact = False
            wanted = RegisterTriggerInput(
                self.trigger_type, self.function_id, self.trigger_config, {"epoch": epoch}, trigger_namespace=_HOME
            )
            self._trigger = self._triggers.register(wanted, internal=True)
        self._work.run(partial(self._catch_up, epoch))

    # --- lists --------------------------------------------------------------------------------------------------------

    def _catch_up(self, epoch: int) -> None:
        """Fetch the list for a binding, as often as that takes."""
        confirmed = self.confirm_s is None
        with self._changed:
            self._changed.wait_for(lambda: self._loaded >= epoch or self._gone(epoch), self.first_push_s)
        while True:
            again = False
            with self._changed:
                if self._loaded == epoch and self._stale:
                    self._changed.wait_for(lambda: self._gone(epoch), REGISTRY_PAUSE_S)
                if self._loaded == epoch and not self._stale and not confirmed:
                    confirmed = True
                    over = self._changed.wait_for(
                        lambda: self.exact or self._stale or self._gone(epoch), self.confirm_s
                    )
                    again = not over
                if self._gone(epoch) or (self._stale and self.rebinds):
                    return
                if self._loaded == epoch and not self._stale and not again:
                    return
            try:
                self._fetch(epoch, REGISTRY_CALL_S, again=again)
            except InvocationError as error:
                if error.code in (SHUTDOWN, CONNECTION_LOST, NOT_CONNECTED):
                    return
                if error.code != TIMEOUT:
                    logger.warning("The live list of %s has only what is pushed: %s", self.noun, error)
                    return
                logger.warning("The live list of %s is not up to date yet: %s", self.noun, error)
                with self._changed:
                    self._changed.wait_for(lambda: self._gone(epoch), REGISTRY_RETRY_S)

    def _gone(self, epoch: int) -> bool:
        return epoch != self._epoch or not self._connected

    def refresh(self) -> None:
        """Fetch the list again soon, on a thread of its own."""
        with self._changed:
            self._fetch_again()

    def _fetch_again(self) -> None:
        """:meth:`refresh`, with the lock held. Until the list is being fetched, asking again changes nothing."""
        still_to_come = self.rebinds and self._loaded != self._epoch and self._held is None
        if not self._stale and not still_to_come:
            self._stale = True
            self._changed.notify_all()
            self._work.run(self._begin if self.rebinds else partial(self._catch_up, self._epoch))

    def _fetch(self, epoch: int, timeout: float, *, again: bool = False) -> None:
        with self._client.pool.blocking():
            self._fetching.acquire()
        try:
            with self._changed:
                if self._loaded >= epoch and not self._stale and not again:
                    return
                epoch = self._epoch
                self._stale = self._stale and self.rebinds
                self._held = []
            try:
                answer = self._client.call(self.list_function, dict(self.list_input), timeout=timeout, namespace=_HOME)
            except BaseException:
                with self._changed:
                    self._apply(epoch, self._take_held() or [])
                raise
            with self._changed:
                held = self._take_held()
                if held is None:  # a new binding has begun, or told everything
                    return
                self._replace(self.listed(answer))
                self._loaded = epoch
                self._apply(epoch, held)
        finally:
            self._fetching.release()

    def _take_held(self) -> list[Any] | None:
        held, self._held = self._held, None
        return held

    # --- pushes -------------------------------------------------------------------------------------------------------

    def take(self, incoming: Incoming) -> None:
        """Take a push in its turn. The connection's thread; never blocks."""
        if len(self._arrived) == REGISTRY_HELD:
            self._overflow = True
        self._arrived.append(incoming)
        self._taking.run(self._take_next)

    def _take_next(self) -> None:
        if not self._arrived:
            return
        incoming = self._arrived.popleft()
        try:
            metadata = None if incoming.metadata is None else from_json(incoming.metadata)
            self.push(from_json(incoming.data), metadata=metadata)
        except msgspec.DecodeError as error:
            logger.debug("A push of %s that is no JSON was ignored: %s", self.noun, error)
        if self._overflow and not self._arrived:
            self._overflow = False
            self.refresh()

    def push(self, data: Any, *, metadata: Any = None) -> None:
        """Apply a push, or hold it; what the trigger calls."""
        epoch = metadata.get("epoch") if isinstance(metadata, dict) else None
        with self._changed:
            if epoch is not None and epoch != self._epoch:
                return
            if not self._pushed and self.is_exact(data):
                self.exact, self._held = True, None
            if self._held is None:
                self._apply(self._epoch, [data])
            elif len(self._held) < REGISTRY_HELD:
                self._held.append(data)
            else:
                self._fetch_again()

    def _apply(self, epoch: int, pushes: list[Any]) -> None:
        """Apply pushes; the lock is held."""
        if epoch != self._epoch:
            return
        for data in pushes:
            first, self._pushed = not self._pushed, True
            rows = self.pushed(self._rows, data, first=first)
            if rows is not None:
                self._replace(rows)
                self._loaded = epoch

    def _replace(self, rows: dict[Key, Row]) -> None:
        before, self._rows = self._rows, rows
        self._changed.notify_all()
        if self._listeners:
            change = self.difference(before, rows)
            if change is not None:
                for listener in self._listeners:
                    self._callbacks.run(partial(listener, change))

    # --- reading ------------------------------------------------------------------------------------------------------

    @property
    def rows(self) -> Mapping[Key, Row]:
        """As they are now; never changed afterwards."""
        return self._rows

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> bool:
        """Wait until ``ready()``, which is asked again after each change, for so many seconds; return what it says.

        It is asked with the lock held: it may look at :attr:`rows` and at what is made of them, and must not load.
        """
        with self._client.pool.blocking(), self._changed:
            return self._changed.wait_for(ready, timeout)

    def listen(self, callback: Callable[[Change], object]) -> Callable[[], None]:
        """Call back with what there is, and then with each change, on the thread for callbacks; return what ends it."""
        listener = _Listener(callback, self.noun)
        with self._changed:
            self._listeners = [*self._listeners, listener]
            everything = self.difference({}, self._rows)
            if everything is not None:
                self._callbacks.run(partial(listener, everything))
        return partial(self._forget, listener)

    def _forget(self, listener: _Listener[Change]) -> None:
        listener.active = False
        with self._changed:
            self._listeners = [other for other in self._listeners if other is not listener]


class Pushes:
    """The functions of one client, with a way past them for pushes; :class:`iii_worker._types.Invocations`."""

    def __init__(self, functions: FunctionTable, *tables: LiveTable[Any, Any, Any]) -> None:
        self._functions = functions
        self._tables = {table.function_id: table for table in tables}

    def dispatch(self, incoming: Incoming, reply: Reply) -> None:
        """Take an invocation. The connection's thread; never blocks."""
        table = self._tables.get(incoming.function_id)
        if table is None:
            self._functions.dispatch(incoming, reply)
        else:
            table.take(incoming)
            reply(None, None)

    def on_rejected(self, frame: dict[str, Any]) -> None:
        """Pass a refusal on."""
        self._functions.on_rejected(frame)


class _Listener(Generic[Change]):
    def __init__(self, callback: Callable[[Change], object], noun: str) -> None:
        self._callback = callback
        self._noun = noun
        self.active = True

    def __call__(self, change: Change) -> None:
        if self.active:
            try:
                self._callback(change)
            except Exception:
                logger.exception("A callback for changes of %s failed", self._noun)
