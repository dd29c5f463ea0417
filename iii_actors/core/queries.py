"""What listings and discovery ask of the registries: many at once, and to be told of changes.

As in :mod:`iii_actors.core.messages`, the handler's return value is the answer.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from iii_actors.actor import Ref

__all__ = [
    "CountFunctions",
    "CountWorkers",
    "FindFunctions",
    "FindWorkers",
    "ListFunctionsFrom",
    "Locate",
    "Located",
    "LookUp",
    "LookedUp",
    "WatchFunctions",
    "WatchWorkers",
    "WorkersCounted",
]


class FindFunctions(NamedTuple):
    """Asked of functions: those of these ``(namespace, id)`` that there are, as a dict by that key."""

    keys: Collection[tuple[str, str]]


class ListFunctionsFrom(NamedTuple):
    """Asked of functions: those whose id begins with ``prefix``, as a list."""

    prefix: str


class CountFunctions(NamedTuple):
    """Asked of functions: how many each of these workers holds, ``dict[str, int]``; absent means none."""

    worker_ids: Collection[str]


class WatchFunctions(NamedTuple):
    """Asked of functions: from now on tell ``watcher`` every :class:`~iii_actors.core.messages.FunctionsChanged`."""

    watcher: Ref


class Locate(NamedTuple):
    """Told to functions: tell ``reply_to`` whether there is such a function. For light actors, which do not ask."""

    namespace: str
    function_id: str
    reply_to: Ref
    context: Any
    """Comes back in the :class:`Located`."""


class Located(NamedTuple):
    """The answer to :class:`Locate`."""

    found: bool
    context: Any


class LookUp(NamedTuple):
    """Told to functions: tell ``reply_to`` what there is of this name, as :class:`LookedUp`."""

    namespace: str
    function_id: str
    reply_to: Ref
    context: Any
    """Comes back in the :class:`LookedUp`."""


class LookedUp(NamedTuple):
    """The answer to :class:`LookUp`."""

    function: Any
    """A :class:`~iii_actors.core.functions.Function`, or None."""
    context: Any


class FindWorkers(NamedTuple):
    """Asked of workers: the records with these ids, as a dict by id; unknown ids are left out."""

    worker_ids: Collection[str]


class WatchWorkers(NamedTuple):
    """Asked of workers: from now on tell ``watcher`` every :class:`~iii_actors.core.messages.WorkerEvent`."""

    watcher: Ref


class CountWorkers(NamedTuple):
    """Asked of workers: :class:`WorkersCounted`; built-in workers do not count."""


class WorkersCounted(NamedTuple):
    """The answer to :class:`CountWorkers`."""

    joined: int
    """Connections since the engine has started."""
    left: int
    """Of these, how many have gone."""
    by_status: dict[str, int]
    """Those that are here."""
