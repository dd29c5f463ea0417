"""What ``trigger()`` takes: the official request form, and how a request is routed (spec sdk.md §2.4, §4.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypedDict

__all__ = [
    "EnqueueResult",
    "TriggerAction",
    "TriggerActionEnqueue",
    "TriggerActionVoid",
    "TriggerRequest",
    "action_frame",
    "request_from",
]


@dataclass(frozen=True)
class TriggerActionEnqueue:
    """Put the call into a named queue; the answer is a receipt."""

    queue: str
    type: Literal["enqueue"] = "enqueue"


@dataclass(frozen=True)
class TriggerActionVoid:
    """Call without waiting and without an answer."""

    type: Literal["void"] = "void"


class TriggerAction:
    """How a request is routed: ``TriggerAction.Enqueue(queue="mails")`` or ``TriggerAction.Void()``."""

    @staticmethod
    def Enqueue(*, queue: str) -> TriggerActionEnqueue:  # noqa: N802  the protocol's own spelling in every SDK
        """Put the call into a named queue; ``trigger()`` returns ``{"messageReceiptId": ...}``."""
        return TriggerActionEnqueue(queue)

    @staticmethod
    def Void() -> TriggerActionVoid:  # noqa: N802
        """Do not wait; ``trigger()`` returns None at once."""
        return TriggerActionVoid()


class EnqueueResult(TypedDict):
    """What comes back when a call was put into a queue."""

    messageReceiptId: str


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
    kind: object
    queue: object
    if isinstance(action, Mapping):
        kind, queue = action.get("type"), action.get("queue")
    elif isinstance(action, TriggerActionEnqueue | TriggerActionVoid):
        kind, queue = action.type, getattr(action, "queue", None)
    else:
        raise TypeError(f"action: TriggerAction.Enqueue(queue=...) or .Void() is needed, not {type(action).__name__}")
    if kind == "void":
        return {"type": "void"}
    if kind != "enqueue":
        raise ValueError(f"action: there is no type {kind!r}, only 'enqueue' and 'void'")
    if not isinstance(queue, str) or not queue.strip():
        raise ValueError("action: an enqueue needs the name of its queue, as in TriggerAction.Enqueue(queue='mails')")
    return {"type": "enqueue", "queue": queue}
