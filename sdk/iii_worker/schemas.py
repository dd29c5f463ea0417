"""JSON Schemas (Draft 2020-12) of handlers' inputs and results, from type hints (spec sdk.md §3.13, §3.14).

They document a function in listings and in the console; nobody validates against them. Inputs are validated by the very
types that the schemas are made of.
"""

from __future__ import annotations

import types
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec
from pydantic import TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
from pydantic.json_schema import JsonSchemaMode

from iii_worker.hints import NO_HINT, modern

__all__ = ["DIALECT", "REFUSED", "Format", "format_of", "schema_of"]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Format = dict[str, Any] | type | bool | None
"""What ``request_format`` and ``response_format`` may be: a schema, a type to make it of, False for none, None for the
hint's."""

REFUSED: Final = (
    PydanticSchemaGenerationError,
    PydanticUserError,
    TypeError,
    ValueError,
    NameError,
    AttributeError,
    RecursionError,
)
"""What pydantic, or a class of the user's with methods for pydantic, may raise for a type that has no schema."""


def format_of(given: Format, hint: Any, mode: JsonSchemaMode, what: str) -> dict[str, Any] | None:
    """Return the schema to publish: the one given, or the hint's; None for none.

    Raises ``TypeError`` for what is no :data:`Format`.
    """
    if given is False:
        return None
    if given is None:
        return schema_of(hint, mode)
    if isinstance(given, dict):
        return given
    if given is not True and (schema := schema_of(given, mode)) is not None:
        return schema
    raise TypeError(f"{what} is {given!r:.80}: give a JSON Schema (a dict), a type, or False for none")


def schema_of(hint: Any, mode: JsonSchemaMode) -> dict[str, Any] | None:
    """Return the schema of a type, None where there is nothing to say (no hint, ``Any``) or no way to say it.

    :param mode: ``validation`` for what is accepted (aliases of fields), ``serialization`` for what is sent (names of
        fields).
    """
    if hint is NO_HINT or hint is Any or hint is object:
        return None
    try:
        schema = _schema(hint, mode)
    except REFUSED:
        return None
    return {"$schema": DIALECT, **schema} if schema else None


def _schema(hint: Any, mode: JsonSchemaMode) -> dict[str, Any]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return msgspec.json.schema(hint)
    adapter: TypeAdapter[Any] = TypeAdapter(modern(hint))
    schema = adapter.json_schema(by_alias=mode == "validation", mode=mode)
    _name_null(hint, schema)
    return schema


def _name_null(hint: Any, schema: Any) -> None:
    """Write ``Optional[X]`` as ``"type": [t, "null"]`` where ``X`` is no model, as the protocol's SDKs do.

    Pydantic writes ``anyOf``. Inside of models its own form stays.
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        _name_null(args[0], schema)
    elif origin in (Union, types.UnionType):
        _merge_null(schema)
    elif args and origin in (list, set, frozenset) and isinstance(schema, dict):
        _name_null(args[0], schema.get("items"))
    elif args and origin is dict and isinstance(schema, dict):
        _name_null(args[-1], schema.get("additionalProperties"))


def _merge_null(schema: Any) -> None:
    match schema:
        case {"anyOf": [{"type": str(kind), **rest}, {"type": "null"}]} if "enum" not in rest and "const" not in rest:
            del schema["anyOf"]
            schema |= rest
            schema["type"] = [kind, "null"]
