import collections
import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import pathlib
import typing
import uuid

import msgspec
import pydantic
import pytest

from iii_worker import values
from iii_worker.values import NotJsonError, from_json, register_encoder, to_json


class Colour(enum.Enum):
    RED = "red"
    ONE = 1


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Point:
    x: int
    y: typing.Any = None


class User(pydantic.BaseModel):
    name: str = pydantic.Field(alias="userName")
    extra: typing.Any = None


class Chosen(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(ser_json_bytes="base64", ser_json_inf_nan="strings")
    data: bytes = b"\xff"
    number: float = math.inf


class Doubled(pydantic.BaseModel):
    number: int

    @pydantic.field_serializer("number")
    def _twice(self, number: int) -> int:
        return number * 2


class Record(msgspec.Struct):
    size: int


class Text(str):
    __slots__ = ()

    def __str__(self):
        return "something else"


class Pair(typing.NamedTuple):
    a: int
    b: int


class End:
    def to_ref(self):
        return {"channel_id": "c", "access_key": "k", "direction": "read"}


UTC = dt.UTC


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (7, "7"),
        (2**70, str(2**70)),
        (1.5, "1.5"),
        ("ü", '"ü"'),
        ({"a": [1, {"b": None}]}, '{"a":[1,{"b":null}]}'),
        ((1, 2), "[1,2]"),
        ({3}, "[3]"),
        (frozenset({3}), "[3]"),
        (collections.deque([1]), "[1]"),
        ({"a": 1}.keys(), '["a"]'),
        ({"a": 1}.values(), "[1]"),
        (collections.OrderedDict(b=1, a=2), '{"b":1,"a":2}'),
        (Pair(1, 2), "[1,2]"),
        (Colour.RED, '"red"'),
        (Level.HIGH, "3"),
        ({"l": Level.HIGH}, '{"l":3}'),
        (Text("text"), '"text"'),
        (Point(1, Point(2, [Colour.ONE])), '{"x":1,"y":{"x":2,"y":[1]}}'),
        (User(userName="Ada", extra=Point(1)), '{"name":"Ada","extra":{"x":1,"y":null}}'),
        ([User(userName="Ada")], '[{"name":"Ada","extra":null}]'),
        (Chosen(), '{"data":"_w==","number":"Infinity"}'),
        (Doubled(number=4), '{"number":8}'),
        (Record(3), '{"size":3}'),
        (dt.datetime(2024, 5, 1, 12, tzinfo=UTC), '"2024-05-01T12:00:00Z"'),
        (dt.date(2024, 5, 1), '"2024-05-01"'),
        (dt.time(12, 30), '"12:30:00"'),
        (dt.timedelta(hours=1), '"PT1H"'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (decimal.Decimal("1.10"), '"1.10"'),
        (pathlib.PurePosixPath("/a"), '"/a"'),
        (End(), '{"channel_id":"c","access_key":"k","direction":"read"}'),
        ({"r": [End()]}, '{"r":[{"channel_id":"c","access_key":"k","direction":"read"}]}'),
        ({2: "a", None: "b", False: "c", True: "d", 1.5: "e", Colour.RED: "f"}, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_a_json_form(value, text):
    written = to_json(value).decode()
    assert written == (text or '{"2":"a","null":"b","false":"c","true":"d","1.5":"e","red":"f"}')
    json.loads(written)


def endless():
    value = []
    value.append(value)
    return value


async def coroutine():
    pass


class Numbers:
    def tolist(self):
        return [1]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"x", "result is bytes: JSON has no bytes; send base64"),
        (bytearray(b"x"), "result is bytearray"),
        (memoryview(b"x"), "result is memoryview"),
        (math.nan, "result is nan: JSON has no such number"),
        ({"a": [1, {"b c": math.inf}]}, "result.a[1]['b c'] is inf"),
        ([-math.inf], "result[0] is -inf"),
        ({"items": [Point(1, math.nan)]}, "result.items[0].y is nan"),
        (decimal.Decimal("NaN"), "result is NaN"),
        (User(userName="a", extra=math.nan), "result.extra is nan"),
        (User(userName="a", extra={"k": [b"x"]}), "result.extra.k[0] is bytes"),
        (User(userName="a", extra=b"\xff"), "result.extra is bytes"),
        (User(userName="a", extra=object()), "result.extra is of type object, which has no JSON form"),
        ("\ud800", "result holds the lone surrogate '\\ud800'"),
        ({"k\udfff": 1}, "holds the lone surrogate"),
        ([Point(1, "\ud800")], "result[0].y holds the lone surrogate"),
        (endless(), "is nested deeper than 120 levels"),
        ({(1, 2): 1}, "result has the key (1, 2): keys are texts"),
        (object(), "send a dict, a list, a dataclass or a pydantic model"),
        (Numbers(), "send .tolist() of it"),
        ((n for n in [1]), "result is of type generator: send list(...) of it"),
        (iter([1]), "send list(...) of it"),
        (ValueError("x"), "result is of type ValueError: raise it"),
        (User, "result is of type pydantic"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_none_is_refused_by_its_place(value, message):
    with pytest.raises(NotJsonError) as caught:
        to_json(value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.code == "invocation_failed"
    assert len(str(caught.value)) < 400


def test_what_was_not_awaited_is_named_and_closed():
    with pytest.raises(NotJsonError, match="was not awaited"):
        to_json({"later": coroutine()})


def test_the_error_calls_it_what_it_is():
    with pytest.raises(NotJsonError, match=r"^payload\.x is nan"):
        to_json({"x": math.nan}, "payload")
    with pytest.raises(TypeError):
        to_json(b"")


def nested(depth, make):
    value = 1
    for _ in range(depth):
        value = make(value)
    return value


@pytest.mark.parametrize("make", [lambda v: [v], lambda v: {"k": v}, lambda v: (v,), lambda v: Point(1, v)])
def test_as_deep_as_engines_take(make):
    assert to_json(nested(120, make))
    with pytest.raises(NotJsonError, match="nested deeper than 120"):
        to_json(nested(121, make))


def test_one_that_is_changed_meanwhile_is_an_error_not_a_crash():
    class Growing(dict):
        def items(self):
            for key in list(dict.keys(self)):
                self[key + "!"] = 1
                yield key, 1
            raise RuntimeError("dictionary changed size during iteration")

    with pytest.raises(NotJsonError, match="result cannot be written as JSON: dictionary changed"):
        to_json(Growing(a=1))


def test_encoders_are_for_derived_classes_too(monkeypatch):
    monkeypatch.setattr(values, "_encoders", {})

    class Money:
        def __init__(self, cents):
            self.cents = cents

    class Euros(Money):
        pass

    register_encoder(Money, lambda money: {"cents": money.cents})
    assert to_json([Euros(5)]) == b'[{"cents":5}]'
    register_encoder(Euros, lambda money: money)
    with pytest.raises(NotJsonError, match="nested deeper"):
        to_json(Euros(5))


def test_reading_revives_only_what_may_hold_references():
    seen = []

    def revive(value):
        seen.append(value)
        return "revived"

    assert from_json(b'{"a":1}', revive) == {"a": 1}
    assert from_json(b'{"channel_id":"c"}', revive) == "revived"
    assert from_json(b'{"channel_id":"c"}') == {"channel_id": "c"}
    assert seen == [{"channel_id": "c"}]
    assert from_json(msgspec.Raw(b"[1]"), revive) == [1]


def test_type_names_are_as_users_write_them():
    assert values.type_name(int) == "int"
    assert values.type_name(Point).endswith("test_values.Point")
    assert values.type_name(list[int]) == "list"
