import json

import msgspec
import pytest
from msgspec.structs import replace

from iii_actors.builtin.engine_functions import legacy
from iii_actors.wire.codec import raw
from tests.support.records import function, named, trigger_type, worker


def written(row):
    return json.loads(msgspec.json.encode(row))


def test_a_function_s_row_has_its_id_twice_and_formats_or_null():
    one = function("a::b", "w", description="d", request_format=raw({"type": "object"}))
    assert written(legacy.function(one, named(w="n"))) == {
        "function_id": "a::b",
        "id": "a::b",
        "namespace": "default",
        "worker_name": "n",
        "description": "d",
        "request_format": {"type": "object"},
        "response_format": None,
    }


def test_a_worker_s_row_adds_what_it_holds_and_does():
    one = worker("w", "n", pid=1)
    row = written(legacy.worker(one, [function("b"), function("a")], {"w": 2}, ["i1", "i2"], {}))
    assert row["functions"] == row["function_ids"] == ["a", "b"]
    assert row["external_function_ids"] == []
    assert row["invocations"] == ["i1", "i2"]
    assert row["connected_at"] == "2023-11-14T22:13:20.250Z"
    assert row["connected_at_ms"] == 1_700_000_000_250
    assert row["latest_metrics"] is None
    assert (row["id"], row["name"], row["function_count"], row["active_invocations"]) == ("w", "n", 2, 2)


def test_a_worker_s_row_names_the_functions_that_are_invoked_over_http():
    outside = function("c")
    outside = replace(outside, target=outside.target._replace(worker_id="w", endpoint=object()))
    row = written(legacy.worker(worker("w", "n", pid=1), [function("b"), outside], {}, [], {}))
    assert row["function_ids"] == ["b", "c"]
    assert row["external_function_ids"] == ["c"]


@pytest.mark.parametrize(("include", "found"), [(None, ["a", "b"]), (True, ["a", "b", "engine::x"])])
def test_types_by_id_with_the_formats_given(include, found):
    types = [trigger_type("b"), trigger_type("engine::x"), trigger_type("a", trigger_request_format=raw({"k": 1}))]
    rows = legacy.trigger_types(types, legacy.LegacyTriggerTypeQuery(include))
    assert [row.id for row in rows] == found
    assert written(rows[0]) == {"id": "a", "description": "", "trigger_request_format": {"k": 1}}
    assert written(rows[1]) == {"id": "b", "description": ""}
