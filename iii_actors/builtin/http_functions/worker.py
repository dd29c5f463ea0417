"""The built-in worker ``iii-http-functions``: functions that are invoked over HTTP (core.md §5)."""

from __future__ import annotations

import contextlib
import logging
import os
import ssl
from collections.abc import Sequence

import pykka

from iii_actors.actor import Ref, ask, launch
from iii_actors.builtin.base import Builtin, BuiltinContext
from iii_actors.builtin.http_functions.caller import Caller, Rules
from iii_actors.builtin.http_functions.dispatcher import Apply, CloseDown, Dispatcher
from iii_actors.builtin.http_functions.errors import InvalidInvocation, RequestFailed, UrlRefused
from iii_actors.builtin.http_functions.invocation import Endpoint, endpoint
from iii_actors.builtin.http_functions.session import tls_context
from iii_actors.builtin.http_functions.urls import check, system_resolver
from iii_actors.config.http_functions import HttpFunctionsSettings
from iii_actors.config.settings import Settings
from iii_actors.core.external import ServeExternal, WithdrawExternal
from iii_actors.errors import ConfigError
from iii_actors.limits import CLOSE_WAIT_S
from iii_actors.wire import messages as wire

__all__ = ["HttpFunctions"]

logger = logging.getLogger(__name__)


class HttpFunctions(Builtin):
    """Invokes functions over HTTP. They belong to the workers that register them; it has none of its own."""

    description = "Invokes functions over HTTP: those registered with an `invocation`."

    def __init__(self, context: BuiltinContext) -> None:
        super().__init__(context)
        settings = context.instance.settings
        if not isinstance(settings, HttpFunctionsSettings):
            raise TypeError(f"{type(settings).__name__} are not the settings of {self.id}")
        self._settings = settings
        self._dispatcher: Dispatcher | None = None

    def set_up(self) -> None:
        core = self.core

        def make_caller(dispatcher: Ref) -> Caller:
            return Caller(dispatcher, core.clock, self.resolve)

        self._dispatcher = Dispatcher(core.invocations, core.clock, self._applied(self._settings), make_caller)
        launch(self._dispatcher)
        ask(core.functions, ServeExternal(self))

    def tear_down(self) -> None:
        """End the calls under way; a thread that waits for the system's resolver is left behind."""
        if self._dispatcher is None:
            return
        ask(self.core.functions, WithdrawExternal(self))
        callers: list[Ref] = ask(self.ref, CloseDown())
        stopping = [caller.stop(block=False) for caller in callers]
        try:
            for stopped in stopping:
                stopped.get(timeout=CLOSE_WAIT_S)
        except pykka.Timeout:
            logger.warning("A call over HTTP does not end in time; the engine stops without it")
        self.ref.stop(block=False)

    def actors(self) -> list[Ref]:
        return [self.ref, *self._dispatcher.callers] if self._dispatcher is not None else []

    def resolve(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of a name; any thread, may wait, raises ``OSError``."""
        return system_resolver(host, port)

    def change(self, settings: Settings) -> bool:
        if not isinstance(settings, HttpFunctionsSettings):
            return False
        self.apply(settings)
        return True

    def apply(self, settings: HttpFunctionsSettings) -> None:
        """Change the settings: for registrations and for attempts that begin from now on. Any thread but an actor's.

        Raises ``ConfigError`` and changes nothing if the certificates cannot be read.
        """
        apply = self._applied(settings)
        ask(self.ref, apply)
        self._settings = settings

    def _applied(self, settings: HttpFunctionsSettings) -> Apply:
        try:
            tls = tls_context(settings.ca_bundle)
        except (OSError, ssl.SSLError) as error:
            place = f"{self.id}: ca_bundle" if settings.ca_bundle else self.id
            raise ConfigError(place, f"cannot be read: {error}", "name a file with certificates in PEM form") from None
        return Apply(settings, Rules(settings.security, settings.max_response_bytes, tls))

    # --- for registrations -------------------------------------------------------------------------------------------

    @property
    def ref(self) -> Ref:
        if self._dispatcher is None:
            raise RuntimeError(f"{self.id} has not been started")
        return self._dispatcher.actor_ref

    def prepare(self, definition: wire.RegisterFunction) -> Endpoint:
        """Read the ``invocation``, its secrets, and check its URL; on the registering connection's thread.

        Raises ``EngineError``: the message is for the log.
        """
        try:
            prepared = endpoint(definition.id, definition.invocation, os.environ)
            with contextlib.suppress(RequestFailed):  # a name that no rule looks at may get its address later
                check(prepared.url, self._settings.security, self.resolve)
        except UrlRefused as error:
            raise InvalidInvocation(f"`invocation.url`: {error}{error.detail and ': '}{error.detail}") from None
        return prepared
