"""The live registry: what users see of :mod:`iii_worker.live`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iii_worker.client_triggers import TriggerMethods
from iii_worker.engine import EngineFunctions
from iii_worker.live import FunctionsView, LiveFunctions, LiveWorkers, WorkersView
from iii_worker.options import InitOptions
from iii_worker.registry_rows import (
    FunctionInfo,
    FunctionsChange,
    WorkerInfo,
    WorkersChange,
    function_rows,
    worker_rows,
)
from iii_worker.registry_table import Pushes

__all__ = ["RegistryMethods"]

_HOME = "default"


class RegistryMethods(TriggerMethods):
    """Nothing of this is registered before its first use; from then on it is kept, across reconnects."""

    def __init__(self, address: str | None = None, options: InitOptions | None = None) -> None:
        super().__init__(address, options)
        parts = (self, self.function_table, self.trigger_table, self.errands)
        self.live_functions = LiveFunctions(*parts)
        self.live_workers = LiveWorkers(*parts)
        self._router.invocations = Pushes(self.function_table, self.live_functions, self.live_workers)

    @property
    def functions(self) -> FunctionsView:
        """The functions this worker reaches by their bare id, by id: a read-only mapping, kept up to date by the
        engine.

        Internal ones and other namespaces: ``worker.functions.everywhere``. The first use fetches the list and waits
        for it (``invocation_timeout_ms`` at most); after that nothing here waits. While there is no connection it stays
        as it was.

        Raises :class:`iii_worker.InvocationError` if the list cannot be had the first time.
        """
        self.check_process()
        self.live_functions.load()
        return self.live_functions.view

    @property
    def workers(self) -> WorkersView:
        """The workers that are connected, and the engine's own, by name; by id: ``worker.workers.by_id``. As
        :attr:`functions`.

        Workers that report no process id, such as browsers, are not listed by engines.
        """
        self.check_process()
        self.live_workers.load()
        return self.live_workers.view

    def wait_for_function(
        self, function_id: str, timeout: float | None = None, *, namespace: str | None = None
    ) -> FunctionInfo:
        """Wait until somebody offers a function, and return what is known of it.

        :param timeout: seconds; None: the client's ``invocation_timeout_ms``.
        :param namespace: where; None: where a call by this worker would look.
        :raises iii_worker.InvocationError: with code ``TIMEOUT`` if it does not come; the text names functions like it.
        """
        self.check_process()
        return self.live_functions.wait_for(function_id, timeout, namespace)

    def on_functions_changed(self, callback: Callable[[FunctionsChange], object]) -> Callable[[], None]:
        """Call back with ``added`` and ``removed`` functions, as in :attr:`functions`; at first all there are are
        ``added``.

        Callbacks run one after the other on a thread of their own, and may use the client; what they raise is logged.
        After a reconnect they hear of the difference. Does not wait. Returns a function that ends it.
        """
        self.check_open()
        self.live_functions.start()
        return self.live_functions.listen(callback)

    def on_workers_changed(self, callback: Callable[[WorkersChange], object]) -> Callable[[], None]:
        """Call back with ``added``, ``removed`` and ``changed`` workers; in other respects as
        :meth:`on_functions_changed`.
        """
        self.check_open()
        self.live_workers.start()
        return self.live_workers.listen(callback)

    def list_functions(self, include_internal: bool = False, *, timeout: float | None = None) -> list[FunctionInfo]:
        """Ask the engine for the functions of all namespaces, now. Raises :class:`iii_worker.InvocationError`."""
        answer = self._listing(EngineFunctions.LIST_FUNCTIONS, {"include_internal": include_internal}, timeout)
        return list(function_rows(answer.get("functions")).values())

    def list_workers(self, *, timeout: float | None = None) -> list[WorkerInfo]:
        """Ask the engine for the workers, now. Raises :class:`iii_worker.InvocationError`."""
        return list(worker_rows(self._listing(EngineFunctions.LIST_WORKERS, {}, timeout).get("workers")).values())

    def _listing(self, function_id: str, question: dict[str, Any], timeout: float | None) -> dict[str, Any]:
        answer = self.call(function_id, question, timeout=timeout, namespace=_HOME)
        return answer if isinstance(answer, dict) else {}
