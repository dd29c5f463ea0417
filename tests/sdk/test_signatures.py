from __future__ import annotations

import functools
import typing

import pydantic
import pytest

from iii_worker.hints import NO_HINT
from iii_worker.signatures import shape_of


class User(pydantic.BaseModel):
    name: str


def plain(data: User) -> int: ...
def with_metadata(data, metadata: dict): ...
def keyword_metadata(data, *, metadata=None): ...
def only_metadata(*, metadata): ...
def metadata_first(metadata): ...
def metadata_third(data, other=None, metadata=None): ...
def nothing(): ...
def anything(*args, **kwargs): ...
def defaults(data: int = 3, flag=True): ...
async def coroutine(data: str): ...


class Object:
    def __call__(self, data: User): ...

    async def method(self, data: User): ...

    @classmethod
    def of_class(cls, data: User): ...

    @staticmethod
    def static(data: User): ...


class AsyncObject:
    async def __call__(self, data): ...


class Made:
    def __init__(self, data: User): ...


def wrapped_by(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    ("handler", "payload", "metadata", "hint"),
    [
        (plain, True, "", User),
        (with_metadata, True, "positional", NO_HINT),
        (keyword_metadata, True, "keyword", NO_HINT),
        (only_metadata, False, "keyword", NO_HINT),
        (metadata_first, True, "", NO_HINT),
        (metadata_third, True, "", NO_HINT),
        (nothing, False, "", NO_HINT),
        (anything, True, "", NO_HINT),
        (defaults, True, "", int),
        (coroutine, True, "", str),
        (lambda data: data, True, "", NO_HINT),
        (Object(), True, "", User),
        (Object().method, True, "", User),
        (Object.of_class, True, "", User),
        (Object.static, True, "", User),
        (Made, True, "", User),
        (functools.partial(with_metadata, metadata={}), True, "keyword", NO_HINT),
        (functools.partial(plain), True, "", User),
        (wrapped_by(plain), True, "", User),
        (print, True, "", NO_HINT),
        (dict, True, "", NO_HINT),
    ],
)
def test_shapes(handler, payload, metadata, hint):
    shape = shape_of(handler)
    assert (shape.payload, shape.metadata, shape.payload_hint) == (payload, metadata, hint)


def test_which_are_coroutine_functions():
    for handler in (coroutine, AsyncObject(), Object().method, functools.partial(coroutine)):
        assert shape_of(handler).coroutine, handler
    for handler in (plain, Object(), Made):
        assert not shape_of(handler).coroutine, handler


def test_what_else_is_said():
    shape = shape_of(plain)
    assert shape.return_hint is int
    assert shape.payload_default is NO_HINT
    assert shape_of(defaults).payload_default == 3
    assert shape_of(with_metadata).metadata_hint is dict
    bare = shape.without_hints()
    assert bare.payload_hint is NO_HINT
    assert bare.return_hint is int


@pytest.mark.parametrize(
    ("handler", "missing"),
    [
        (lambda a, b: None, "b"),
        (lambda a, b, c=1, *, d: None, "b, d"),
        (lambda a, metadata, c: None, "c"),
    ],
)
def test_a_handler_that_wants_more_is_refused_at_once(handler, missing):
    with pytest.raises(TypeError, match=f"more required parameters than it is given: {missing}\\. A handler takes"):
        shape_of(handler)


def test_a_local_class_is_found():
    class Local(pydantic.BaseModel):
        x: int

    def handler(data: Local) -> list[Local]: ...

    shape = shape_of(handler)
    assert shape.payload_hint is Local
    assert shape.return_hint == list[Local]


def test_what_cannot_be_resolved_is_ignored_and_the_rest_is_not(caplog):
    def handler(data: Nowhere) -> int: ...  # noqa: F821  that it is nowhere is the point

    shape = shape_of(handler)
    assert shape.payload_hint is NO_HINT
    assert shape.return_hint is int
    assert "'Nowhere' of 'data' in handler" in caplog.text


def test_annotated_hints_are_kept_whole():
    def handler(data: typing.Annotated[int, pydantic.Field(gt=1)]): ...

    assert typing.get_origin(shape_of(handler).payload_hint) is typing.Annotated
