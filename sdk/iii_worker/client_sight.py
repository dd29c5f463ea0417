"""Telemetry and log lines: what users see of them on the client."""

from __future__ import annotations

from iii_worker.client_parts import ClientParts
from iii_worker.logger import Logger
from iii_worker.observability.worker import WorkerSight
from iii_worker.options import InitOptions

__all__ = ["SightMethods"]


class SightMethods(ClientParts):
    """The client's share in this process's telemetry; see :mod:`iii_worker.observability`."""

    def __init__(self, address: str | None = None, options: InitOptions | None = None) -> None:
        super().__init__(address, options)
        self.sight = WorkerSight(self)

    @property
    def logger(self) -> Logger:
        """Writes to the engine's logs: ``worker.logger.info("created", {"id": 7})``. Never waits, never raises.

        While there is no connection, lines go to telemetry where it is on, else to standard logging.
        """
        return self.sight.logger
