import dataclasses
import datetime as dt
import enum
import typing
import uuid

import msgspec
import pydantic
import pytest

from iii_worker.hints import NO_HINT
from iii_worker.schemas import DIALECT, format_of, schema_of


class User(pydantic.BaseModel):
    name: str = pydantic.Field(alias="userName")
    nick: str | None = None


@dataclasses.dataclass
class Point:
    x: int
    label: str = ""


class Options(typing.TypedDict, total=False):
    first: int


class Order(typing.TypedDict):
    id: int
    options: typing.NotRequired[Options]


class Colour(enum.Enum):
    RED = "red"


class Record(msgspec.Struct):
    size: int


class Opaque:
    pass


STRING, INTEGER = {"type": "string"}, {"type": "integer"}


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str, STRING),
        (int, INTEGER),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (None, {"type": "null"}),
        (list[str], {"type": "array", "items": STRING}),
        (dict[str, int], {"type": "object", "additionalProperties": INTEGER}),
        (str | None, {"type": ["string", "null"]}),
        (typing.Optional[int], {"type": ["integer", "null"]}),  # noqa: UP045  the spelling is what is tested
        (list[int | None], {"type": "array", "items": {"type": ["integer", "null"]}}),
        (dict[str, int | None], {"type": "object", "additionalProperties": {"type": ["integer", "null"]}}),
        (list[int] | None, {"type": ["array", "null"], "items": INTEGER}),
        (typing.Annotated[str | None, "note"], {"type": ["string", "null"]}),
        (dict, {"type": "object", "additionalProperties": True}),
        (list, {"type": "array", "items": {}}),
        (int | str, {"anyOf": [INTEGER, STRING]}),
        (int | str | None, {"anyOf": [INTEGER, STRING, {"type": "null"}]}),
        (typing.Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (typing.Literal["a", "b"] | None, {"anyOf": [{"type": "string", "enum": ["a", "b"]}, {"type": "null"}]}),
        (tuple[int, str], {"type": "array", "prefixItems": [INTEGER, STRING], "minItems": 2, "maxItems": 2}),
        (set[int], {"type": "array", "items": INTEGER, "uniqueItems": True}),
        (uuid.UUID, {"type": "string", "format": "uuid"}),
        (dt.datetime, {"type": "string", "format": "date-time"}),
        (Colour, {"title": "Colour", "type": "string", "enum": ["red"]}),
    ],
    ids=str,
)
def test_a_hint_as_a_schema(hint, schema):
    for mode in ("validation", "serialization"):
        assert schema_of(hint, mode) == {"$schema": DIALECT, **schema}


def test_a_model_is_pydantics_own():
    schema = schema_of(User, "validation")
    assert schema == {"$schema": DIALECT, **User.model_json_schema()}
    assert schema["properties"]["nick"]["anyOf"] == [STRING, {"type": "null"}]


def test_inputs_are_by_alias_and_results_by_field_name():
    assert "userName" in schema_of(User, "validation")["properties"]
    assert "name" in schema_of(User, "serialization")["properties"]
    assert schema_of(list[User], "serialization")["items"]["$ref"].startswith("#/$defs/")


def test_dataclasses_typed_dicts_and_structs_have_one():
    assert schema_of(Point, "validation")["required"] == ["x"]
    order = schema_of(Order, "validation")
    assert order["required"] == ["id"]
    assert order["$defs"]["Options"]["properties"]["first"]["type"] == "integer"
    assert "required" not in order["$defs"]["Options"]
    assert schema_of(list[Order], "validation")["items"] == {"$ref": "#/$defs/Order"}
    assert schema_of(Record, "validation")["$schema"] == DIALECT


@pytest.mark.parametrize("hint", [NO_HINT, typing.Any, object, Opaque, list[Opaque], typing.TypeVar("T"), "Nowhere"])
def test_where_there_is_nothing_to_say_there_is_none(hint):
    assert schema_of(hint, "validation") is None


def test_a_format_that_is_given_goes_before_the_hint():
    own = {"type": "object"}
    assert format_of(own, int, "validation", "request_format") is own
    assert format_of(str, int, "validation", "request_format")["type"] == "string"
    assert format_of(None, int, "validation", "request_format")["type"] == "integer"
    assert format_of(False, int, "validation", "request_format") is None


@pytest.mark.parametrize("given", [7, "schema", True, Opaque])
def test_what_is_no_format_is_refused(given):
    with pytest.raises(TypeError, match=r"response_format is .*: give a JSON Schema"):
        format_of(given, int, "serialization", "response_format")
