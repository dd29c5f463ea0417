"""What ``trigger()`` takes: the official request form, and how a request is routed (spec sdk.md §2.4, §4.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Literal, TypedDict

__all__ = [
    "EXTRAS",
    "EnqueueResult",
    "TriggerAction",
    "TriggerActionEnqueue",
    "TriggerActionVoid",
    "TriggerRequest",
    "action_frame",
    "extras",
    "request_from",
]


@dataclass(frozen=True)
class TriggerActionEnqueue:
    """Put the call into a named queue; the answer is a receipt. All but the queue's name is this engine's own."""

    queue: str
    type: Literal["enqueue"] = "enqueue"
    delay_ms: int | None = None
    """Deliver it after so long."""
    run_at: datetime | int | str | None = None
    """Deliver it at this time: with a time zone, or in ms since 1970, or as RFC 3339 text."""
    idempotency_key: str | None = None
    """A second call with this key is not stored; the first one's receipt is the answer."""
    max_retries: int | None = None
    """Retries after the first try; goes before the queue's."""
    priority: int | None = None
    """0 to 255, the higher the sooner; goes before the one in the payload."""
    group: str | None = None
    """Of a FIFO queue; goes before the one in the payload."""


@dataclass(frozen=True)
class TriggerActionVoid:
    """Call without waiting and without an answer."""

    type: Literal["void"] = "void"


class TriggerAction:
    """How a request is routed: ``TriggerAction.Enqueue(queue="mails")`` or ``TriggerAction.Void()``."""

    @staticmethod
    def Enqueue(*, queue: str, **options: Any) -> TriggerActionEnqueue:  # noqa: N802  the protocol's spelling
        """Put the call into a named queue; ``trigger()`` returns ``{"messageReceiptId": ...}``.

        :param options: further members of :class:`TriggerActionEnqueue`: ``delay_ms``, ``run_at``, ...
        """
        return TriggerActionEnqueue(queue, **options)

    @staticmethod
    def Void() -> TriggerActionVoid:  # noqa: N802
        """Do not wait; ``trigger()`` returns None at once."""
        return TriggerActionVoid()


class EnqueueResult(TypedDict):
    """What comes back when a call was put into a queue."""

    messageReceiptId: str


EXTRAS: Final = ("delay_ms", "run_at", "idempotency_key", "max_retries", "priority", "group")
"""What can be said of a job beside its queue."""


def extras(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was said of a job, as it stands in a frame. Raises ``ValueError`` for a time without a time zone."""
    found = {name: given[name] for name in EXTRAS if given.get(name) is not None}
    moment = found.get("run_at")
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError(f"run_at: {moment!r} has no time zone, as datetime.now(UTC) has")
        found["run_at"] = moment.isoformat()
    return found


Action = TriggerActionEnqueue | TriggerActionVoid | Mapping[str, Any] | None


@dataclass
class TriggerRequest:
    """One call, in the official form."""

    function_id: str
    payload: Any = None
    action: Action = None
    timeout_ms: float | None = None
    """Milliseconds; None: the client's ``invocation_timeout_ms``."""
    metadata: Any = None
    namespace: str | None = None


_KEYS = [field.name for field in fields(TriggerRequest)]


def request_from(request: TriggerRequest | Mapping[str, Any]) -> TriggerRequest:
    """Return a request given either way. Raises ``TypeError`` for keys that are none, or without ``function_id``."""
    if isinstance(request, TriggerRequest):
        return request
    if not isinstance(request, Mapping):
        raise TypeError(f"trigger() takes a TriggerRequest or a dict, not {type(request).__name__}")
    unknown = [str(key) for key in request if key not in _KEYS]
    if unknown:
        raise TypeError(f"trigger(): there is no key {unknown[0]!r}; there are {', '.join(_KEYS)}")
    if "function_id" not in request:
        raise TypeError("trigger(): the request has no function_id")
    return TriggerRequest(**request)


def action_frame(action: Action) -> dict[str, Any] | None:
    """Return an action as it stands in a frame. Raises ``ValueError`` for what is none."""
    if action is None:
        return None
    members: Mapping[str, Any]
    if isinstance(action, Mapping):
        members = action
    elif isinstance(action, TriggerActionEnqueue | TriggerActionVoid):
        members = vars(action)
    else:
        raise TypeError(f"action: TriggerAction.Enqueue(queue=...) or .Void() is needed, not {type(action).__name__}")
    kind, queue = members.get("type"), members.get("queue")
    if kind == "void":
        return {"type": "void"}
    if kind != "enqueue":
        raise ValueError(f"action: there is no type {kind!r}, only 'enqueue' and 'void'")
    if not isinstance(queue, str) or not queue.strip():
        raise ValueError("action: an enqueue needs the name of its queue, as in TriggerAction.Enqueue(queue='mails')")
    return {"type": "enqueue", "queue": queue, **extras(members)}
