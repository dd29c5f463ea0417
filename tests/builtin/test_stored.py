"""Answers about a change, and failures of a store."""

import json

import pytest

from iii_actors.builtin.stored import StoredValueError, change_text, failure
from iii_actors.builtin.updates.applying import ErrorEntry
from iii_actors.storage import Change, Entry, StorageError, VersionConflict

ONE, TWO = Entry(b'{"a":1}', 1), Entry(b"2", 7)


@pytest.mark.parametrize(
    ("change", "versioned", "text"),
    [
        (Change(None, TWO), False, b'{"old_value":null,"new_value":2}'),
        (Change(ONE, TWO), False, b'{"old_value":{"a":1},"new_value":2}'),
        (Change(ONE, None), True, b'{"old_value":{"a":1},"new_value":null}'),
        (Change(None, TWO), True, b'{"old_value":null,"new_value":2,"version":7}'),
        (Change(None, TWO, []), False, b'{"old_value":null,"new_value":2}'),
    ],
)
def test_both_values_are_told(change, versioned, text):
    assert change_text(change, versioned=versioned) == text


def test_rejected_operations_are_told_with_them():
    told = json.loads(change_text(Change(None, TWO, [ErrorEntry(0, "c", "m")]), versioned=True))
    assert told["errors"] == [
        {"op_index": 0, "code": "c", "message": "m", "doc_url": "https://iii.dev/docs/workers/iii-state#error-codes"}
    ]
    assert told["version"] == 7


def test_a_failure_has_the_function_s_code_and_prefix_but_a_lost_race_is_told_as_it_is():
    failed = failure("SET_ERROR", "Failed to set value: ", StorageError("the disk is full"))
    assert (type(failed), failed.code, str(failed)) == (
        StoredValueError,
        "SET_ERROR",
        "Failed to set value: the disk is full",
    )
    conflict = VersionConflict(1, 2)
    assert failure("SET_ERROR", "Failed to set value: ", conflict) is conflict
