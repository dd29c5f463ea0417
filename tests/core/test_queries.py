"""Looking up many at once, in the registries that answer."""

import pytest

from iii_actors.actor import ask
from iii_actors.clock import ManualClock
from iii_actors.core.functions import Functions
from iii_actors.core.messages import AddBuiltin, RegisterFunction, Target
from iii_actors.core.queries import CountFunctions, FindFunctions, FindWorkers, ListFunctionsFrom
from iii_actors.core.workers import WorkerRecord, Workers
from iii_actors.wire import messages as wire


@pytest.fixture
def functions(start, probe):
    ref = start(Functions(probe().actor_ref, probe().actor_ref))
    worker = probe().actor_ref
    for namespace, function_id, worker_id in [("default", "a", "1"), ("x", "a", "2"), ("default", "b", "1")]:
        ask(ref, RegisterFunction(namespace, wire.RegisterFunction(function_id), Target(worker_id, worker)))
    return ref


def test_functions_by_namespace_and_id(functions):
    found = ask(functions, FindFunctions({("default", "a"), ("x", "a"), ("x", "b"), ("y", "a")}))
    assert {key: one.target.worker_id for key, one in found.items()} == {("default", "a"): "1", ("x", "a"): "2"}


def test_how_many_functions_workers_hold(functions):
    assert ask(functions, CountFunctions(["1", "2", "3"])) == {"1": 2, "2": 1}
    assert ask(functions, CountFunctions(["2"])) == {"2": 1}


def test_workers_by_id(start):
    ref = start(Workers(ManualClock()))
    records = [WorkerRecord(worker_id, 0.0) for worker_id in "abc"]
    for record in records:
        ask(ref, AddBuiltin(record))
    assert ask(ref, FindWorkers({"a", "c", "z"})) == {"a": records[0], "c": records[2]}


def test_functions_whose_id_begins_so(functions):
    def listed(prefix):
        return sorted((one.namespace, one.function_id) for one in ask(functions, ListFunctionsFrom(prefix)))

    assert listed("") == [("default", "a"), ("default", "b"), ("x", "a")]
    assert listed("a") == [("default", "a"), ("x", "a")]
    assert listed("A") == []
