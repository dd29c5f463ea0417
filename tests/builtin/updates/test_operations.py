"""A malformed operation refuses the whole request, in the protocol's words (state.md §4)."""

import json

import pytest
from msgspec import Raw

from iii_actors.builtin.updates import operations
from iii_actors.builtin.updates.operations import MalformedOperation


def read(ops):
    return operations(Raw(json.dumps(ops).encode()))


@pytest.mark.parametrize(
    ("ops", "reason"),
    [
        (None, "invalid type: null, expected a sequence"),
        ({}, "invalid type: map, expected a sequence"),
        ("x", 'invalid type: string "x", expected a sequence'),
        ([5], "invalid type: integer `5`, expected internally tagged enum UpdateOp"),
        ([{}], "missing field `type`"),
        ([{"type": 5}], "invalid type: integer `5`, expected variant identifier"),
        (
            [{"type": "foo"}],
            "unknown variant `foo`, expected one of `set`, `merge`, `increment`, `decrement`, `append`, `remove`",
        ),
        ([{"type": "set", "value": 1}], "missing field `path`"),
        ([{"type": "remove"}], "missing field `path`"),
        ([{"type": "set", "path": None}], "invalid type: null, expected a string"),
        ([{"type": "set", "path": ["a"], "value": 1}], "invalid type: sequence, expected a string"),
        ([{"type": "increment", "path": ["a"], "by": 1}], "invalid type: sequence, expected a string"),
        ([{"type": "remove", "path": {}}], "invalid type: map, expected a string"),
        ([{"type": "merge", "path": 5, "value": {}}], "data did not match any variant of untagged enum MergePath"),
        ([{"type": "append", "path": ["a", 5]}], "data did not match any variant of untagged enum MergePath"),
        ([{"type": "increment", "path": "a"}], "missing field `by`"),
        ([{"type": "increment", "path": "a", "by": 1.5}], "invalid type: floating point `1.5`, expected i64"),
        ([{"type": "decrement", "path": "a", "by": 1.0}], "invalid type: floating point `1.0`, expected i64"),
        ([{"type": "increment", "path": "a", "by": "1"}], 'invalid type: string "1", expected i64'),
        ([{"type": "increment", "path": "a", "by": True}], "invalid type: boolean `true`, expected i64"),
        ([{"type": "increment", "path": "a", "by": None}], "invalid type: null, expected i64"),
        ([{"type": "increment", "path": "a", "by": 2**63}], f"invalid value: integer `{2**63}`, expected i64"),
        ([{"type": "set", "path": "a", "value": 1}, {"type": "foo"}], "unknown variant `foo`, expected one of"),
    ],
)
def test_what_is_wrong_is_named(ops, reason):
    with pytest.raises(MalformedOperation) as refused:
        read(ops)
    assert str(refused.value).startswith(reason)


def test_the_limits_of_by():
    low, high = read([{"type": "increment", "path": "a", "by": by} for by in (-(2**63), 2**63 - 1)])
    assert (low.by, high.by) == (-(2**63), 2**63 - 1)


@pytest.mark.parametrize(
    ("path", "segments"),
    [("", ()), ("a", ("a",)), ("a.b/c[0]", ("a.b/c[0]",)), (None, ()), ([], ()), (["a", ""], ("a", ""))],
)
def test_paths_of_merge_and_append(path, segments):
    for kind in ("merge", "append"):
        (operation,) = read([{"type": kind, "path": path, "value": 1}])
        assert operation.segments == segments


def test_what_may_be_left_out_and_what_is_ignored():
    merge, append, set_ = read(
        [{"type": "merge"}, {"type": "append", "more": 1}, {"type": "set", "path": "", "by": "x"}]
    )
    assert merge.segments == append.segments == set_.segments == ()
    assert bytes(set_.value) == b"null"
    assert read([]) == []


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b"[" + b"[" * 100_000 + b"]" * 100_000 + b"]",
        b'[{"type":"set","path":' + b"[" * 100_000,
        b"1e400",
        b'[{"type":"increment","path":"a","by":1e400}]',
        b"[1e400]",
        b"[",
    ],
    ids=lambda text: repr(text[:30]),
)
def test_whatever_cannot_be_read_is_refused(text):
    with pytest.raises(MalformedOperation, match=r"."):
        operations(Raw(text))
