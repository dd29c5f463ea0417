"""The update language against a model of it: whatever is asked for, both come to the same document and errors."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from iii_actors.builtin.updates import apply, operations
from tests.builtin.updates.model import MISSING, run

KEYS = st.sampled_from(
    ["a", "b", "a.b", "0", "é", "\0", "__proto__", "prototype", "constructor", "", "x" * 257, "ü" * 128]
)
NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 0.5, -1e300, 10**30]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.sampled_from(["", "s", "é"]))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2), max_leaves=6
)
BY = st.one_of(st.integers(-3, 3), st.sampled_from([2**63 - 1, -(2**63), 2**62]))
DEEP = st.one_of(st.none(), KEYS, st.lists(KEYS, max_size=4), st.lists(st.just("d"), min_size=32, max_size=33))


def nested(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels - 1):
        value = {"n": value} if levels % 2 else [value]
    return {"top": value}


MERGED = st.one_of(
    VALUES,
    st.dictionaries(KEYS, VALUES, max_size=3),
    st.integers(14, 17).map(nested),
    st.integers(1023, 1025).map(lambda size: {f"k{number}": 0 for number in range(size)}),
)
OPERATIONS = st.one_of(
    st.fixed_dictionaries({"type": st.just("set"), "path": KEYS}, optional={"value": VALUES}),
    st.fixed_dictionaries({"type": st.just("merge")}, optional={"path": DEEP, "value": MERGED}),
    st.fixed_dictionaries({"type": st.just("append")}, optional={"path": DEEP, "value": VALUES}),
    st.fixed_dictionaries({"type": st.sampled_from(["increment", "decrement"]), "path": KEYS, "by": BY}),
    st.fixed_dictionaries({"type": st.just("remove"), "path": KEYS}),
)


def carried_out(text: bytes | None, ops: list[dict[str, Any]]) -> tuple[bytes, list[Any]]:
    """The engine's own way, from text to text."""
    applied = apply(text, operations(msgspec.Raw(json.dumps(ops).encode())))
    return applied.text, json.loads(msgspec.json.encode(applied.errors))


def same(one: Any, other: Any) -> bool:
    """Equal, with 1 and 1.0 and true told apart."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@given(st.one_of(st.just(MISSING), VALUES), st.lists(OPERATIONS, max_size=5))
@settings(max_examples=400, deadline=None)
def test_one_request(stored, ops):
    text, errors = carried_out(None if stored is MISSING else json.dumps(stored).encode(), ops)
    expected, expected_errors = run(stored, ops)
    assert same(json.loads(text), expected)
    assert errors == expected_errors


class Requests(RuleBasedStateMachine):
    """One value over its life: requests, writes and removals."""

    @initialize()
    def nothing(self) -> None:
        self.text: bytes | None = None
        self.expected: Any = MISSING

    @rule(ops=st.lists(OPERATIONS, max_size=4))
    def update(self, ops: list[dict[str, Any]]) -> None:
        self.text, errors = carried_out(self.text, ops)
        self.expected, expected_errors = run(self.expected, ops)
        assert errors == expected_errors

    @rule(value=VALUES)
    def set(self, value: Any) -> None:
        self.text, self.expected = json.dumps(value).encode(), value

    @rule()
    def delete(self) -> None:
        self.text, self.expected = None, MISSING

    @invariant()
    def they_agree(self) -> None:
        if self.text is None:
            assert self.expected is MISSING
        else:
            assert same(json.loads(self.text), self.expected)


Requests.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
TestRequests = Requests.TestCase
