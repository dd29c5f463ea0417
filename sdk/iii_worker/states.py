"""The connection's state, who waits for a change of it, and who is told (spec sdk.md §7.1)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Literal

from iii_worker.errands import Errands

__all__ = ["ConnectionStateCallback", "IIIConnectionState", "States"]

logger = logging.getLogger(__name__)

IIIConnectionState = Literal["disconnected", "connecting", "connected", "reconnecting", "failed"]

ConnectionStateCallback = Callable[[IIIConnectionState], None]


class States:
    """One state at a time. Thread-safe."""

    def __init__(self, errands: Errands) -> None:
        self._errands = errands
        self._changed = threading.Condition(threading.Lock())
        self._state: IIIConnectionState = "disconnected"
        self._listeners: list[_Listener] = []

    @property
    def current(self) -> IIIConnectionState:
        return self._state

    def set(self, state: IIIConnectionState) -> None:
        """Enter a state and tell everybody, unless it is the present one. Never blocks and runs no code of users."""
        with self._changed:
            if state == self._state:
                return
            self._state = state
            self._changed.notify_all()
            for listener in self._listeners:
                self._errands.run(partial(listener.tell, state))

    def listen(self, callback: ConnectionStateCallback) -> Callable[[], None]:
        """Call back with the present state, here and now, and with later ones on the callbacks' thread, in order."""
        listener = _Listener(callback)
        told = self._state
        listener.tell(told)
        with self._changed:
            if self._state != told:
                self._errands.run(partial(listener.tell, self._state))
            self._listeners.append(listener)
        return partial(self._forget, listener)

    def _forget(self, listener: _Listener) -> None:
        listener.active = False
        with self._changed:
            self._listeners = [other for other in self._listeners if other is not listener]


class _Listener:
    def __init__(self, callback: ConnectionStateCallback) -> None:
        self._callback = callback
        self.active = True

    def tell(self, state: IIIConnectionState) -> None:
        if self.active:
            try:
                self._callback(state)
            except Exception:
                logger.exception("A connection state listener failed")
