"""Schemas of functions, made from their types."""

from __future__ import annotations

import json
from typing import Annotated, Any

from msgspec import Meta, Raw, Struct

from iii_actors.builtin.schemas import schema_of


class Part(Struct):
    """A part."""

    n: int


class Whole(Struct):
    """The whole."""

    text: Annotated[str, Meta(description="Any text.")]
    parts: list[Part]
    raw: Annotated[Raw, Meta(extra_json_schema={"type": "array"})]
    more: Part | None = None


def test_a_struct_is_described_in_place_and_its_parts_beside():
    part = {"title": "Part", "description": "A part.", "type": "object", "properties": {"n": {"type": "integer"}}}
    assert json.loads(bytes(schema_of(Whole))) == {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Whole",
        "description": "The whole.",
        "type": "object",
        "properties": {
            "text": {"type": "string", "description": "Any text."},
            "parts": {"type": "array", "items": {"$ref": "#/definitions/Part"}},
            "raw": {"type": "array"},
            "more": {"anyOf": [{"$ref": "#/definitions/Part"}, {"type": "null"}], "default": None},
        },
        "required": ["text", "parts", "raw"],
        "definitions": {"Part": part | {"required": ["n"]}},
    }


def test_other_types_have_schemas_too():
    draft = {"$schema": "http://json-schema.org/draft-07/schema#"}
    assert json.loads(bytes(schema_of(list[str]))) == draft | {"type": "array", "items": {"type": "string"}}
    assert json.loads(bytes(schema_of(Any))) == draft
