"""Rows of the engine's lists, as they come from this engine, from deployed ones, and from nowhere good."""

import pytest

from iii_worker import FunctionInfo, WorkerInfo
from iii_worker.registry_rows import function_rows, worker_rows


def test_functions():
    full = {"function_id": "f", "namespace": "a", "worker_name": "w", "description": "d", "metadata": {"x": 1}}
    bare = {"function_id": "f", "new": "field", "description": None}
    assert function_rows([full, bare]) == {
        ("a", "f"): FunctionInfo("f", "a", "w", "d", {"x": 1}),
        ("default", "f"): FunctionInfo("f"),
    }
    assert FunctionInfo("f").id == "f"


@pytest.mark.parametrize(
    ("function_id", "metadata", "internal"),
    [
        ("users::get", None, False),
        ("users::get", {"internal": True}, True),
        ("users::get", {"internal": "yes"}, False),
        ("users::get", [], False),
        ("engine::workers::list", None, True),
        ("engine::queue::enqueue", None, False),
        ("iii::live::functions::1", None, True),
    ],
)
def test_what_listings_leave_out(function_id, metadata, internal):
    assert FunctionInfo(function_id, metadata=metadata).internal is internal


def test_workers():
    row = {"id": "1", "name": "users", "runtime": "python", "pid": 7, "function_count": 2, "isolation": None}
    built_in = {"id": "iii-cron", "name": "iii-cron", "runtime": "engine"}
    assert worker_rows([row, built_in]) == {
        "1": WorkerInfo("1", "users", runtime="python", function_count=2),
        "iii-cron": WorkerInfo("iii-cron", "iii-cron", runtime="engine"),
    }
    assert [one.built_in for one in worker_rows([row, built_in]).values()] == [False, True]


@pytest.mark.parametrize("rows", [None, 7, {}, [None, 7, {}, {"function_id": 7, "id": 7}]])
def test_what_is_no_row_is_left_out(rows):
    assert function_rows(rows) == {}
    assert worker_rows(rows) == {}
