import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from iii_actors import limits
from iii_actors.builtin.http.openapi_schemas import Components, component_name
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw

HOME = "#/components/schemas/"


def added(schema, name="f"):
    components = Components()
    reference = components.add(name, raw(schema))
    return components.schemas, reference


def one(schema):
    """The component that a format without definitions becomes."""
    schemas, _ = added(schema)
    return schemas["f"]


def resolves(schemas, reference):
    at = {"components": {"schemas": schemas}}
    for part in reference.removeprefix("#/").split("/"):
        at = at[int(part)] if isinstance(at, list) else at[part.replace("~1", "/").replace("~0", "~")]
    return isinstance(at, dict | bool)


@pytest.mark.parametrize(
    ("text", "name"),
    [("users::create", "users.create"), ("a b/ü", "a.b"), ("", "schema"), ("::", "schema"), ("x-1_y", "x-1_y")],
)
def test_names(text, name):
    assert component_name(text) == name


def test_names_that_are_taken_get_a_number():
    components = Components()
    made = [components.add(name, raw({"type": "string"})) for name in ("a b", "a.b", "a::b")]
    assert [reference["$ref"] for reference in made] == [f"{HOME}a.b", f"{HOME}a.b_2", f"{HOME}a.b_3"]


@pytest.mark.parametrize("given_format", [None, True, 7, "text", [], {}, [{"type": "object"}]])
def test_what_says_nothing_is_no_schema(given_format):
    assert Components().add("f", raw(given_format)) is None


def test_what_is_absent_is_no_schema():
    assert Components().add("f", wire.ABSENT) is None


def test_what_is_too_long_is_left_out(monkeypatch):
    from iii_actors.builtin.http import openapi_schemas

    long = raw({"type": "string", "description": "x" * limits.HTTP_OPENAPI_SCHEMA_BYTES})
    assert Components().add("f", long) is None
    monkeypatch.setattr(openapi_schemas, "HTTP_OPENAPI_SCHEMAS_BYTES", 50)
    components = Components()
    small = raw({"type": "string", "title": "01234"})
    assert [components.add("f", small) is not None for _ in range(3)] == [True, False, False]


def test_keywords_are_kept():
    schema = {
        "type": "object", "title": "T", "description": "d", "required": ["a"], "additionalProperties": False,
        "properties": {"a": {"type": ["string", "null"], "minLength": 1, "pattern": "^x", "format": "uri", "default": None},
                       "b": {"type": "array", "items": {"enum": [1, "x", None]}, "uniqueItems": True},
                       "c": {"anyOf": [{"const": 1}, True], "examples": [1], "x-own": {"any": "thing"}}},
        "if": {"minProperties": 1}, "then": True, "patternProperties": {"^y": {"multipleOf": 0.5}},
    }  # fmt: skip
    assert one(schema) == schema


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "text"}, {"type": []}, {"type": ["string", "string"]}, {"type": None}, {"enum": 1}, {"required": True},
        {"required": ["a", "a"]}, {"properties": []}, {"items": 1}, {"allOf": []}, {"anyOf": {}}, {"minimum": "1"},
        {"minLength": -1}, {"maxLength": 1.5}, {"multipleOf": 0}, {"uniqueItems": 1}, {"title": 1}, {"pattern": None},
        {"$schema": "x"}, {"$id": "x"}, {"$anchor": "x"}, {"$dynamicRef": "#x"}, {"unknown": 1}, {"dependentRequired": {"a": 1}},
        {"discriminator": "x"}, {"$ref": 1}, {"exclusiveMinimum": True}, {"externalDocs": {"url": "javascript:x"}},
    ],
)  # fmt: skip
def test_keywords_of_the_wrong_shape_are_dropped(wrong):
    assert one({"description": "d"} | wrong) == {"description": "d"}


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ({"items": [{"type": "string"}, True]}, {"prefixItems": [{"type": "string"}, True]}),
        ({"items": [True], "additionalItems": False}, {"prefixItems": [True], "items": False}),
        ({"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}),
        ({"maximum": 1, "exclusiveMaximum": False}, {"maximum": 1}),
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
    ],
)
def test_older_spellings(older, newer):
    assert one(older) == newer


@pytest.mark.parametrize("keyword", ["$defs", "definitions"])
def test_definitions_move_and_references_follow(keyword):
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": f"#/{keyword}/A b"}, "self": {"$ref": "#"}, "deep": {"$ref": f"#/{keyword}/A b/properties/x"}},
        keyword: {"A b": {"type": "object", "properties": {"x": {"$ref": f"#/{keyword}/C~1D"}}}, "C/D": {"type": "integer"}},
    }  # fmt: skip
    schemas, reference = added(schema, "my::f")
    assert reference == {"$ref": f"{HOME}my.f"}
    assert set(schemas) == {"my.f", "my.f.A.b", "my.f.C.D"}
    assert schemas["my.f"]["properties"] == {
        "a": {"$ref": f"{HOME}my.f.A.b"}, "self": {"$ref": f"{HOME}my.f"}, "deep": {"$ref": f"{HOME}my.f.A.b/properties/x"},
    }  # fmt: skip
    assert schemas["my.f.A.b"]["properties"]["x"] == {"$ref": f"{HOME}my.f.C.D"}


@pytest.mark.parametrize(
    "reference",
    ["#/$defs/none", "https://example.org/schema.json", "file:///etc/passwd", "other.json#/x", "#anchor", "#/type", "", "#/properties/b/items/7"],
)  # fmt: skip
def test_references_that_lead_nowhere_or_out_allow_everything(reference):
    assert one({"properties": {"a": {"$ref": reference, "title": "t"}, "b": {"type": "array"}}})["properties"]["a"] == {
        "title": "t"
    }


def test_references_within_the_format():
    got = one({"properties": {"a": {"type": "string"}, "b": {"$ref": "#/properties/a"}}})
    assert got["properties"]["b"] == {"$ref": f"{HOME}f/properties/a"}


def test_a_discriminator_s_mapping_follows():
    schema = {
        "oneOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": {"type": "object"}},
        "discriminator": {"propertyName": "kind", "mapping": {"a": "#/$defs/A", "b": "#/$defs/B", "c": "https://x/"}},
    }  # fmt: skip
    assert one(schema)["discriminator"] == {"propertyName": "kind", "mapping": {"a": f"{HOME}f.A"}}


def test_a_circle_of_references_has_an_end():
    components = Components()
    reference = components.add("f", raw({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#"}}}))
    assert components.resolved(reference) == {}


def test_what_is_very_deep_is_cut():
    deep: object = {"type": "string"}
    for _ in range(300):
        deep = {"items": deep}
    assert json.dumps(one(deep)).count("items") < 100
    value: object = 1
    for _ in range(300):
        value = [value]
    assert one({"type": "array", "default": value, "x-own": value, "enum": [value]}) == {"type": "array"}


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
KEYWORDS = """
    $ref $defs definitions type properties items allOf anyOf not required enum const minimum exclusiveMinimum maxLength
    pattern title nullable additionalItems discriminator dependentRequired $schema $id x-own default if
"""
keywords = st.sampled_from(KEYWORDS.split())
pointers = st.sampled_from(["#", "#/$defs/a", "#/definitions/b", "#/properties/a", "#/$defs/a/items", "#/allOf/0", "x"])
schemas = st.recursive(
    anything | st.fixed_dictionaries({"$ref": pointers}),
    lambda inner: st.dictionaries(
        keywords,
        inner | st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
        max_size=4,
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        keywords, schemas | st.dictionaries(st.sampled_from("ab"), schemas, max_size=2), min_size=1, max_size=6
    )
)
def test_whatever_is_registered_becomes_valid_schemas(given_format):
    made, reference = added(given_format)
    assert resolves(made, reference["$ref"])
    for schema in made.values():
        Draft202012Validator.check_schema(schema)
        for inner in references_of_schema(schema):
            assert resolves(made, inner)


def references_of_schema(schema):
    """References, but not those that only stand in values."""
    found, waiting = [], [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            found += [one["$ref"]] if "$ref" in one else []
            waiting += one.get("properties", {}).values()
            waiting += [
                one[keyword] for keyword in ("items", "allOf", "anyOf", "not", "if", "prefixItems") if keyword in one
            ]
    return found
