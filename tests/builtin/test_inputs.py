"""Inputs that are wrong, in the protocol's words."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw, Struct

from iii_actors.builtin.inputs import Input
from iii_actors.errors import DeserializationError


class Inner(Struct):
    path: str


class Given(Struct):
    scope: str
    count: int = 0
    share: float = 0.0
    on: bool = False
    keys: list[str] = []
    inner: Inner | None = None
    by_name: dict[str, int] = {}
    name: str | None = None


INPUT = Input("state::set", Given, "StateSetInput")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"null", "invalid type: null, expected struct StateSetInput"),
        (b"5", "invalid type: integer `5`, expected struct StateSetInput"),
        (b'"s"', 'invalid type: string "s", expected struct StateSetInput'),
        (b"[]", "invalid type: sequence, expected struct StateSetInput"),
        (b"{}", "missing field `scope`"),
        (b'{"scope":5}', "invalid type: integer `5`, expected a string"),
        (b'{"scope":null}', "invalid type: null, expected a string"),
        (b'{"scope":["s"]}', "invalid type: sequence, expected a string"),
        (b'{"scope":"s","count":1.5}', "invalid type: floating point `1.5`, expected i64"),
        (b'{"scope":"s","count":"1"}', 'invalid type: string "1", expected i64'),
        (b'{"scope":"s","share":"1"}', 'invalid type: string "1", expected f64'),
        (b'{"scope":"s","on":1}', "invalid type: integer `1`, expected a boolean"),
        (b'{"scope":"s","keys":{}}', "invalid type: map, expected a sequence"),
        (b'{"scope":"s","keys":["a",true]}', "invalid type: boolean `true`, expected a string"),
        (b'{"scope":"s","inner":5}', "invalid type: integer `5`, expected a map"),
        (b'{"scope":"s","inner":{"path":5}}', "invalid type: integer `5`, expected a string"),
        (b'{"scope":"s","inner":{}}', "missing field `path`"),
        (b'{"scope":"s","name":5}', "invalid type: integer `5`, expected a string"),
    ],
)
def test_what_is_wrong_is_named(data, reason):
    with pytest.raises(DeserializationError) as refused:
        INPUT.read(Raw(data))
    assert str(refused.value) == f"Failed to deserialize input for state::set: {reason}"


@pytest.mark.parametrize("data", [b'{"scope":"s","by_name":{"a":"x"}}', b'{"scope":', b"[" * 100_000])
def test_whatever_cannot_be_read_is_an_error_all_the_same(data):
    with pytest.raises(DeserializationError, match=r"Failed to deserialize input for state::set: ."):
        INPUT.read(Raw(data))


def test_what_is_not_named_is_ignored():
    assert INPUT.read(Raw(b'{"scope":"s","_caller_worker_id":5,"more":[{}]}')) == Given("s")


def test_the_caller_of_a_function_may_refuse_what_the_types_let_through():
    assert str(INPUT.refused("no")) == "Failed to deserialize input for state::set: no"


def test_types_that_are_no_struct_are_read_too():
    assert Input("f", dict[str, int], "F").read(Raw(b'{"a":1}')) == {"a": 1}
    assert msgspec.json.encode(INPUT.read(Raw(b'{"scope":"s"}')))
