"""The thread on which ``/openapi.json`` is written: the registries are asked there, and long documents made."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from iii_actors.actor import ThreadedActor, ask, handles
from iii_actors.builtin.engine_functions.owners import Records, holders
from iii_actors.builtin.http.routes import Routes
from iii_actors.builtin.http.table import Table
from iii_actors.core.queries import FindFunctions, FindWorkers
from iii_actors.core.refs import Core

if TYPE_CHECKING:
    from iii_actors.builtin.http.openapi import Functions

__all__ = ["Describe", "Describer", "Written"]

logger = logging.getLogger(__name__)


class Written(NamedTuple):
    """The document as it was at one moment."""

    table: Table
    """The routes that it describes."""
    functions: Functions
    records: Records
    text: bytes


class Describe(NamedTuple):
    """To the describer: write the document as it is now."""

    done: Callable[[Written | None], None]
    """Told the document, on the describer's thread; None if it cannot be had. Must not wait."""


class Describer(ThreadedActor):
    """Writes the document, anew only if something in it has changed."""

    def __init__(self, core: Core, routes: Routes) -> None:
        super().__init__()
        self._core = core
        self._routes = routes
        self._last: Written | None = None

    @handles(Describe)
    def describe(self, request: Describe) -> None:
        written = None
        try:
            written = self._last = self._now()
        except Exception:
            logger.exception("The routes cannot be described")
        finally:
            request.done(written)

    def _now(self) -> Written:
        from iii_actors.builtin.http.openapi import document, function_key  # noqa: PLC0415 - for those who ask for it

        table = self._routes.table
        routes = table.routes()
        functions: Functions = ask(self._core.functions, FindFunctions({function_key(route) for route in routes}))
        worker_ids = {holder.worker_id for function in functions.values() for holder in holders(function)}
        records: Records = ask(self._core.workers, FindWorkers(worker_ids))
        last = self._last
        if (
            last is not None
            and last.table is table
            and _same(last.functions, functions)
            and _same(last.records, records)
        ):
            return last
        return Written(table, functions, records, msgspec.json.encode(document(routes, functions, records)))


def _same(one: object, other: object) -> bool:
    """Return whether two answers of a registry hold the very same entries: it makes another one for every change."""
    if not isinstance(one, dict) or not isinstance(other, dict) or len(one) != len(other):
        return False
    return all(other.get(key) is value for key, value in one.items())
