"""Other people's names do what ours do."""

import queue

import pytest

import iii_worker
from iii_worker import (
    ChannelReader,
    ChannelWriter,
    IIIClient,
    TriggerTypeRef,
    protocol,
    registerWorker,
    runtime,
    trigger,
)

WAIT_S = 10.0


@pytest.fixture
def worker(make_worker):
    return make_worker(worker_name="users")


def test_nodes_methods(worker):
    ref = worker.registerFunction("users::get", lambda data: {"id": data["id"]}, description="d")
    assert worker.call("users::get", {"id": 7}) == {"id": 7}
    kind = worker.registerTriggerType({"id": "weather", "description": "d"})
    bound = worker.registerTrigger({"type": "weather", "function_id": "users::get"})
    assert bound.wait(WAIT_S)
    worker.registerService({"id": "users"})
    assert [one.id for one in worker.listFunctions()] == ["users::get"]
    assert "users" in [one.name for one in worker.listWorkers()]
    worker.unregisterTriggerType(kind)
    assert worker.getConnectionState() == "connected" == worker.get_connection_state()
    assert worker.getAddress() == worker.get_address()
    assert worker.getFatalError() is None
    states = []
    worker.addConnectionStateListener(states.append)()
    assert states == ["connected"]
    worker.createChannel()
    ref.unregister()


def test_they_are_the_same_methods():
    pairs = {
        "registerTrigger": "register_trigger",
        "createStream": "create_stream",
    }
    for other, ours in pairs.items():
        assert getattr(IIIClient, other) is getattr(IIIClient, ours)


def test_nodes_options_of_a_function(worker):
    schema = {"type": "object", "additionalProperties": False}
    worker.registerFunction("users::get", lambda data: data, {"description": "d", "requestFormat": schema})
    info = worker.call("engine::functions::info", {"function_id": "users::get"}, timeout=WAIT_S)
    assert (info["description"], info["request_schema"]) == ("d", schema)
    with pytest.raises(TypeError, match="no option a_typo"):
        worker.registerFunction("users::set", lambda data: data, {"aTypo": 1})


def test_nodes_methods_of_channels_and_trigger_types():
    assert ChannelReader.readAll is ChannelReader.read_all
    assert ChannelReader.onMessage is ChannelReader.on_message
    assert ChannelWriter.sendMessage is ChannelWriter.send_message
    assert TriggerTypeRef.registerTrigger is TriggerTypeRef.register_trigger
    assert TriggerTypeRef.registerFunction is TriggerTypeRef.register_function


def test_on_functions_available(worker, make_worker):
    told = queue.SimpleQueue()
    stop = worker.onFunctionsAvailable(told.put)
    make_worker().register_function("orders::get", lambda data: data)
    payload = told.get(timeout=WAIT_S)
    assert payload["event"] == "functions_changed"
    rows = {one["function_id"]: one for one in payload["functions"]}
    assert rows["orders::get"]["namespace"] == "default"
    assert "engine::functions::list" in rows
    stop()


def test_nodes_options(engine, monkeypatch):
    with registerWorker(
        engine.url,
        {
            "workerName": "users",
            "invocationTimeoutMs": 1234,
            "reconnectionConfig": {"initialDelayMs": 5, "maxRetries": 3},
            "headers": {"X-Team": "a", "someHeader": "b"},
        },
        connectTimeout=10,
    ) as worker:
        options = worker.options
        assert (options.worker_name, options.invocation_timeout_ms, options.connect_timeout) == ("users", 1234, 10)
        assert (options.reconnection_config.initial_delay_ms, options.reconnection_config.max_retries) == (5, 3)
        assert options.headers == {"X-Team": "a", "someHeader": "b"}
    with pytest.raises(TypeError, match="there is no option 'worker_title'"):
        registerWorker(engine.url, {"workerTitle": "users"})


@pytest.mark.parametrize("module", [protocol, runtime, trigger])
def test_the_official_modules_have_what_the_root_has(module):
    for name in module.__all__:
        assert getattr(module, name) is getattr(iii_worker, name), name
