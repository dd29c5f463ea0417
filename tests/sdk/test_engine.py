"""The engine's own names are those that the engine has."""

from iii_worker import EngineFunctions, EngineTriggers


def test_they_are_there(make_worker):
    worker = make_worker()
    functions = {one.id for one in worker.list_functions(include_internal=True)}
    assert {str(name) for name in EngineFunctions} <= functions
    types = worker.call(EngineFunctions.LIST_TRIGGERS, {"include_internal": True})["triggers"]
    assert {str(name) for name in EngineTriggers} - {"log"} <= {one["id"] for one in types}


def test_they_are_texts():
    assert EngineFunctions.LIST_FUNCTIONS == "engine::functions::list"
    assert f"{EngineTriggers.WORKERS_AVAILABLE}" == "engine::workers-available"
