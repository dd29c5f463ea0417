"""What an auth function's answer, or a token, gives to one session (core.md §10.2)."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw, Struct, field

from iii_actors.access.errors import AuthError
from iii_actors.config.access import QuotaSettings, TokenSettings
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw

__all__ = ["UNRESTRICTED", "Grants", "answered", "narrows", "of_token", "quotas_of"]


def _empty_object() -> Raw:
    return Raw(b"{}")


class Grants(Struct, frozen=True):
    """An auth function's answer: the members may all be left out."""

    namespaces: dict[str, list[str]] = field(default_factory=dict)
    """What may be called, by namespace: ids or patterns. The keys are the only namespaces that may be declared."""
    allowed_functions: list[str] = field(default_factory=list)
    """Ids, in namespace ``default``."""
    forbidden_functions: list[str] = field(default_factory=list)
    """Ids, in every namespace; they win over all else."""
    allowed_trigger_types: list[str] | None = None
    """Null: all."""
    allow_trigger_type_registration: bool = False
    allow_function_registration: bool = True
    context: Raw = field(default_factory=_empty_object)
    function_registration_prefix: str | None = None


UNRESTRICTED: Final = Grants(allow_trigger_type_registration=True)
"""Of a session that nobody was asked about."""

_decode: Final = msgspec.json.Decoder(Grants).decode


def answered(result: Raw) -> Grants:
    """Return what an auth function has answered. Raises :class:`AuthError` for no answer, or one of another shape."""
    if not wire.present(result):
        raise AuthError("auth function returned no result")
    try:
        grants = _decode(result)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise AuthError(f"the auth function's answer is of the wrong shape: {error}") from None
    # A view on the answer's whole text would keep it for as long as the session lasts.
    return msgspec.structs.replace(grants, context=Raw(bytes(grants.context)))


def of_token(token: TokenSettings) -> Grants:
    """Return what a token gives."""
    return Grants(
        token.namespaces or {},
        token.allowed_functions or [],
        token.forbidden_functions,
        token.allowed_trigger_types,
        token.allow_trigger_type_registration,
        token.allow_function_registration,
        raw(token.context),
        token.function_registration_prefix,
    )


def narrows(token: TokenSettings) -> bool:
    """Return whether a token names what may be called: then nothing else may, on a listener without rules too."""
    return token.namespaces is not None or token.allowed_functions is not None


def quotas_of(token: TokenSettings | None, listener: QuotaSettings | None) -> QuotaSettings | None:
    """Return a session's quotas: its token's own, or the listener's."""
    return token.quotas if token is not None and token.quotas is not None else listener
