"""What the live registry knows of a function and of a worker, and what changes look like (spec engine-functions.md
§3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, NamedTuple

__all__ = [
    "LIVE_PREFIX",
    "FunctionInfo",
    "FunctionsChange",
    "WorkerInfo",
    "WorkersChange",
    "function_rows",
    "worker_rows",
]

LIVE_PREFIX: Final = "iii::live::"
"""Of the functions that take the pushes, of whichever worker."""
_RESERVED: Final = "engine::"
_SHOWN: Final = "engine::queue::"


@dataclass(frozen=True)
class FunctionInfo:
    """A function that is registered with the engine.

    What is said of it is as it was when it was first seen, or when the list was last fetched: an engine tells when a
    function comes and goes, not when its description or its worker changes.
    """

    function_id: str
    namespace: str = "default"
    worker_name: str = ""
    """Of the worker that offers it; of a group, one of them."""
    description: str | None = None
    metadata: Any = None

    @property
    def id(self) -> str:
        """The same as :attr:`function_id`."""
        return self.function_id

    @property
    def internal(self) -> bool:
        """Whether listings leave it out: the engine's own, and those with ``metadata={"internal": True}``."""
        marked = isinstance(self.metadata, Mapping) and self.metadata.get("internal") is True
        if marked or self.function_id.startswith(LIVE_PREFIX):
            return True
        return self.function_id.startswith(_RESERVED) and not self.function_id.startswith(_SHOWN)


@dataclass(frozen=True)
class WorkerInfo:
    """A worker that is connected, or one that is built into the engine.

    Counts are those of the moment when the list was last fetched: when any worker last came, announced itself or left.
    """

    id: str
    name: str | None = None
    namespace: str = "default"
    description: str | None = None
    version: str | None = None
    runtime: str | None = None
    """``python``, ``node``, ...; ``engine`` of a built-in one."""
    os: str | None = None
    status: str = "connected"
    function_count: int = 0
    connected_at_ms: int = 0
    """Unix time in milliseconds."""
    active_invocations: int = 0
    """Calls that it makes or executes."""
    isolation: str | None = None
    ip_address: str | None = None

    @property
    def built_in(self) -> bool:
        """Whether it is a part of the engine."""
        return self.runtime == "engine"


class FunctionsChange(NamedTuple):
    """What has come and gone since the callback was last told; at first, ``added`` is everything there is."""

    added: tuple[FunctionInfo, ...]
    removed: tuple[FunctionInfo, ...]


class WorkersChange(NamedTuple):
    """What has come, gone and changed since the callback was last told; at first, ``added`` is everything there is."""

    added: tuple[WorkerInfo, ...]
    removed: tuple[WorkerInfo, ...]
    changed: tuple[WorkerInfo, ...]
    """As they are now; a change of the counts alone is none."""


FunctionKey = tuple[str, str]
"""``(namespace, function id)``"""

_FUNCTION_FIELDS: Final = tuple(field.name for field in fields(FunctionInfo))
_WORKER_FIELDS: Final = tuple(field.name for field in fields(WorkerInfo))


def function_rows(rows: Any) -> dict[FunctionKey, FunctionInfo]:
    """Return functions by namespace and id; what is no row is left out, and so is what a row has beside the fields."""
    found: dict[FunctionKey, FunctionInfo] = {}
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, Mapping) and isinstance(row.get("function_id"), str):
            info = FunctionInfo(**{name: row[name] for name in _FUNCTION_FIELDS if row.get(name) is not None})
            found[info.namespace, info.function_id] = info
    return found


def worker_rows(rows: Any) -> dict[str, WorkerInfo]:
    """Return workers by id; what is no row is left out."""
    found: dict[str, WorkerInfo] = {}
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, Mapping) and isinstance(row.get("id"), str):
            info = WorkerInfo(**{name: row[name] for name in _WORKER_FIELDS if row.get(name) is not None})
            found[info.id] = info
    return found
