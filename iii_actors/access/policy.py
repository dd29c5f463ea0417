"""A listener's settings about access, and what comes of them for one session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from msgspec import Raw

from iii_actors.access.grants import UNRESTRICTED, Grants, narrows, of_token, quotas_of
from iii_actors.access.permission import Permission
from iii_actors.access.rules import Rules
from iii_actors.access.tokens import Tokens
from iii_actors.config.access import QuotaSettings, RbacSettings, TokenSettings
from iii_actors.config.listener import ListenerSettings

__all__ = ["Access", "Hooks", "Policy"]

_NO_RBAC = RbacSettings()


@dataclass(frozen=True, slots=True)
class Hooks:
    """Functions that are asked about registrations (core.md §10.5); None: nobody is."""

    function: str | None
    trigger: str | None
    trigger_type: str | None


@dataclass(frozen=True, slots=True)
class Access:
    """What one session may do, and who is asked about it. Made when its connection is let in; any thread."""

    permission: Permission
    grants: Grants
    prefix: str
    """What its functions' ids begin with, ``::`` and all; empty: nothing is added."""
    hooks: Hooks
    middleware: str | None
    """Called in the place of its calls."""
    quotas: QuotaSettings | None
    expires_at: float | None
    """When its token expires, in seconds since the epoch."""
    name: str | None
    """Of its token."""

    @property
    def context(self) -> Raw:
        """What hooks and middleware are told of the session, as JSON."""
        return self.grants.context

    def prefixed(self, function_id: str) -> str:
        """Return the id under which one of the session's functions is registered."""
        return self.prefix + function_id


class Policy:
    """A listener's."""

    def __init__(self, settings: ListenerSettings) -> None:
        rbac = settings.rbac or _NO_RBAC
        self.auth_function_id = rbac.auth_function_id
        """Asked about each connection, unless a token has let it in."""
        self.tokens = Tokens(settings.tokens) if settings.tokens is not None else None
        self._rules = Rules(rbac.expose_functions) if settings.rbac is not None else None
        self._no_rules = Rules(())
        self._middleware = settings.middleware_function_id
        self._quotas = settings.quotas
        self._hooks = Hooks(
            rbac.on_function_registration_function_id,
            rbac.on_trigger_registration_function_id,
            rbac.on_trigger_type_registration_function_id,
        )

    @classmethod
    def of(cls, settings: ListenerSettings) -> Self | None:
        """Return a listener's policy; None: it lets everybody do everything."""
        given = (settings.rbac, settings.middleware_function_id, settings.tokens, settings.quotas)
        return None if given == (None, None, None, None) else cls(settings)

    def unrestricted(self) -> Access:
        """Return what a session may do that nobody was asked about."""
        return self.access(UNRESTRICTED)

    def of_token(self, token: TokenSettings) -> Access:
        """Return what a session may do that a token has let in."""
        return self.access(of_token(token), token)

    def access(self, grants: Grants, token: TokenSettings | None = None) -> Access:
        """Return what a session with these grants may do."""
        rules = self._rules
        if rules is None and token is not None and narrows(token):
            rules = self._no_rules
        prefix = grants.function_registration_prefix
        return Access(
            Permission(grants, rules),
            grants,
            f"{prefix}::" if prefix else "",
            self._hooks,
            self._middleware,
            quotas_of(token, self._quotas),
            token.expires_at.timestamp() if token is not None and token.expires_at is not None else None,
            token.name if token is not None else None,
        )
