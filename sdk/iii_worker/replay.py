"""What is registered: sent whole on each new connection, each change once on the present one (spec sdk.md §7.6)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["ReplaySet"]

Send = Callable[[dict[str, Any]], None]


class ReplaySet:
    """The live registrations, by id. Thread-safe.

    One lock covers a change and its frame as well as the replay on a new connection: a registration made while a
    connection opens is either part of the replay or sent after it, never both and never neither. ``send`` must not
    raise for a lost connection; what it could not send is sent by the next replay.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._send: Send | None = None
        self._services: dict[str, dict[str, Any]] = {}
        self._trigger_types: dict[str, dict[str, Any]] = {}
        self._functions: dict[str, dict[str, Any]] = {}
        self._triggers: dict[str, dict[str, Any]] = {}

    def attach(self, send: Send, before: Iterable[dict[str, Any]], after: Callable[[], None]) -> None:
        """Send ``before``, then every registration, run ``after``, and send changes there from now on.

        Order: services, trigger types, functions, triggers (spec sdk.md §5.6).
        """
        with self._lock:
            for frame in before:
                send(frame)
            for table in (self._services, self._trigger_types, self._functions, self._triggers):
                for frame in table.values():
                    send(frame)
            self._send = send
            after()

    def detach(self) -> None:
        """Changes alter only the set from now on, until the next :meth:`attach`."""
        with self._lock:
            self._send = None

    def withdraw(self) -> None:
        """Take all functions and triggers back from the engine, so that it sends no more invocations."""
        with self._lock:
            for trigger_id, frame in self._triggers.items():
                self._say({"type": "unregistertrigger", "id": trigger_id, "trigger_type": frame["trigger_type"]})
            for function_id in self._functions:
                self._say({"type": "unregisterfunction", "id": function_id})
            self._triggers.clear()
            self._functions.clear()

    def add_service(self, frame: dict[str, Any]) -> None:
        self._add(self._services, frame)

    def add_trigger_type(self, frame: dict[str, Any]) -> None:
        self._add(self._trigger_types, frame)

    def add_function(self, frame: dict[str, Any]) -> None:
        self._add(self._functions, frame)

    def add_trigger(self, frame: dict[str, Any]) -> None:
        self._add(self._triggers, frame)

    def remove_trigger_type(self, trigger_type_id: str) -> None:
        self._remove(self._trigger_types, trigger_type_id, {"type": "unregistertriggertype", "id": trigger_type_id})

    def remove_function(self, function_id: str) -> None:
        self._remove(self._functions, function_id, {"type": "unregisterfunction", "id": function_id})

    def remove_trigger(self, trigger_id: str, trigger_type: str) -> None:
        frame = {"type": "unregistertrigger", "id": trigger_id, "trigger_type": trigger_type}
        self._remove(self._triggers, trigger_id, frame)

    def _add(self, table: dict[str, dict[str, Any]], frame: dict[str, Any]) -> None:
        with self._lock:
            table[frame["id"]] = frame
            self._say(frame)

    def _remove(self, table: dict[str, dict[str, Any]], key: str, frame: dict[str, Any]) -> None:
        with self._lock:
            if table.pop(key, None) is not None:
                self._say(frame)

    def _say(self, frame: dict[str, Any]) -> None:
        if self._send is not None:
            self._send(frame)
