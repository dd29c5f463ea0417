"""Who may connect to a listener for workers, and what its sessions may do (core.md §10; tokens and quotas are ours)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from iii_actors import limits
from iii_actors.config.settings import Positive, Settings

__all__ = ["ExposeRule", "QuotaSettings", "RbacSettings", "TokenSettings", "distinct", "origins", "wildcard"]

Text = Annotated[str, Field(min_length=1)]

_MATCH: Final = re.compile(r"""match\((?:"(.*)"|'(.*)')\)""", re.DOTALL)
_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s?#A-Z]+")


def wildcard(text: str) -> str | None:
    """Return the pattern in ``match("...")`` or ``match('...')``; None: the text is not of that form."""
    found = _MATCH.fullmatch(text)
    if found is None:
        return None
    return found[1] if found[1] is not None else found[2]


def _rule(value: object) -> object:
    """Read the short form of a rule, which is text."""
    if not isinstance(value, str):
        return value
    pattern = wildcard(value)
    if pattern is None:
        raise ValueError(f'{value!r} is no rule; write match("{value}") with its quotes, or a mapping {{match: ...}}')
    return {"match": pattern}


class _Rule(Settings):
    """One of ``match`` and ``metadata``."""

    match: str | None = None
    """Pattern of function ids: ``*`` stands for any run of characters, all else for itself."""
    metadata: dict[str, Any] | None = None
    """Members that a function's metadata must have; a text of the form ``match("...")`` is a pattern."""
    namespace: Text = "default"
    """In this namespace only, literally."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.match is None) == (self.metadata is None):
            raise ValueError("a rule has either `match` or `metadata`; give one of them")
        if self.metadata is not None and not self.metadata:
            raise ValueError("`metadata` names no member, which would expose every function; name one, or use match")
        return self


ExposeRule = Annotated[_Rule, BeforeValidator(_rule)]


class RbacSettings(Settings):
    """The block ``rbac`` (core.md §10.1)."""

    auth_function_id: Text | None = None
    """Asked about each connection; null: everybody is let in, and may call what is exposed."""
    expose_functions: list[ExposeRule] = Field(default_factory=list)
    """What every session may call."""
    on_function_registration_function_id: Text | None = None
    """Asked about each function that a session registers."""
    on_trigger_registration_function_id: Text | None = None
    """Asked about each trigger that a session registers."""
    on_trigger_type_registration_function_id: Text | None = None
    """Asked about each trigger type that a session registers."""


class QuotaSettings(Settings):
    """What one session may use (ours); null: as much as the engine's own limits allow."""

    calls_per_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Calls in the long run."""
    calls_burst: Positive | None = None
    """Calls at once; null: as many as in one second."""
    bytes_per_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Bytes received in the long run, in messages of any kind."""
    bytes_burst: Positive | None = None
    """Bytes at once; null: as many as in one second."""
    pending_calls: Positive | None = None
    """Calls whose answers the session waits for."""
    registrations: Positive | None = None
    """Functions, triggers and trigger types together that it holds."""

    @model_validator(mode="after")
    def _bursts_have_rates(self) -> Self:
        for unit in ("calls", "bytes"):
            if getattr(self, f"{unit}_burst") is not None and getattr(self, f"{unit}_per_s") is None:
                raise ValueError(f"{unit}_burst has no meaning without {unit}_per_s; add that, or remove it")
        return self


def _hash(value: str) -> str:
    if _HASH.fullmatch(value) is None:
        # Whatever it is, it may be a secret that was meant to be hashed: it is not repeated here.
        raise ValueError(
            "not a token's hash (sha256: and 64 hexadecimal digits); never write the token itself into this file: "
            "`iii-actors token NAME` makes a token and the line for it"
        )
    return value


def _moment(value: object) -> object:
    """Read a moment as YAML gives it or as text (RFC 3339); without a zone it is UTC."""
    moment: object = value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is no moment; write for example 2027-01-31T12:00:00Z") from None
    elif isinstance(value, date) and not isinstance(value, datetime):
        moment = datetime.combine(value, time())
    if isinstance(moment, datetime) and moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment


class TokenSettings(Settings):
    """A static bearer token (ours): who has it is let in, with what stands here; see :class:`RbacSettings`."""

    name: Text
    """What the log calls it."""
    hash: Annotated[str, AfterValidator(_hash)]
    """Of the token, as ``iii-actors token`` prints it; the token itself stands nowhere here."""
    expires_at: Annotated[datetime, BeforeValidator(_moment)] | None = None
    """From then on it is refused, and its sessions are ended."""
    namespaces: dict[str, list[str]] | None = None
    """What may be called, by namespace; the keys are also the only namespaces that may be declared."""
    allowed_functions: list[str] | None = None
    """Ids that may be called in namespace ``default``."""
    forbidden_functions: list[str] = Field(default_factory=list)
    """Ids that may not be called in any namespace, whatever else is said."""
    allowed_trigger_types: list[str] | None = None
    """Types that its triggers may have; null: all."""
    allow_trigger_type_registration: bool = True
    allow_function_registration: bool = True
    function_registration_prefix: Text | None = None
    """Put in front of its functions' ids, with ``::``."""
    context: Any = Field(default_factory=dict)
    """Passed to the hooks and the middleware."""
    quotas: QuotaSettings | None = None
    """In place of the listener's."""


def distinct(tokens: Sequence[TokenSettings]) -> None:
    """Raise :class:`ValueError` for too many tokens, or two with one name or one hash."""
    if len(tokens) > limits.MAX_TOKENS:
        raise ValueError(f"more than {limits.MAX_TOKENS} tokens; use an auth function (rbac.auth_function_id)")
    for member in ("name", "hash"):
        seen: set[str] = set()
        for token in tokens:
            value = getattr(token, member)
            if value in seen:
                raise ValueError(f"two tokens have the {member} of {token.name!r}; each needs its own")
            seen.add(value)


def origins(listed: Sequence[str]) -> None:
    """Raise :class:`ValueError` for what no browser would send as its origin."""
    for one in listed:
        if one not in ("*", "null") and _ORIGIN.fullmatch(one) is None:
            raise ValueError(
                f"{one!r} is no origin; write scheme, host and port as browsers send them, in lower case and without a "
                "path: https://app.example, http://localhost:5173"
            )
