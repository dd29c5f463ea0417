"""The triggers this worker has registered, and what became of each (spec sdk.md §2, §5.4; core.md §6.2)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Final
from uuid import uuid4

from iii_worker._types import ClientPort
from iii_worker.deadlines import checked_seconds
from iii_worker.errors import CONNECTION_LOST, NOT_CONNECTED, TIMEOUT, Error, InvocationError
from iii_worker.limits import TRIGGER_POLL_S, TRIGGER_SETTLE_S
from iii_worker.trigger_inputs import RegisterTriggerInput, as_json, checked_id, checked_namespace, input_from

__all__ = ["Trigger", "TriggerRegistrationError", "TriggerTable"]

logger = logging.getLogger(__name__)

REGISTRATION_FAILED: Final = "trigger_registration_failed"
_INFO: Final = "engine::registered-triggers::info"
_NOT_FOUND: Final = "NOT_FOUND"

_OLDER_TYPES: Final = {
    "workers.available": "engine::workers-available",
    "functions.available": "engine::functions-available",
}
_STREAM_TYPES: Final = ("stream", "stream:join", "stream:leave")


class TriggerRegistrationError(Error):
    """A trigger was refused, by the engine or by the worker that provides its type.

    ``code`` is the refusal's: ``trigger_registration_failed``, ``trigger_type_not_found`` (the provider does not know
    the type any more), ``FORBIDDEN``, ``INVALID_NAMESPACE`` or one of the provider's own.
    """

    def __init__(self, code: str, message: str, trigger_id: str, trigger_type: str, function_id: str) -> None:
        super().__init__(message, code)
        self.args = (code, message, trigger_id, trigger_type, function_id)
        self.trigger_id = trigger_id
        self.trigger_type = trigger_type
        self.function_id = function_id

    def __str__(self) -> str:
        return f"the {self.trigger_type!r} trigger for {self.function_id!r} was refused: {self.code}: {self.message}"


class Trigger:
    """A registered trigger. Its methods may be used from any thread."""

    def __init__(
        self, trigger_id: str, given: RegisterTriggerInput, table: TriggerTable, *, internal: bool = False
    ) -> None:
        self.id: Final = trigger_id
        self.type: Final = given.type
        self.function_id: Final = given.function_id
        self.namespace: Final = given.namespace
        self.error: TriggerRegistrationError | None = None
        """Why it was refused when it was last tried; None as long as it was not. A refusal is logged, too.

        Engines do not say that a trigger was accepted. One whose type nobody provides yet is no error: it waits there,
        and comes to life with the type. See :meth:`wait`.
        """
        self._table = table
        self._changed = threading.Condition(threading.Lock())
        self._refusals = 0
        self._gone = False
        self.internal: Final = internal
        """Whether it is the SDK's own."""

    def unregister(self) -> None:
        """Take it back. Unregistering again changes nothing."""
        self._gone = True
        self._table.forget(self)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the trigger is live.

        :param timeout: seconds; None: the client's ``invocation_timeout_ms``.
        :returns: True: it is live. False: it was not within ``timeout``, because nobody provides its type, or because
            there is no connection; it still may come to life later.
        :raises TriggerRegistrationError: it was refused.
        :raises iii_worker.InvocationError: the engine does not tell this worker about triggers (``FORBIDDEN``), or the
            client was shut down.

        A trigger whose type a worker provides is live at once, and that worker may refuse it a little later: what it
        says within a tenth of a second is waited for.
        """
        deadline = time.monotonic() + self._table.seconds(timeout)
        while (left := deadline - time.monotonic()) > 0 and not self._gone:
            before = self._refusals
            live = self._table.is_live(self, left)
            with self._table.blocking(), self._changed:
                if self._refusals == before:
                    if live:
                        self.error = None
                    elif self.error is not None:
                        raise self._again(self.error)
                    left = max(0.0, deadline - time.monotonic())
                    wanted = TRIGGER_SETTLE_S if live else min(left, TRIGGER_POLL_S)
                    self._changed.wait_for(lambda: self._refusals != before or self._gone, wanted)  # noqa: B023
                if self._refusals != before and self.error is not None:
                    raise self._again(self.error)
            if live:
                return not self._gone
        return False

    @staticmethod
    def _again(error: TriggerRegistrationError) -> TriggerRegistrationError:
        """Return a new one like it: each that is raised carries a traceback of its own."""
        return TriggerRegistrationError(*error.args)

    def refused(self, error: TriggerRegistrationError) -> None:
        """Take note of a refusal; called by the table, never blocks."""
        with self._changed:
            self.error = error
            self._refusals += 1
            self._changed.notify_all()

    def __repr__(self) -> str:
        return f"Trigger({self.type!r} -> {self.function_id!r})"


class TriggerTable:
    """The triggers of one client. Thread-safe."""

    def __init__(self, client: ClientPort) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._triggers: dict[str, Trigger] = {}

    def register(self, given: RegisterTriggerInput | Mapping[str, Any], *, internal: bool = False) -> Trigger:
        """Register a trigger, now and on every later connection.

        :param internal: the SDK's own, which :meth:`all` leaves out.

        Raises ``TypeError`` and ``ValueError`` for an input that is none, :class:`iii_worker.values.NotJsonError` for a
        config that has no JSON form. A refusal by the engine comes later: :attr:`Trigger.error`, :meth:`Trigger.wait`,
        and the log.
        """
        wanted = input_from(RegisterTriggerInput, given, "register_trigger()")
        kind = checked_id(wanted.type, "a trigger's type")
        function_id = checked_id(wanted.function_id, "a trigger's function_id")
        namespace = checked_namespace(wanted.namespace, "a trigger's namespace") or self._client.namespace
        provided = checked_namespace(wanted.trigger_namespace, "a trigger's trigger_namespace")
        kind = _OLDER_TYPES.get(kind, kind)
        frame: dict[str, Any] = {
            "type": "registertrigger",
            "id": str(uuid4()),
            "trigger_type": kind,
            "function_id": function_id,
            "config": _config(kind, wanted.config),
        }
        metadata = as_json(wanted.metadata, "metadata")
        optional = {"metadata": metadata, "namespace": namespace, "trigger_namespace": provided}
        frame |= {key: value for key, value in optional.items() if value is not None}
        shown = RegisterTriggerInput(kind, function_id, frame["config"], metadata, namespace, provided)
        trigger = Trigger(frame["id"], shown, self, internal=internal)
        with self._lock:
            self._triggers[trigger.id] = trigger
        self._client.replay.add_trigger(frame)
        return trigger

    def all(self) -> list[Trigger]:
        """Return what the program has registered, in order of registration; refused ones too."""
        with self._lock:
            return [trigger for trigger in self._triggers.values() if not trigger.internal]

    def forget(self, trigger: Trigger) -> None:
        """Take a trigger back; see :meth:`Trigger.unregister`."""
        with self._lock:
            known = self._triggers.pop(trigger.id, None)
        if known is not None:
            self._client.replay.remove_trigger(trigger.id, trigger.type)

    def on_result(self, frame: dict[str, Any]) -> None:
        """Take a ``triggerregistrationresult``. Never blocks; the connection's thread."""
        error = frame.get("error")
        if not isinstance(error, dict):
            return
        refusal = TriggerRegistrationError(
            str(error.get("code") or REGISTRATION_FAILED),
            str(error.get("message") or "no reason given"),
            *(str(frame.get(key) or "") for key in ("id", "trigger_type", "function_id")),
        )
        logger.warning("Trigger %s: %s", refusal.trigger_id, refusal)
        trigger = self._triggers.get(refusal.trigger_id)
        if trigger is not None:
            trigger.refused(refusal)

    # --- for Trigger.wait ---------------------------------------------------------------------------------------------

    def seconds(self, timeout: float | None) -> float:
        """Return how long to wait. Raises ``ValueError`` for a timeout that is not above 0."""
        return checked_seconds(self._client.options.invocation_timeout_ms / 1000 if timeout is None else timeout)

    def blocking(self) -> AbstractContextManager[None]:
        """Return what to enter around a wait; see :meth:`iii_worker._types.HandlerPool.blocking`."""
        return self._client.pool.blocking()

    def is_live(self, trigger: Trigger, timeout: float) -> bool:
        """Ask the engine whether it fires the trigger; False also if it does not answer in time."""
        try:
            self._client.call(_INFO, {"id": trigger.id}, timeout=timeout)
        except InvocationError as error:
            if error.code in (_NOT_FOUND, TIMEOUT, CONNECTION_LOST, NOT_CONNECTED):
                return False
            raise
        return True


def _config(kind: str, given: Any) -> Any:
    """Return a config as plain JSON; ``stream`` for ``stream_name`` is an older spelling (spec sdk.md §10)."""
    config = {} if given is None else as_json(given, "config")
    if kind in _STREAM_TYPES and isinstance(config, dict) and "stream" in config and "stream_name" not in config:
        config["stream_name"] = config.pop("stream")
    return config
