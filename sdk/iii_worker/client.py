"""The client: what users hold. Its parts are put together in :mod:`iii_worker.client_parts`."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Self

from iii_worker import life
from iii_worker.client_sight import SightMethods
from iii_worker.errors import ConnectFailedError
from iii_worker.limits import EXIT_DRAIN_S, FIRST_CONNECTION_WAIT_S, SHUTDOWN_JOIN_S
from iii_worker.names import OlderNames
from iii_worker.options import InitOptions
from iii_worker.states import IIIConnectionState

__all__ = ["IIIClient"]

logger = logging.getLogger(__name__)


class IIIClient(OlderNames, SightMethods):
    """A worker's connection to an engine. Thread-safe.

    ``register_worker()`` makes one that is connected; ``init()`` one that is not yet. Its threads are daemons: a
    program that ends takes its clients down with it, one that is to serve calls :meth:`run`.
    """

    def __init__(self, address: str | None = None, options: InitOptions | None = None) -> None:
        super().__init__(address, options)
        self._shutting = threading.Lock()
        life.watch(self)

    # --- life ---------------------------------------------------------------------------------------------------------

    def connect(self, timeout: float | None = FIRST_CONNECTION_WAIT_S) -> Self:
        """Connect, and wait until the engine has let this worker in. Connected already: return at once.

        :param timeout: seconds; None: for ever.
        :raises ConnectFailedError: not within ``timeout`` (it goes on trying), or refused for good.
        :raises RegistrationRejectedError: another live worker has the name.
        """
        self.check_process()
        self._start()
        if not self.connection.wait(timeout):
            if self._closed:
                raise ConnectFailedError("this client was shut down: make a new one")
            raise ConnectFailedError(f"not connected to {self.address} within {timeout:g} s: {self._trouble()}")
        return self

    def _start(self) -> None:
        if self._closed:
            raise ConnectFailedError("this client was shut down: make a new one")
        self._stopped.clear()
        self.sight.start()
        self.connection.start()

    def _trouble(self) -> str:
        error = self.connection.last_error
        if error is not None:
            return str(error)
        tls = "; does it speak TLS? Without it the address is ws://..." if self.address.startswith("wss:") else ""
        return f"the engine has not answered yet{tls}"

    def first_connection(self) -> None:
        """Connect as ``register_worker`` does: see ``connect_timeout`` and ``wait`` of :class:`InitOptions`."""
        self._start()
        options = self.options
        if options.connect_timeout is not None:
            try:
                self.connect(options.connect_timeout)
            except BaseException:
                self.shutdown()
                raise
            return
        if not options.wait:
            return
        try:
            connected = self.connection.wait(FIRST_CONNECTION_WAIT_S)
        except BaseException:
            self.shutdown()
            raise
        if not connected:
            logger.warning(
                "Not connected to %s after %g s (%s). Going on without, and trying again until it works.",
                self.address,
                FIRST_CONNECTION_WAIT_S,
                self._trouble(),
            )

    def shutdown(self, drain: float | None = None) -> None:
        """End the connection: pending calls fail with ``SHUTDOWN``, and so do later ones. Again: changes nothing.

        :param drain: seconds that running and queued handlers get to end and answer; no new invocation is taken
            meanwhile. None: they are abandoned.
        """
        if self._forked:
            return
        with self._shutting:
            if self._closed:
                return
            if drain:
                self.replay.withdraw()
                self.pool.drain(drain)
            self._closed = True
            self.calls.close()
            self.connection.stop(SHUTDOWN_JOIN_S)
            self.pool.close()
            self.sight.stop()
            self.errands.close()
            self._stopped.set()
            life.forget(self)

    async def connect_async(self, timeout: float | None = FIRST_CONNECTION_WAIT_S) -> Self:  # noqa: ASYNC109  as connect
        """:meth:`connect` for asyncio code."""
        import asyncio  # noqa: PLC0415  only programs that have a loop need it

        return await asyncio.to_thread(self.connect, timeout)

    async def shutdown_async(self, drain: float | None = None) -> None:
        """:meth:`shutdown` for asyncio code."""
        import asyncio  # noqa: PLC0415

        await asyncio.to_thread(self.shutdown, drain)

    def run(self) -> None:
        """Serve until Ctrl-C, SIGTERM or :meth:`shutdown`; then let handlers end (5 s) and close. Connects if need be.

        A second Ctrl-C does not wait for handlers. Raises :attr:`fatal_error` if the engine refuses this worker.
        Signals are looked at on the main thread only.
        """
        self.check_process()
        if self.fatal_error is None:
            self._start()
        with life.sigterm_as_interrupt():
            try:
                if self.fatal_error is None:
                    self._stopped.wait()
            except KeyboardInterrupt:
                logger.info("Interrupted: ending, running handlers get %g s", EXIT_DRAIN_S)
                try:
                    self.shutdown(drain=EXIT_DRAIN_S)
                except KeyboardInterrupt:
                    logger.warning("Interrupted again: ending at once, running handlers are abandoned")
                    self.shutdown()
        if self.fatal_error is not None:
            raise self.fatal_error

    run_forever = run

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shutdown(drain=EXIT_DRAIN_S if error is None else None)

    def forked(self) -> None:
        """Take note that this is a child of the client's process now; called after a fork, must not take a lock."""
        self._forked = True
        self.connection.abandon()

    # --- what it is like ----------------------------------------------------------------------------------------------

    @property
    def fatal_error(self) -> Exception | None:
        """Why the client is ``failed`` and does not reconnect; None while it is not."""
        return self.connection.fatal_error

    @property
    def last_error(self) -> Exception | None:
        """Why the last attempt to connect failed, or the last connection was lost; None before any did."""
        return self.connection.last_error

    def get_connection_state(self) -> IIIConnectionState:
        """Return ``disconnected``, ``connecting``, ``connected``, ``reconnecting`` or ``failed``."""
        return self.states.current

    def get_address(self) -> str:
        """Return the engine's address, as resolved."""
        return self.address

    def __repr__(self) -> str:
        return f"<IIIClient {self.options.worker_name!r} at {self.address}, {self.states.current}>"
