import dataclasses
import datetime as dt
import enum
import typing
import uuid

import msgspec
import pydantic
import pytest

from iii_worker.hints import NO_HINT
from iii_worker.inputs import InvalidRequestError, reader_for

CALLER = b'"_caller_worker_id":"7f9a702b-0000-4000-8000-000000000000"'


class Address(pydantic.BaseModel):
    zip_code: str


class User(pydantic.BaseModel):
    name: str
    age: int = pydantic.Field(ge=0)
    addresses: list[Address] = []


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True)
    day: dt.date
    tags: set[str] = set()


class Knowing(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    caller: str = pydantic.Field(alias="_caller_worker_id")


class Page(pydantic.BaseModel):
    limit: int = 10


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Options(typing.TypedDict, total=False):
    first: int


class Order(typing.TypedDict):
    id: int
    options: typing.NotRequired[Options]


class Record(msgspec.Struct, forbid_unknown_fields=True):
    size: int


def read(hint, text, **options):
    return reader_for(hint, "payload", options.pop("revive", None), **options)(text)


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (NO_HINT, b'{"a":1}', {"a": 1}),
        (typing.Any, b"null", None),
        (object, b"[1]", [1]),
        (dict, b'{"a":1}', {"a": 1}),
        (dict[str, typing.Any], b"{}", {}),
        (str, b'"x"', "x"),
        (int, b"7", 7),
        (list[int], b"[1,2]", [1, 2]),
        (dict[str, int], b'{"a":1}', {"a": 1}),
        (tuple[int, str], b'[1,"a"]', (1, "a")),
        (set[int], b"[1,1]", {1}),
        (Colour, b'"red"', Colour.RED),
        (typing.Literal["a", "b"], b'"b"', "b"),
        (int | str, b'"b"', "b"),
        (str | None, b"null", None),
        (uuid.UUID, b'"00000000-0000-0000-0000-000000000001"', uuid.UUID(int=1)),
        (dt.datetime, b'"2024-05-01T12:00:00Z"', dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)),
        (typing.Annotated[int, pydantic.Field(gt=3)], b"4", 4),
        (User, b'{"name":"Ada","age":3}', User(name="Ada", age=3)),
        (list[User], b'[{"name":"Ada","age":3}]', [User(name="Ada", age=3)]),
        (Point, b'{"x":1}', Point(1)),
        (Order, b'{"id":1,"options":{"first":2}}', {"id": 1, "options": {"first": 2}}),
        (list[Order], b'[{"id":1}]', [{"id": 1}]),
        (Order | None, b'{"id":1}', {"id": 1}),
        (Record, b'{"size":3}', Record(3)),
        (Strict, b'{"day":"2024-05-01","tags":["a"]}', Strict(day=dt.date(2024, 5, 1), tags={"a"})),
    ],
    ids=str,
)
def test_payloads_become_what_the_hint_says(hint, text, value):
    result = read(hint, text)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("hint", "text", "parts"),
    [
        (User, b'{"age":3}', ["the payload is not valid: name: Field required"]),
        (User, b'{"name":4,"age":-1}', ["name: Input should be a valid string, and is a number", "age: Input should"]),
        (User, b'{"name":"a","age":1,"addresses":[{},{"zip_code":null}]}', ["addresses[0].zip_code: Field", "[1].zip"]),
        (User, b"[]", ["Input should be an object, and is an array"]),
        (Point, b'{"x":"no"}', ["x: Input should be a valid integer"]),
        (Order, b"{}", ["id: Field required"]),
        (dict, b"[1]", ["the payload is an array, and must be an object"]),
        (dict, b'"x"', ["the payload is a text, and must be an object"]),
        (int, b'"x"', ["Input should be a valid integer"]),
        (int, b"null", ["Input should be a valid integer"]),
        (Colour, b'"blue"', ["Input should be 'red'"]),
        (Record, b'{"size":"x"}', ["Expected `int`, got `str` - at `$.size`"]),
        (Record, b"null", ["missing required field `size`"]),
        (User, b"null", ["name: Field required; age: Field required"]),
        (list[int], b"[" + b",".join([b'"x"'] * 20) + b"]", ["[0]: Input", "and 12 more"]),
        (NO_HINT, b"{oops", ["the payload is no JSON"]),
        (dict, b"[" * 2000, ["the payload is no JSON"]),
        (User, b"{oops", ["the payload is not valid: Invalid JSON"]),
    ],
    ids=str,
)
def test_a_bad_payload_is_answered_in_one_line_that_names_the_fields(hint, text, parts):
    with pytest.raises(InvalidRequestError) as caught:
        read(hint, text)
    message = str(caught.value)
    for part in parts:
        assert part in message
    assert "\n" not in message
    assert caught.value.code == "invalid_request"


def test_a_validators_own_words_are_kept():
    class Even(pydantic.BaseModel):
        number: int

        @pydantic.field_validator("number")
        @classmethod
        def even(cls, number):
            if number % 2:
                raise ValueError("it must\nbe even")
            return number

    with pytest.raises(InvalidRequestError, match=r"number: it must be even$"):
        read(Even, b'{"number":3}')


def test_no_payload_is_an_empty_object_where_an_object_is_wanted():
    assert read(Page, b"null") == Page()
    assert read(dict, b"null") == {}
    assert read(Page | None, b"null") is None


def test_no_payload_is_the_parameters_default():
    assert read(Page, b"null", default=None) is None
    assert read(dict, b"null", default=None) is None
    default = {"a": 1}
    result = read(dict, b"null", default=default)
    assert result == default
    assert result is not default
    assert read(int, b"null", default=7) == 7


@pytest.mark.parametrize("place", ["last", "first", "alone", "spaced", "nested"])
def test_what_the_engine_adds_does_not_disturb_strict_types(place):
    texts = {
        "last": b'{"day":"2024-05-01",' + CALLER + b"}",
        "first": b"{" + CALLER + b',"day":"2024-05-01"}',
        "spaced": b' { "day" : "2024-05-01" , ' + CALLER.replace(b":", b" : ") + b" } ",
    }
    if place in texts:
        assert read(Strict, texts[place]) == Strict(day=dt.date(2024, 5, 1))
    elif place == "alone":
        assert read(dict[str, int], b"{" + CALLER + b"}") == {}
    else:
        text = b'{"a":{"b":{' + CALLER + b"}}," + CALLER + b"}"
        assert read(dict[str, dict[str, dict[str, str]]], text)["a"]["b"].keys() == {"_caller_worker_id"}


def test_who_asks_for_the_caller_gets_it():
    assert read(Knowing, b"{" + CALLER + b"}").caller.startswith("7f9a")
    assert "_caller_worker_id" in read(NO_HINT, b"{" + CALLER + b"}")
    assert "_caller_worker_id" in read(dict, b"{" + CALLER + b"}")


def test_a_text_that_looks_like_it_is_left_alone():
    text = b'["' + CALLER.replace(b'"', b'\\"') + b'}"]'
    assert read(list[str], text) == [CALLER.decode() + "}"]
    assert read(str, text[1:-1]) == CALLER.decode() + "}"


REF = b'{"channel_id":"c","access_key":"k","direction":"read"}'


class Reader:
    pass


class Holding(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    file: Reader


class Ref(pydantic.BaseModel):
    channel_id: str


class Naming(pydantic.BaseModel):
    file: Ref


def revive(value):
    return {**value, "file": Reader()}


def test_channel_references_are_revived_for_types_that_want_them_so():
    text = b'{"file":' + REF + b"}"
    assert type(read(NO_HINT, text, revive=revive)["file"]) is Reader
    assert type(read(dict, text, revive=revive)["file"]) is Reader
    assert type(read(Holding, text, revive=revive).file) is Reader
    assert read(Naming, text, revive=revive).file.channel_id == "c"


def test_what_nothing_can_be_validated_into_is_passed_as_it_is(caplog):
    assert read(Reader, b'{"a":1}') == {"a": 1}
    assert "Nothing can be validated into" in caplog.text
    assert "Reader" in caplog.text
