"""Asking a function about who connects to the subscription socket (stream.md §6.1).

It cannot refuse: whatever it answers, the connection is let in, and what it has said about it is kept for the join and
leave functions, which can. Only a function that does not answer in time keeps the connection out.
"""

from __future__ import annotations

import logging
import threading
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from iii_actors.builtin.calls import Calls
from iii_actors.builtin.stored import NULL
from iii_actors.core.conversation import Visitor
from iii_actors.errors import EngineError
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw

__all__ = ["Admission", "NoAnswer"]

logger = logging.getLogger(__name__)

NO_CONTEXT: Final = Raw(NULL)


class _Answer(Struct):
    context: Raw = NO_CONTEXT


_answer: Final = msgspec.json.Decoder(_Answer).decode


class NoAnswer(EngineError):
    """The function that is to be asked has not answered in time."""

    code = "stream_auth_timeout"


class Admission:
    """Decides about visitors, on their own threads.

    :param function_id: None: everybody is let in, without a context. May be changed at any time.
    :param timeout_s: how long the function may take.
    """

    def __init__(self, calls: Calls, function_id: str | None, timeout_s: float) -> None:
        self._calls = calls
        self.function_id = function_id
        self.timeout_s = timeout_s

    def admit(self, visitor: Visitor) -> Raw:
        """Return the context of a connection as JSON, ``null`` without one. Waits. Raises :class:`NoAnswer`."""
        function_id = self.function_id
        if function_id is None:
            return NO_CONTEXT
        answered = threading.Event()
        outcome: list[tuple[Raw, wire.ErrorBody | None]] = []

        def done(result: Raw, error: wire.ErrorBody | None) -> None:
            outcome.append((result, error))
            answered.set()

        self._calls.call(function_id, raw(described(visitor)), done)
        if not answered.wait(self.timeout_s):
            logger.warning("%s has not answered about %s in time; it is turned away", function_id, visitor.address)
            raise NoAnswer(f"{function_id} has not answered within {self.timeout_s:g} s")
        result, error = outcome[0]
        if error is not None:
            what = f"{error.code}: {error.message}"
            logger.warning("%s failed about %s, let in without a context: %s", function_id, visitor.address, what)
            return NO_CONTEXT
        try:
            return Raw(bytes(_answer(result).context)) if wire.present(result) else NO_CONTEXT
        except (msgspec.MsgspecError, RecursionError):
            return NO_CONTEXT


def described(visitor: Visitor) -> dict[str, Any]:
    """Return what the function is told of a visitor."""
    headers = {name: value for name, value in visitor.headers if _is_plain(value)}
    return {
        "headers": headers,
        "path": visitor.path,
        "query_params": _parameters(visitor.query),
        "addr": visitor.address,
    }


def _is_plain(value: str) -> bool:
    return all(character == "\t" or " " <= character <= "~" for character in value)


def _parameters(query: str) -> dict[str, list[str]]:
    """Return the pairs of a query by name, as they were sent; those without a name are passed over."""
    found: dict[str, list[str]] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name:
            found.setdefault(name, []).append(value)
    return found
