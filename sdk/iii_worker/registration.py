"""What a function is registered with: its options, checked, and the frame made of them (spec sdk.md §5.1)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypedDict, cast

from iii_worker.external import HttpInvocationConfig
from iii_worker.hints import NO_HINT
from iii_worker.schemas import Format, format_of
from iii_worker.signatures import Shape
from iii_worker.values import from_json, to_json

__all__ = ["FunctionOptions", "GroupPolicy", "check_id", "options_from", "registration_frame"]

GroupPolicy = Literal["round_robin", "least_busy", "sticky", "standby"]
"""How calls are shared among the workers of a group: in turn, to the least busy, by a field of the payload, or all to
one as long as it lives."""

POLICIES: Final = ("round_robin", "least_busy", "sticky", "standby")


class FunctionOptions(TypedDict, total=False):
    """Options of a registration; see :meth:`iii_worker.functions.FunctionTable.register`."""

    description: str | None
    metadata: Any
    request_format: Format
    response_format: Format
    group: GroupPolicy | None
    group_key: str | None
    concurrency: int | None
    timeout: float | None
    validate: bool


def check_id(function_id: object) -> str:
    """Return a function's id. Raises ``TypeError`` and ``ValueError`` for what is none (spec sdk.md §3.1)."""
    if not isinstance(function_id, str):
        raise TypeError(f"a function's id is a text, such as users::create, not {function_id!r:.80}")
    if not function_id.strip():
        raise ValueError("a function's id must not be blank; give it one such as users::create")
    return function_id


def options_from(given: Mapping[str, Any]) -> FunctionOptions:
    """Return options checked for their names and ranges. Raises ``TypeError`` and ``ValueError``."""
    known = FunctionOptions.__annotations__
    unknown = [str(name) for name in given if name not in known]
    if unknown:
        raise TypeError(f"a function has no option {', '.join(unknown)}; there are {', '.join(known)}")
    options = cast("FunctionOptions", {name: value for name, value in given.items() if value is not None})
    timeout, description = options.get("timeout"), options.get("description")
    if timeout is not None and (not isinstance(timeout, (int, float)) or isinstance(timeout, bool) or not timeout > 0):
        raise ValueError(f"timeout is {timeout!r}: it must be above 0 seconds")
    if description is not None and not isinstance(description, str):
        raise TypeError(f"description is {description!r:.80}: it must be a text")
    return options


def registration_frame(
    function_id: str,
    options: FunctionOptions,
    handler: Callable[..., Any] | HttpInvocationConfig,
    shape: Shape | None,
) -> dict[str, Any]:
    """Return the ``registerfunction`` for a handler of that shape, or for an HTTP endpoint, which has none."""
    frame: dict[str, Any] = {"type": "registerfunction", "id": function_id}
    description = options.get("description") or _paragraph(handler)
    if description is not None:
        frame["description"] = description
    metadata = _with_group(options.get("metadata"), options.get("group"), options.get("group_key"))
    if metadata is not None:
        frame["metadata"] = metadata
    request = NO_HINT if shape is None else shape.payload_hint
    response = NO_HINT if shape is None else shape.return_hint
    formats = {
        "request_format": format_of(options.get("request_format"), request, "validation", "request_format"),
        "response_format": format_of(options.get("response_format"), response, "serialization", "response_format"),
    }
    frame |= {name: schema for name, schema in formats.items() if schema is not None}
    if isinstance(handler, HttpInvocationConfig):
        frame["invocation"] = handler.to_wire()
    return frame


def _paragraph(function: object) -> str | None:
    """Return the first paragraph of a function's docstring, in one line."""
    text = inspect.getdoc(function) if inspect.isroutine(function) else None
    return " ".join(text.split("\n\n", 1)[0].split()) or None if text else None


def _with_group(metadata: Any, group: str | None, group_key: str | None) -> Any:
    """Return a function's metadata as plain JSON, with the group it joins (docs: worker groups)."""
    plain = None if metadata is None else from_json(to_json(metadata, "metadata"))
    if group is None:
        if group_key is not None:
            raise ValueError('group_key is for groups: give group="sticky" with it')
        return plain
    if group not in POLICIES:
        raise ValueError(f"group is {group!r}: it must be one of {', '.join(POLICIES)}")
    if group_key is not None and (group != "sticky" or not isinstance(group_key, str)):
        raise ValueError('group_key names a field of the payload, and is for group="sticky"')
    if not isinstance(plain, dict | None):
        raise TypeError("with a group, metadata must be a dict: the group is written into it")
    return (plain or {}) | {"group": group} | ({} if group_key is None else {"group_key": group_key})
