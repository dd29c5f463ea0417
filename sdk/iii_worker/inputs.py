"""What a handler's payload is validated into (spec sdk.md §3.7, §3.8)."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, get_args, get_origin

import msgspec
from pydantic import TypeAdapter, ValidationError

from iii_worker.channel_refs import may_hold_refs
from iii_worker.errors import Error
from iii_worker.hints import NO_HINT, modern
from iii_worker.limits import MAX_INPUT_ERRORS
from iii_worker.schemas import REFUSED
from iii_worker.values import Revive, from_json, type_name

__all__ = ["INVALID_REQUEST", "InvalidRequestError", "Reader", "reader_for"]

logger = logging.getLogger(__name__)

INVALID_REQUEST: Final = "invalid_request"

Reader = Callable[[bytes | msgspec.Raw], Any]
"""Makes a handler's argument of a payload's JSON text. Raises :class:`InvalidRequestError`."""

CALLER: Final = b'"_caller_worker_id"'
"""The member engines add to every payload that is an object (core.md §7.2)."""
_CALLER_LAST: Final = re.compile(rb',?"_caller_worker_id":"[^"\\]*"}\Z')
"""Where they usually put it. Quotes inside of a text are escaped, so this cannot be the end of one."""
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_KINDS: Final = {
    dict: "an object",
    list: "an array",
    str: "a text",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


class InvalidRequestError(Error):
    """A payload does not fit the handler's hint; the text names each field that is wrong."""

    def __init__(self, message: str) -> None:
        super().__init__(message, INVALID_REQUEST)


def reader_for(hint: Any, what: str, revive: Revive | None, default: Any = NO_HINT) -> Reader:
    """Return what reads a payload for a parameter with this hint.

    Without a hint, or with ``Any`` or one no validator exists for, payloads are passed as they are decoded.

    A payload of null where an object is wanted, which is what a call without payload sends, is the parameter's default
    or an empty object, if that is valid.

    :param what: what is read, for errors: ``payload`` or ``metadata``.
    :param default: the parameter's default, :data:`NO_HINT` if it has none.
    """
    if hint is NO_HINT or hint is Any or hint is object:
        return lambda text: _decoded(text, what, revive)
    if hint in (dict, Mapping) or (get_origin(hint) in (dict, Mapping) and get_args(hint) in ((str, Any), (Any, Any))):
        return _ObjectReader(what, revive, default)
    try:
        validate = _validator(hint)
    except REFUSED as error:
        logger.warning(
            "Nothing can be validated into %s, so the %s is passed as it is: %s", type_name(hint), what, error
        )
        return lambda text: _decoded(text, what, revive)
    return _TypedReader(validate, what, revive, default)


def _decoded(text: bytes | msgspec.Raw, what: str, revive: Revive | None) -> Any:
    try:
        return from_json(text, revive)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequestError(f"the {what} is no JSON: {error}") from None


class _ObjectReader:
    """For a plain ``dict``: the payload as it is, so long as it is an object."""

    def __init__(self, what: str, revive: Revive | None, default: Any) -> None:
        self._what = what
        self._revive = revive
        self._default = {} if default is NO_HINT else default

    def __call__(self, text: bytes | msgspec.Raw) -> Any:
        value = _decoded(text, self._what, self._revive)
        if type(value) is dict:
            return value
        if value is None:
            return dict(self._default) if isinstance(self._default, dict) else self._default
        raise InvalidRequestError(f"the {self._what} is {_KINDS[type(value)]}, and must be an object")


class _TypedReader:
    """For a type: the payload validated into it, without what the engine added."""

    def __init__(self, validate: _Validator, what: str, revive: Revive | None, default: Any) -> None:
        self._validate = validate
        self._what = what
        self._revive = revive
        self._default = default

    def __call__(self, text: bytes | msgspec.Raw) -> Any:
        plain = bytes(text)
        if CALLER in plain and not self._validate.wants_caller:
            plain = _without_caller(plain)
        if self._revive is not None and may_hold_refs(plain):
            try:
                return self._validate.value(from_json(plain, self._revive))
            except (ValidationError, msgspec.ValidationError):
                pass  # the type may want references as they are written
        try:
            return self._validate.text(plain)
        except (ValidationError, msgspec.ValidationError) as error:
            if plain == b"null":
                return self._absent(error)
            raise self._error(error) from None

    def _absent(self, error: ValidationError | msgspec.ValidationError) -> Any:
        if self._default is not NO_HINT:
            return self._default
        try:
            return self._validate.text(b"{}")
        except ValidationError as of_empty:
            names_fields = all(fault["loc"] for fault in of_empty.errors(include_url=False, include_context=False))
            raise self._error(of_empty if names_fields else error) from None
        except msgspec.ValidationError as of_empty:
            raise self._error(of_empty) from None

    def _error(self, error: ValidationError | msgspec.ValidationError) -> InvalidRequestError:
        if isinstance(error, msgspec.ValidationError):
            return InvalidRequestError(f"the {self._what} is not valid: {error}")
        faults = error.errors(include_url=False, include_context=False)
        named = [self._fault(fault["loc"], fault["msg"], fault["type"], fault["input"]) for fault in faults]
        more = f"; and {len(named) - MAX_INPUT_ERRORS} more" if len(named) > MAX_INPUT_ERRORS else ""
        return InvalidRequestError(f"the {self._what} is not valid: {'; '.join(named[:MAX_INPUT_ERRORS])}{more}")

    def _fault(self, place: tuple[int | str, ...], message: str, kind: str, given: Any) -> str:
        path = ""
        for step in place:
            path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
        message = message.removeprefix("Value error, ").replace("\n", " ")
        if kind.endswith("_type") and type(given) in _KINDS:
            message += f", and is {_KINDS[type(given)]}"
        return f"{path}: {message}" if path else message


class _Validator:
    """Validates into one type, from JSON text or from a decoded value."""

    def __init__(self, text: Callable[[bytes], Any], value: Callable[[Any], Any], *, wants_caller: bool) -> None:
        self.text = text
        self.value = value
        self.wants_caller = wants_caller
        """Whether the type has a field for the caller's id."""


def _validator(hint: Any) -> _Validator:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        decode = msgspec.json.Decoder(hint).decode
        caller = "_caller_worker_id" in hint.__struct_encode_fields__
        return _Validator(decode, lambda value: msgspec.convert(value, hint), wants_caller=caller)
    adapter: TypeAdapter[Any] = TypeAdapter(modern(hint))
    adapter.rebuild(raise_errors=True)
    return _Validator(
        adapter.validate_json, adapter.validate_python, wants_caller="_caller_worker_id" in repr(adapter.core_schema)
    )


def _without_caller(text: bytes) -> bytes:
    """Return a payload's text without the member that the engine added."""
    if (found := _CALLER_LAST.search(text)) is not None:
        text = text[: found.start()] + b"}"
        if CALLER not in text:
            return text
    if not text.lstrip().startswith(b"{"):
        return text
    members = _members(text)
    return msgspec.json.encode(members) if members.pop("_caller_worker_id", None) is not None else text
