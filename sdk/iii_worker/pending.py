"""One call under way: who waits, and what came of it."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from iii_worker.link import Link

__all__ = ["Pending", "PendingCalls", "new_invocation_id"]

_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def new_invocation_id() -> str:
    """Return a random UUID (RFC 9562 version 4) as text: what ``str(uuid4())`` does, in a third of the time."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:]}"


class Pending:
    """A call that waits for its answer. One thread waits; any thread settles it, once (see :class:`PendingCalls`)."""

    __slots__ = ("_signal", "done", "error", "function_id", "invocation_id", "leading", "leaving", "link", "result")

    def __init__(self, function_id: str, invocation_id: str) -> None:
        self.function_id = function_id
        self.invocation_id = invocation_id
        self.link: Link | None = None
        """The connection it was sent on; None while it waits for one."""
        self.leaving = False
        """It is being sent: if the connection ends now, only its sender knows whether it has left."""
        self.leading = False
        """Its thread reads the socket itself, and has to be kicked rather than signalled."""
        self.done = False
        self.result: msgspec.Raw | None = None
        self.error: Exception | None = None
        self._signal = threading.Lock()
        self._signal.acquire()

    def settle(self, result: msgspec.Raw | None, error: Exception | None) -> None:
        """Give it its answer. Never blocks and runs no code of users."""
        self.result = result
        self.error = error
        self.done = True
        self._signal.release()
        link = self.link
        if self.leading and link is not None:
            link.kick_leader()

    def wait(self, deadline: float) -> bool:
        """Wait until it is settled or the deadline (monotonic seconds) has passed; return whether it is settled."""
        while not self.done:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            link = self.link
            if link is not None and link.lead(self, deadline):
                continue
            self._signal.acquire(timeout=min(left, threading.TIMEOUT_MAX))
        return True

    def await_settled(self) -> None:
        """Wait for a thread that is about to settle it; it has no more to do than that."""
        if not self.done:
            self._signal.acquire()


class PendingCalls:
    """The calls under way, by invocation id. Who takes a call out settles it: so each is settled once. Thread-safe."""

    def __init__(self) -> None:
        self._calls: dict[str, Pending] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, pending: Pending) -> None:
        self._calls[pending.invocation_id] = pending

    def get(self, invocation_id: str) -> Pending | None:
        return self._calls.get(invocation_id)

    def take(self, invocation_id: str) -> Pending | None:
        """Take a call out, to settle it; None if somebody else has or it was never here."""
        return self._calls.pop(invocation_id, None)

    def take_all(self, link: Link | None = None) -> list[Pending]:
        """Take out all calls, or those that were sent on one connection; a sender answers for its own."""
        waiting = list(self._calls.values())
        chosen = [one for one in waiting if link is None or (one.link is link and not one.leaving)]
        return [pending for pending in chosen if self.take(pending.invocation_id) is not None]
