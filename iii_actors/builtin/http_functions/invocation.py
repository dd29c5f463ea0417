"""The ``invocation`` of a registration, read and checked once; what every call then needs (core.md §5.1). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from iii_actors.builtin.http_functions.errors import InvalidInvocation
from iii_actors.builtin.http_functions.urls import Url, parse
from iii_actors.limits import EXTERNAL_HEADERS, EXTERNAL_LONGEST_TIMEOUT_MS, EXTERNAL_TIMEOUT_MS

__all__ = ["ApiKey", "Auth", "Bearer", "Endpoint", "Hmac", "Method", "endpoint"]

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class _Hmac(Struct, tag="hmac"):
    secret_key: str


class _Bearer(Struct, tag="bearer"):
    token_key: str


class _ApiKey(Struct, tag="api_key"):
    header: str
    value_key: str


class _Invocation(Struct):
    """As it is sent. Environment variables are named, their values never travel."""

    url: str
    method: Method = "POST"
    timeout_ms: Annotated[int, Meta(ge=0)] | None = None
    headers: dict[str, str] = {}
    auth: _Hmac | _Bearer | _ApiKey | None = None


@dataclass(frozen=True, slots=True)
class Hmac:
    """Sign the body with a shared secret."""

    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bearer:
    """Send a token."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Send a key in a header of the endpoint's choice."""

    header: str
    value: str = field(repr=False)


Auth = Hmac | Bearer | ApiKey


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how one function is invoked."""

    function_id: str
    url: Url
    method: Method
    timeout_s: float
    """For a whole call: waiting for its turn, look-ups, retries and the last byte of the body."""
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    auth: Auth | None


_decoder: Final = msgspec.json.Decoder(_Invocation)
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_UNSENDABLE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_RESERVED: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that say where the request ends and whom it is for: the engine's own."""


def endpoint(function_id: str, invocation: Raw, environ: Mapping[str, str]) -> Endpoint:
    """Read an ``invocation``; the environment variables it names are read here, and only here.

    The URL is parsed, its rules are not applied yet. Raises :class:`InvalidInvocation` with the member at fault and the
    mend, or ``UrlRefused``.
    """
    try:
        given = _decoder.decode(invocation)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidInvocation(f"`invocation` is wrong: {error}") from None
    if _UNSENDABLE.search(function_id):
        raise InvalidInvocation("the function's id has control characters, which cannot be sent in a header; rename it")
    if len(given.headers) > EXTERNAL_HEADERS:
        raise InvalidInvocation(f"`invocation.headers` has {len(given.headers)}; at most {EXTERNAL_HEADERS} are sent")
    for name, value in given.headers.items():
        _check_header(name, value, "invocation.headers")
    timeout_ms = given.timeout_ms if given.timeout_ms is not None else EXTERNAL_TIMEOUT_MS
    return Endpoint(
        function_id,
        parse(given.url),
        given.method,
        min(timeout_ms, EXTERNAL_LONGEST_TIMEOUT_MS) / 1000,
        tuple(given.headers.items()),
        _auth(given.auth, environ),
    )


def _auth(given: _Hmac | _Bearer | _ApiKey | None, environ: Mapping[str, str]) -> Auth | None:
    match given:
        case _Hmac():
            return Hmac(_secret(given.secret_key, "secret_key", environ).encode("utf-8", "surrogateescape"))
        case _Bearer():
            token = _secret(given.token_key, "token_key", environ)
            _check_value(token, f"environment variable {given.token_key}")
            return Bearer(token)
        case _ApiKey():
            value = _secret(given.value_key, "value_key", environ)
            _check_header(given.header, "", "invocation.auth.header")
            _check_value(value, f"environment variable {given.value_key}")
            return ApiKey(given.header, value)
    return None


def _secret(variable: str, member: str, environ: Mapping[str, str]) -> str:
    value = environ.get(variable)
    if not value:
        raise InvalidInvocation(
            f"`invocation.auth.{member}` names the environment variable {variable!r}, which is "
            f"{'not set' if value is None else 'empty'} in the engine's process; set it and start the engine again"
        )
    return value


def _check_header(name: str, value: str, place: str) -> None:
    if _TOKEN.fullmatch(name) is None:
        raise InvalidInvocation(f"`{place}`: {name!r} is not a header's name")
    if name.lower() in _RESERVED:
        raise InvalidInvocation(f"`{place}`: {name!r} is set by the engine; remove it")
    _check_value(value, f"`{place}`: the value of {name!r}")


def _check_value(value: str, place: str) -> None:
    """Values are never shown: they may be secrets."""
    if _UNSENDABLE.search(value):
        raise InvalidInvocation(f"{place} has control characters (perhaps a line's end), which cannot be sent")
