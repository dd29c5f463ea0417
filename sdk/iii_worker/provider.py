"""One trigger type of this worker: its bindings, and its handler's methods called one after the other."""

from __future__ import annotations

import inspect
import logging
import threading
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any, Final

from iii_worker._types import ClientPort
from iii_worker.failures import message_of
from iii_worker.inputs import reader_for
from iii_worker.limits import TRIGGER_BINDINGS, TRIGGER_CALLBACKS
from iii_worker.pool import CLOSED, HandlerPool
from iii_worker.trigger_config import TriggerConfig
from iii_worker.values import to_json

__all__ = ["Provider"]

logger = logging.getLogger(__name__)

_REGISTRATION_FAILED: Final = "trigger_registration_failed"


class _Binding:
    """A binding and the connection it came on: with that it ends."""

    __slots__ = ("config", "worker_id")

    def __init__(self, config: TriggerConfig[Any], worker_id: str | None) -> None:
        self.config = config
        self.worker_id = worker_id


class Provider:
    """Thread-safe. What comes from the engine waits in one queue, which one handler thread at a time works off.

    :param handler: an object with ``register_trigger`` and ``unregister_trigger``; None: every binding is accepted.
    :param hint: what configs are validated into; ``NO_HINT``: they stay plain JSON.
    """

    def __init__(self, kind: str, handler: Any, hint: Any, client: ClientPort, pool: HandlerPool) -> None:
        self.id = kind
        self._handler = handler
        self._read = reader_for(hint, "config", None)
        self._client = client
        self._pool = pool
        self._lock = threading.Lock()
        self._queue: deque[tuple[Callable[[], None], Callable[[str], None]]] = deque()
        self._working = False
        self._closed = False
        self._bindings: dict[str, _Binding] = {}

    def bindings(self) -> list[TriggerConfig[Any]]:
        """Return what is bound, in order."""
        with self._lock:
            return [binding.config for binding in self._bindings.values()]

    # --- the connection's thread: nothing blocks ----------------------------------------------------------------------

    def bind(self, frame: dict[str, Any]) -> None:
        """Take a ``registertrigger``: the handler is asked, and the engine gets its answer."""
        worker_id = self._client.worker_id
        self._later(partial(self._bind, frame, worker_id), partial(self._answer, frame, worker_id))

    def unbind(self, trigger_id: str) -> None:
        """Take an ``unregistertrigger``."""
        self._later(
            partial(self._unbind, trigger_id), partial(self._drop, lambda binding: binding.config.id == trigger_id)
        )

    # --- any thread ---------------------------------------------------------------------------------------------------

    def forget_lost(self) -> None:
        """End the bindings of connections that are over."""
        self._later(self._forget_lost, self._drop_lost)

    def close(self) -> None:
        """End all bindings, and take no more."""
        self._closed = True
        self._later(self._forget_all, self._drop_all)

    # --- the queue ----------------------------------------------------------------------------------------------------

    def _later(self, job: Callable[[], None], refuse: Callable[[str], None]) -> None:
        """Do a job after those before it; if that cannot be, say so to ``refuse``."""
        with self._lock:
            if len(self._queue) >= TRIGGER_CALLBACKS:
                full = True
            else:
                full = False
                self._queue.append((job, refuse))
                if self._working:
                    return
                self._working = True
        if full:
            refuse(f"{TRIGGER_CALLBACKS} bindings wait for the handler of trigger type {self.id!r}")
        elif not self._pool.submit(self._work, refuse=self._give_up):
            self._give_up(self._pool.refusal())

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._working = False
                    return
                job, _ = self._queue.popleft()
            try:
                job()
            except Exception:
                logger.exception("The handler of trigger type %s failed", self.id)

    def _give_up(self, reason: str) -> None:
        """No thread is to be had: nobody's binding may hang for that."""
        with self._lock:
            waiting, self._queue = self._queue, deque()
            self._working = False
        for _, refuse in waiting:
            refuse(reason)

    # --- handler threads ----------------------------------------------------------------------------------------------

    def _bind(self, frame: dict[str, Any], worker_id: str | None) -> None:
        trigger_id = frame["id"]
        try:
            self._accept(frame, worker_id)
        except Exception as error:
            with self._lock:
                self._bindings.pop(trigger_id, None)
            logger.warning(
                "Trigger type %s refused the trigger %s for %s: %s",
                self.id,
                trigger_id,
                frame.get("function_id"),
                message_of(error),
            )
            logger.debug("Where it was refused", exc_info=True)
            self._answer(frame, worker_id, message_of(error))
        else:
            self._answer(frame, worker_id, None)

    def _accept(self, frame: dict[str, Any], worker_id: str | None) -> None:
        trigger_id = frame["id"]
        if self._closed:
            raise ValueError(f"this worker has taken the trigger type {self.id!r} back")
        if trigger_id not in self._bindings and len(self._bindings) >= TRIGGER_BINDINGS:
            raise ValueError(f"{TRIGGER_BINDINGS} triggers are bound to {self.id!r} already")
        config = TriggerConfig(
            trigger_id,
            str(frame.get("function_id") or ""),
            self._read(to_json(frame.get("config"))),
            frame.get("metadata"),
            frame.get("namespace"),
            self._client,
        )
        self._ask("register_trigger", config)
        with self._lock:
            self._bindings[trigger_id] = _Binding(config, worker_id)

    def _unbind(self, trigger_id: str) -> None:
        with self._lock:
            binding = self._bindings.pop(trigger_id, None)
        if binding is not None:
            self._over(binding)

    def _forget_lost(self) -> None:
        present = self._client.worker_id
        self._forget(lambda binding: binding.worker_id != present)

    def _drop_lost(self, reason: str) -> None:
        present = self._client.worker_id
        self._drop(lambda binding: binding.worker_id != present, reason)

    def _forget_all(self) -> None:
        self._forget(lambda _: True)

    def _drop_all(self, reason: str) -> None:
        self._drop(lambda _: True, reason)

    def _drop(self, over: Callable[[_Binding], bool], reason: str) -> None:
        """End bindings without the handler: there is no thread to tell it on."""
        gone = self._take(over)
        if gone and self._handler is not None:
            level = logging.DEBUG if reason == CLOSED else logging.WARNING
            logger.log(
                level,
                "The handler of trigger type %s is not told that %d bindings ended: %s",
                self.id,
                len(gone),
                reason,
            )

    def _forget(self, over: Callable[[_Binding], bool]) -> None:
        for binding in self._take(over):
            self._over(binding)

    def _take(self, over: Callable[[_Binding], bool]) -> list[_Binding]:
        with self._lock:
            gone = [binding for binding in self._bindings.values() if over(binding)]
            for binding in gone:
                del self._bindings[binding.config.id]
        return gone

    def _over(self, binding: _Binding) -> None:
        try:
            self._ask("unregister_trigger", binding.config)
        except Exception:
            logger.exception("The handler of trigger type %s could not unregister a trigger", self.id)

    def _ask(self, method: str, config: TriggerConfig[Any]) -> None:
        if self._handler is None:
            return
        answer = getattr(self._handler, method)(config)
        if inspect.isawaitable(answer):
            self._pool.coroutines.wait_for(answer, copy_context())

    # --- answers ------------------------------------------------------------------------------------------------------

    def _answer(self, frame: dict[str, Any], worker_id: str | None, error: str | None) -> None:
        """Tell the engine; on a later connection it has forgotten the question, and asks anew."""
        if worker_id != self._client.worker_id:
            return
        answer: dict[str, Any] = {"type": "triggerregistrationresult", "trigger_type": self.id}
        answer |= {key: frame.get(key) for key in ("id", "function_id")}
        if error is not None:
            answer["error"] = {"code": _REGISTRATION_FAILED, "message": error}
        self._client.send_frame(answer)
