import json

import msgspec
import pytest

from iii_actors.builtin.engine_functions.workers import WorkerInfoQuery, WorkerQuery, detail, named, summary, visible
from iii_actors.errors import NotFound
from tests.support.records import worker


def written(row):
    return json.loads(msgspec.json.encode(row))


WORKERS = [
    worker("4", "Zeta", pid=1, runtime="node"),
    worker("1", "alpha", pid=2, runtime="python"),
    worker("0", None, pid=3, runtime="python"),
    worker("5", "browser", runtime="browser"),
    worker("iii-http", "iii-http", in_process=True, status="available", runtime="engine"),
]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["0", "4", "1", "iii-http"]),
        ({"search": "ALPH"}, ["1"]),
        ({"search": "0"}, []),
        ({"search": ""}, ["0", "4", "1", "iii-http"]),
        ({"runtime": "python"}, ["0", "1"]),
        ({"runtime": "Python"}, []),
        ({"status": "available"}, ["iii-http"]),
        ({"status": "connected", "search": "eta"}, ["4"]),
        ({"runtime": "browser"}, []),
        ({"worker_id": "5"}, ["5"]),
        ({"worker_id": "5", "status": "available"}, []),
        ({"worker_id": "unknown"}, []),
    ],
)
def test_workers_shown(query, found):
    assert [one.worker_id for one in visible(WORKERS, WorkerQuery(**query))] == found


def test_a_bare_row_has_every_member():
    assert written(summary(worker("1"), {}, {})) == {
        "id": "1",
        "name": None,
        "description": None,
        "version": None,
        "runtime": None,
        "os": None,
        "namespace": "default",
        "status": "connected",
        "function_count": 0,
        "connected_at_ms": 1_700_000_000_250,
        "active_invocations": 0,
        "isolation": None,
        "ip_address": None,
    }


def test_a_full_row():
    one = worker(
        "1",
        "n",
        namespace="x",
        description="d",
        version="2",
        runtime="node",
        os="linux",
        pid=7,
        isolation="docker",
        ip_address="::1",
    )
    row = written(summary(one, {"1": 4, "2": 9}, {"1": 2}))
    assert (row["name"], row["description"], row["version"], row["runtime"], row["os"]) == (
        "n",
        "d",
        "2",
        "node",
        "linux",
    )
    assert (row["namespace"], row["function_count"], row["active_invocations"]) == ("x", 4, 2)
    assert (row["isolation"], row["ip_address"]) == ("docker", "::1")
    assert written(detail(one, {"1": 4}, {"1": 2}, {})) == row | {"internal": False, "pid": 7}


def test_a_built_in_worker_s_calls_are_not_counted():
    assert summary(WORKERS[-1], {}, {"iii-http": 5}).active_invocations == 0


def test_a_detail_without_a_process_id():
    one = worker("b", "iii-b", in_process=True, always_on=True)
    row = written(detail(one, {}, {}, {}))
    assert row["internal"] is True
    assert "pid" not in row


def test_a_detail_with_what_the_worker_said_of_itself():
    one = worker("1", "n", pid=1, runtime="python")
    figures = {"1": {"memory_rss": 5.0, "timestamp_ms": 7}, "2": {"memory_rss": 6.0, "timestamp_ms": 8}}
    row = written(detail(one, {}, {}, figures))
    assert row["latest_metrics"] == {"timestamp_ms": 7, "runtime": "python", "memory_rss": 5.0}


# --- by name ----------------------------------------------------------------------------------------------------------


def test_default_wins_and_a_namespace_is_strict():
    records = [worker("2", "n", namespace="x"), worker("1", "n"), worker("3", "other", namespace="y")]
    assert named(records, WorkerInfoQuery("n")).worker_id == "1"
    assert named(records, WorkerInfoQuery("n", "x")).worker_id == "2"
    assert named(records, WorkerInfoQuery("other")).worker_id == "3", "the only one"


def test_of_several_built_in_ones_of_a_name_the_first():
    records = [worker("iii-http#1", "iii-http", in_process=True), worker("iii-http", "iii-http", in_process=True)]
    assert named(records, WorkerInfoQuery("iii-http")).worker_id == "iii-http"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (WorkerInfoQuery("nobody"), "Worker 'nobody' is not connected."),
        (WorkerInfoQuery("nobody", "x"), "Worker 'nobody' is not connected."),
        (
            WorkerInfoQuery("n", "default"),
            "Worker 'n' is not connected in the requested namespace; it is connected in namespace(s): x, y.",
        ),
        (
            WorkerInfoQuery("n"),
            "Worker 'n' is ambiguous: it is connected in namespace(s): x, y. Pass `namespace` to disambiguate.",
        ),
    ],
)
def test_nobody_of_the_name_or_several(query, message):
    records = [worker("1", "n", namespace="y"), worker("2", "n", namespace="x"), worker("3")]
    with pytest.raises(NotFound) as missing:
        named(records, query)
    assert missing.value.message == message
