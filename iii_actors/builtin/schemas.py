"""JSON Schemas (draft-07) of what built-in functions and trigger types take and give, made from their types.

They go into registrations, and come out of ``engine::functions::info`` and ``engine::triggers::info``.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import msgspec
from msgspec import Raw

from iii_actors.wire.codec import raw

__all__ = ["schema_of"]

_DRAFT: Final = "http://json-schema.org/draft-07/schema#"


@cache
def schema_of(kind: Any) -> Raw:
    """Return the schema of a type that msgspec knows, by preference a ``Struct``.

    The docstring of a struct becomes its description; ``Annotated[..., msgspec.Meta(...)]`` describes a member, and
    says with ``extra_json_schema`` what a ``Raw`` one holds.
    """
    (schema,), definitions = msgspec.json.schema_components((kind,), ref_template="#/definitions/{name}")
    name = schema.pop("$ref", "").removeprefix("#/definitions/")
    whole = {"$schema": _DRAFT, **schema, **definitions.pop(name, {})}
    if definitions:
        whole["definitions"] = definitions
    return raw(whole)
