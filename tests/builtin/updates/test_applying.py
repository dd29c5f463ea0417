"""Every row of the tables of effects, limits and errors (state.md §4.1 to §4.3), written out."""

import json

import msgspec
import pytest
from msgspec import Raw

from iii_actors.builtin.updates import apply, operations

MISSING = object()
DOC_URL = "https://iii.dev/docs/workers/iii-state#error-codes"


def applied(stored, *ops):
    text = None if stored is MISSING else json.dumps(stored).encode()
    result = apply(text, operations(Raw(json.dumps(ops).encode())))
    return json.loads(result.text), json.loads(msgspec.json.encode(result.errors))


def op(kind, path="", value=None, **more):
    given = {"by": value} if kind in ("increment", "decrement") else {} if kind == "remove" else {"value": value}
    return {"type": kind, "path": path} | given | more


@pytest.mark.parametrize(
    ("stored", "one", "expected"),
    [
        # set
        ({"a": 1}, op("set", "", [1]), [1]),
        ({"count": 0, "name": "n"}, op("set", "count", 5), {"count": 5, "name": "n"}),
        ({}, op("set", "a.b", 1), {"a.b": 1}),
        (MISSING, op("set", "a", {"b": None}), {"a": {"b": None}}),
        # merge
        ({"a": 1, "b": 2}, op("merge", "", {"b": 3, "c": {"d": 1}}), {"a": 1, "b": 3, "c": {"d": 1}}),
        ("text", op("merge", "", {"b": 3}), "text"),
        (None, op("merge", [], {"b": 3}), None),
        ({"s": {"a": 1}}, op("merge", "s", {"b": 2}), {"s": {"a": 1, "b": 2}}),
        ({"s": 5}, op("merge", ["s", "t"], {"b": 2}), {"s": {"t": {"b": 2}}}),
        ([1], op("merge", ["s"], {"b": 2}), {"s": {"b": 2}}),
        (MISSING, op("merge", ["a", "b"], {}), {"a": {"b": {}}}),
        # increment, decrement
        (MISSING, op("increment", "", 3), 3),
        (MISSING, op("decrement", "", 3), -3),
        (5, op("increment", "", 3), 8),
        ({"n": 1}, op("increment", "n", 2), {"n": 3}),
        ({"n": 1}, op("decrement", "n", 2), {"n": -1}),
        ({}, op("increment", "n", 2), {"n": 2}),
        ({}, op("decrement", "n", 3), {"n": -3}),
        ({"n": 1.5}, op("increment", "n", 2), {"n": 3.5}),
        ({"n": 2**63 - 1}, op("increment", "n", 1), {"n": 2**63}),
        ({"n": -(2**63) + 1}, op("decrement", "n", 1), {"n": -(2**63)}),
        ({}, op("decrement", "n", -(2**63)), {"n": 2**63}),
        # append
        (MISSING, op("append", "", "x"), "x"),
        (MISSING, op("append", "", 1), [1]),
        (MISSING, op("append", "a", "x"), {"a": "x"}),
        (MISSING, op("append", ["a", "b"], "x"), {"a": {"b": ["x"]}}),
        (None, op("append", "", "x"), "x"),
        ([1], op("append", "", [2]), [1, [2]]),
        ("a", op("append", "", "b"), "ab"),
        ({"events": []}, op("append", "events", {"k": 1}), {"events": [{"k": 1}]}),
        ({"t": "hello"}, op("append", "t", " world"), {"t": "hello world"}),
        ({"t": None}, op("append", "t", 5), {"t": [5]}),
        ({"a": {"b": None}}, op("append", ["a", "b"], "x"), {"a": {"b": "x"}}),
        ({"a": 5}, op("append", ["a", "b"], 1), {"a": {"b": [1]}}),
        # remove
        ({"a": 1}, op("remove", ""), None),
        ({"a": 1, "b": 2}, op("remove", "a"), {"b": 2}),
        ({}, op("remove", "a"), {}),
        (MISSING, op("remove", ""), None),
    ],
)
def test_an_effect(stored, one, expected):
    document, errors = applied(stored, one)
    assert (document, type(document)) == (expected, type(expected))
    assert errors == []


LONG = "x" * 257
WIDE = "é" * 129


def too_deep(levels):
    value = {}
    for _ in range(levels - 1):
        value = {"k": value}
    return value


@pytest.mark.parametrize(
    ("stored", "one", "code", "message"),
    [
        *[
            ([], op(kind, "k", 1), f"{kind}.target_not_object", f"Cannot {kind} at path 'k': target is array, expected object.")
            for kind in ("set", "increment", "decrement", "remove")
        ],
        ("s", op("append", "k", 1), "append.target_not_object", "Cannot append at path '[k]': target is string, expected object."),
        (True, op("append", ["a", "b"], 1), "append.target_not_object", "Cannot append at path '[a, b]': target is boolean, expected object."),
        ({}, op("increment", "", 1), "increment.not_number", "Expected number at path 'root', got object."),
        ({"n": None}, op("increment", "n", 1), "increment.not_number", "Expected number at path 'n', got null."),
        ({"n": True}, op("decrement", "n", 1), "decrement.not_number", "Expected number at path 'n', got boolean."),
        ({"n": 2**64 - 1}, op("increment", "n", 1), "increment.not_number", "Expected number at path 'n', got number."),
        ({"n": -(2**63)}, op("decrement", "n", 1), "decrement.not_number", "Expected number at path 'n', got number."),
        ({"t": "a"}, op("append", "t", 1), "append.type_mismatch", "Expected string append value at path 't', got number."),
        ("a", op("append", "", []), "append.type_mismatch", "Expected string append value at path 'root', got array."),
        (
            {},
            op("append", "", 1),
            "append.type_mismatch",
            "Cannot append at path 'root': target is object, expected array, string, null, or missing field.",
        ),
        (
            {"a": {"b": 5}},
            op("append", ["a", "b"], 1),
            "append.type_mismatch",
            "Cannot append at path 'b': target is number, expected array, string, null, or missing field.",
        ),
        *[
            (MISSING, op("merge", ["k"] * 33, {}), "merge.path.too_deep", "Path depth 33 exceeds maximum of 32"),
            (MISSING, op("append", ["k", ""], 1), "append.path.empty_segment", "Path contains an empty segment"),
            (MISSING, op("append", ["", LONG], 1), "append.path.empty_segment", "Path contains an empty segment"),
        ],
        *[
            (MISSING, op(kind, LONG, 1), f"{kind}.path.segment_too_long", "Path segment of 257 bytes exceeds maximum of 256")
            for kind in ("set", "merge", "append", "increment", "decrement", "remove")
        ],
        (MISSING, op("set", WIDE, 1), "set.path.segment_too_long", "Path segment of 258 bytes exceeds maximum of 256"),
        *[
            (MISSING, op("remove", name), "remove.path.proto_polluted", f"Path segment '{name}' is not allowed (prototype pollution).")
            for name in ("__proto__", "constructor", "prototype")
        ],
        (MISSING, op("merge", "__proto__", 5), "merge.path.proto_polluted", "Path segment '__proto__' is not allowed (prototype pollution)."),
        *[
            (MISSING, op("merge", "k", value), "merge.value.not_an_object", "Merge value must be a JSON object")
            for value in (None, [], "s", 1)
        ],
        (
            MISSING,
            op("merge", "", {f"k{number}": 0 for number in range(1025)}),
            "merge.value.too_many_keys",
            "Merge value has 1025 top-level keys, exceeds maximum of 1024",
        ),
        (
            MISSING,
            op("merge", "", {"constructor": 1}),
            "merge.value.proto_polluted",
            'Merge value top-level key "constructor" is a prototype-pollution sink',
        ),
        (
            MISSING,
            op("merge", "", too_deep(17)),
            "merge.value.too_deep",
            "Merge value JSON nesting depth 17 exceeds maximum of 16",
        ),
    ],
)  # fmt: skip
def test_a_rejection_changes_nothing(stored, one, code, message):
    document, errors = applied(stored, one)
    assert document == ({} if stored is MISSING else stored)
    assert errors == [{"op_index": 0, "code": code, "message": message, "doc_url": DOC_URL}]


def test_what_is_just_within_the_limits():
    document, errors = applied(
        MISSING,
        op("merge", ["k"] * 32, {f"k{number}": 0 for number in range(1024)}),
        op("merge", "", too_deep(16)),
        op("merge", "", {"inner": {"__proto__": 1}}),
        op("set", "é" * 128, {"__proto__": too_deep(40)}),
    )
    assert errors == []
    assert document["é" * 128] == {"__proto__": too_deep(40)}
    assert document["inner"] == {"__proto__": 1}


def test_each_operation_sees_those_before_it_and_a_rejected_one_stops_nobody():
    document, errors = applied(
        {"n": 1, "t": "a"},
        op("increment", "n", 1),
        op("append", "n", 1),
        op("append", "t", "b"),
        op("set", "__proto__", 1),
        op("increment", "n", 1),
    )
    assert document == {"n": 3, "t": "ab"}
    assert [(error["op_index"], error["code"]) for error in errors] == [
        (1, "append.type_mismatch"),
        (3, "set.path.proto_polluted"),
    ]


def test_a_missing_value_is_fresh_until_an_operation_succeeds():
    assert applied(MISSING) == ({}, [])
    document, errors = applied(MISSING, op("set", "__proto__", 1), op("increment", "", 5), op("increment", "", 1))
    assert (document, len(errors)) == (6, 1)
    document, errors = applied(MISSING, op("remove", "k"), op("increment", "", 5))
    assert (document, errors[0]["code"]) == ({}, "increment.not_number")
    assert applied({}, op("append", "", 1))[1][0]["code"] == "append.type_mismatch"


def test_the_operations_may_be_applied_again():
    asked = operations(Raw(b'[{"type":"append","path":"a","value":[]},{"type":"append","path":"a","value":1}]'))
    first, second = apply(None, asked), apply(None, asked)
    assert first.text == second.text == b'{"a":[[],1]}'


@pytest.mark.parametrize("text", [b"1e400", b'{"a":', b"[" * 100_000])
def test_a_stored_text_that_cannot_be_read_is_an_error(text):
    with pytest.raises((msgspec.MsgspecError, RecursionError)):
        apply(text, [])
