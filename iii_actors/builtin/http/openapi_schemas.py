"""Functions' formats as OpenAPI components: whatever has been registered, what comes out is valid (OpenAPI 3.1). Pure.

A format may be any JSON. Keywords of JSON Schema 2020-12 are kept where their values have the right shape; spellings of
older drafts are translated; definitions move under ``components``, and references follow them. A reference that leads
nowhere, or out of the document, becomes a schema that allows everything: a reader of the document fetches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from iii_actors.limits import HTTP_OPENAPI_SCHEMA_BYTES, HTTP_OPENAPI_SCHEMAS_BYTES
from iii_actors.wire import messages as wire

__all__ = ["Components", "Schema", "component_name"]

Schema = dict[str, Any]
"""A JSON Schema; empty: everything is allowed."""

_HOME: Final = "#/components/schemas/"
_DEEPEST: Final = 64
_TYPES: Final = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_DEFINITIONS: Final = ("$defs", "definitions")
_unfit: Final = re.compile(r"[^A-Za-z0-9._-]+")


def component_name(text: str) -> str:
    """Return a name as OpenAPI allows it for components."""
    return _unfit.sub(".", text.replace("::", ".")).strip(".") or "schema"


class Components:
    """Collects the schemas of one document; what is too much of them is left out."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema | bool] = {}
        self._left = HTTP_OPENAPI_SCHEMAS_BYTES

    def add(self, name: str, text: Raw) -> Schema | None:
        """Take over a format and its definitions; return a reference to it.

        None: there is none, it says nothing, it is no schema, or it is too long.
        """
        if not wire.present(text):
            return None
        size = len(memoryview(text))
        if size > min(HTTP_OPENAPI_SCHEMA_BYTES, self._left):
            return None
        try:
            given = msgspec.json.decode(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(given, dict) or not given:
            return None
        self._left -= size
        own = self._free(component_name(name))
        moved = _Move(given, own, self._free)
        self.schemas.update(moved.schemas())
        return {"$ref": f"{_HOME}{own}"}

    def resolved(self, schema: Schema | bool | None) -> Schema:
        """Follow references until there is a schema; an empty one where they lead in a circle."""
        for _ in range(_DEEPEST):
            if not isinstance(schema, dict):
                return {}
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                return schema
            schema = _at(self.schemas, reference)
        return {}

    def _free(self, name: str) -> str:
        """Return the name, with a number if it is taken, and take it."""
        free, number = name, 2
        while free in self.schemas:
            free, number = f"{name}_{number}", number + 1
        self.schemas[free] = {}
        return free


class _Move:
    """One format on its way under ``components``."""

    def __init__(self, given: dict[str, Any], own: str, free: Callable[[str], str]) -> None:
        self._roots: dict[str, Any] = {own: given}
        self._names: dict[str, str] = {"#": own}
        """Pointers in the format to names of components."""
        self._refers = False
        for keyword in _DEFINITIONS:
            definitions = given.get(keyword)
            for key, schema in definitions.items() if isinstance(definitions, dict) else ():
                name = free(f"{own}.{component_name(key)}")
                self._roots[name] = schema
                self._names[f"#/{keyword}/{_escaped(key)}"] = name

    def schemas(self) -> dict[str, Schema | bool]:
        cleaned = {name: self._schema(schema, 0) for name, schema in self._roots.items()}
        if self._refers:
            for schema in cleaned.values():
                _open_dead_ends(schema, cleaned)
        return cleaned

    def _schema(self, given: Any, depth: int) -> Schema | bool:
        if isinstance(given, bool):
            return given
        if not isinstance(given, dict) or depth > _DEEPEST:
            return {}
        schema: Schema = {}
        for keyword, value in given.items():
            if keyword.startswith("x-"):
                if _is_shallow(value):
                    schema[keyword] = value
            elif keyword in _ONE:
                if isinstance(value, dict | bool):
                    schema[keyword] = self._schema(value, depth + 1)
            elif keyword in _NAMED:
                if isinstance(value, dict):
                    schema[keyword] = {name: self._schema(one, depth + 1) for name, one in value.items()}
            elif keyword in _SEVERAL:
                if isinstance(value, list) and value:
                    schema[keyword] = [self._schema(one, depth + 1) for one in value]
            elif keyword in _PLAIN and _PLAIN[keyword](value):
                schema[keyword] = value
        # Most schemas have none of these, and there may be many thousands of schemas.
        if not _REFERRING.isdisjoint(given):
            self._references(given, schema)
        if not _OLDER.isdisjoint(given):
            self._older(given, schema, depth)
        return schema

    def _references(self, given: Mapping[str, Any], schema: Schema) -> None:
        self._refers = True
        if isinstance(given.get("$ref"), str):
            schema["$ref"] = self._moved(given["$ref"])
        discriminator = given.get("discriminator")
        if isinstance(discriminator, dict) and isinstance(discriminator.get("propertyName"), str):
            schema["discriminator"] = {"propertyName": discriminator["propertyName"]}
            mapping = discriminator.get("mapping")
            moved = {
                key: self._moved(value)
                for key, value in (mapping.items() if isinstance(mapping, dict) else ())
                if isinstance(value, str)
            }
            if moved:
                schema["discriminator"]["mapping"] = moved

    def _older(self, given: Mapping[str, Any], schema: Schema, depth: int) -> None:
        """Translate what earlier drafts and OpenAPI 3.0 spelled otherwise."""
        items = given.get("items")
        if isinstance(items, list) and items:
            schema["prefixItems"] = [self._schema(one, depth + 1) for one in items]
            if isinstance(given.get("additionalItems"), dict | bool):
                schema["items"] = self._schema(given["additionalItems"], depth + 1)
        for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
            if given.get(exclusive) is True and bound in schema:
                schema[exclusive] = schema.pop(bound)
        if given.get("nullable") is True and isinstance(schema.get("type"), str) and schema["type"] != "null":
            schema["type"] = [schema["type"], "null"]

    def _moved(self, reference: str) -> str:
        """Return where a reference of the format leads in the document; ``""`` if it is not one within the format."""
        if reference == "#":
            return f"{_HOME}{self._names['#']}"
        parts = reference.split("/")
        if parts[0] != "#":
            return ""
        base = "/".join(parts[:3])
        name, rest = (self._names[base], parts[3:]) if base in self._names else (self._names["#"], parts[1:])
        return "/".join([f"{_HOME}{name}", *rest])


def _open_dead_ends(schema: Any, roots: Mapping[str, Any]) -> None:
    """Take out references that lead nowhere."""
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        if not isinstance(one, dict):
            continue
        if isinstance(one.get("$ref"), str) and not isinstance(_at(roots, one["$ref"]), dict | bool):
            del one["$ref"]
        discriminator = one.get("discriminator")
        mapping = discriminator.get("mapping", {}) if isinstance(discriminator, dict) else {}
        for key in [key for key, reference in mapping.items() if not isinstance(_at(roots, reference), dict | bool)]:
            del mapping[key]
        waiting += [one[keyword] for keyword in (*_ONE, *_SEVERAL) if keyword in one]
        for keyword in _NAMED:
            waiting += one.get(keyword, {}).values()


def _at(roots: Mapping[str, Any], reference: str) -> Any:
    """Return what a reference of the document leads to, or None."""
    if not reference.startswith(_HOME):
        return None
    found: Any = roots
    for part in reference.removeprefix(_HOME).split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping):
            found = found.get(key)
        elif isinstance(found, list) and key.isascii() and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            return None
    return found


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


# --- the shapes of keywords' values ----------------------------------------------------------------------------------


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and _is_shallow(value)


def _is_shallow(value: Any) -> bool:
    """Return whether a value that is not looked at can be written at all, wherever it stands."""
    depth, level = 0, [value]
    while level and depth <= _DEEPEST:
        values = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        depth, level = depth + 1, [inner for some in values for inner in some]
    return not level


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value) and len(set(value)) == len(value)


def _is_type(value: Any) -> bool:
    if isinstance(value, str):
        return value in _TYPES
    return bool(value) and _are_names(value) and _TYPES.issuperset(value)


def _are_needs(value: Any) -> bool:
    return isinstance(value, dict) and all(_are_names(one) for one in value.values())


_ONE: Final = (
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
)
"""Keywords whose value is a schema."""
_NAMED: Final = ("dependentSchemas", "patternProperties", "properties")
"""Keywords whose value has schemas by name."""
_SEVERAL: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
"""Keywords whose value is a list of schemas."""
_REFERRING: Final = frozenset({"$ref", "discriminator"})
_OLDER: Final = frozenset({"items", "exclusiveMinimum", "exclusiveMaximum", "nullable"})
"""Keywords that earlier drafts or OpenAPI 3.0 may have used otherwise."""
_BOUNDS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_COUNTS: Final = tuple(
    f"{bound}{what}" for bound in ("max", "min") for what in ("Contains", "Items", "Length", "Properties")
)
_TEXTS: Final = ("$comment", "contentEncoding", "contentMediaType", "description", "format", "pattern", "title")
_PLAIN: Final[Mapping[str, Callable[[Any], bool]]] = {
    "type": _is_type,
    "enum": _is_list,
    "examples": _is_list,
    "required": _are_names,
    "dependentRequired": _are_needs,
    "multipleOf": lambda value: _is_number(value) and value > 0,
    **dict.fromkeys(_BOUNDS, _is_number),
    **dict.fromkeys(_COUNTS, _is_count),
    **dict.fromkeys(_TEXTS, _is_text),
    **dict.fromkeys(("deprecated", "readOnly", "uniqueItems", "writeOnly"), _is_flag),
    **dict.fromkeys(("const", "default", "example"), _is_shallow),
}
"""All others that are kept, and the shapes that their values have."""
