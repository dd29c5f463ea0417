"""Providing trigger types: the handler is asked, the engine is answered, bound functions are called."""

import asyncio
import queue
import threading
from dataclasses import dataclass

import pytest
from pydantic import BaseModel

import iii_worker
from iii_worker import RegisterTriggerTypeInput, TriggerConfig

WAIT_S = 10.0


class Place(BaseModel):
    city: str


class Handler(iii_worker.TriggerHandler):
    """Keeps what it is told; raises what the test wants."""

    def __init__(self):
        self.told = queue.SimpleQueue()
        self.error = None

    def register_trigger(self, config):
        self.told.put(("bound", config))
        if self.error is not None:
            raise self.error

    def unregister_trigger(self, config):
        self.told.put(("unbound", config))

    def next(self):
        return self.told.get(timeout=WAIT_S)


class AsyncHandler(Handler):
    async def register_trigger(self, config):
        await asyncio.sleep(0)
        super().register_trigger(config)

    async def unregister_trigger(self, config):
        await asyncio.sleep(0)
        super().unregister_trigger(config)


@pytest.fixture(params=[Handler, AsyncHandler])
def handler(request):
    return request.param()


@pytest.fixture
def worker(fake, make_client):
    return make_client(fake.url, worker_name="weather", namespace="north")


@pytest.fixture
def peer(fake, worker):
    return fake.accept()


def bind(peer, trigger_id="t1", kind="weather", config=None, **members):
    frame = {"type": "registertrigger", "id": trigger_id, "trigger_type": kind, "function_id": "users::warn"}
    peer.send(frame | {"config": {} if config is None else config} | members)


def answer(peer):
    return peer.next("triggerregistrationresult")


# --- registering -----------------------------------------------------------------------------------------------------


def test_a_type_is_sent_with_its_schemas(worker, peer):
    worker.register_trigger_type(RegisterTriggerTypeInput("weather", "Bad weather", Place, {"type": "object"}))
    frame = peer.next("registertriggertype")
    assert (frame["id"], frame["description"]) == ("weather", "Bad weather")
    assert frame["trigger_request_format"]["properties"] == {"city": {"title": "City", "type": "string"}}
    assert frame["call_request_format"] == {"type": "object"}
    worker.register_trigger_type({"id": "plain"})
    assert peer.next("registertriggertype") == {"type": "registertriggertype", "id": "plain", "description": ""}


class NoHandler:
    def register_trigger(self, config):
        pass


@pytest.mark.parametrize(
    ("given", "handler", "error", "said"),
    [
        ({"id": " "}, None, ValueError, "a trigger type's id is blank"),
        ({"id": "x", "description": 7}, None, TypeError, "description is 7"),
        ({"id": "x", "format": 7}, None, TypeError, "there is no key 'format'"),
        ({"id": "x"}, NoHandler(), TypeError, r"NoHandler has no method unregister_trigger\(\)"),
        ({"id": "x"}, Handler, TypeError, r"give an object of it, Handler\(\)"),
        ({"id": "x", "trigger_request_format": 7}, None, TypeError, "trigger_request_format is 7"),
    ],
)
def test_bad_input_is_refused(worker, given, handler, error, said):
    with pytest.raises(error, match=said):
        worker.register_trigger_type(given, handler)


def test_a_type_is_registered_once(worker):
    kind = worker.register_trigger_type({"id": "weather"})
    with pytest.raises(ValueError, match="trigger type 'weather' is registered already"):
        worker.register_trigger_type({"id": "weather"})
    kind.unregister()
    worker.register_trigger_type({"id": "weather"})


# --- being asked -----------------------------------------------------------------------------------------------------


def test_success_is_answered(worker, peer, handler):
    kind = worker.register_trigger_type({"id": "weather"}, handler)
    bind(peer, config={"city": "Oslo"}, metadata={"tag": 1}, namespace="shop")
    told, config = handler.next()
    expected = TriggerConfig("t1", "users::warn", {"city": "Oslo"}, {"tag": 1}, "shop")
    assert (told, config) == ("bound", expected)
    assert answer(peer) == {
        "type": "triggerregistrationresult",
        "id": "t1",
        "trigger_type": "weather",
        "function_id": "users::warn",
    }
    assert kind.bindings == [expected]


def test_a_handler_that_raises_refuses(worker, peer, handler, caplog):
    kind = worker.register_trigger_type({"id": "weather"}, handler)
    handler.error = ValueError("no such city")
    bind(peer)
    assert answer(peer)["error"] == {"code": "trigger_registration_failed", "message": "no such city"}
    assert kind.bindings == []
    assert "no such city" in caplog.text


def test_a_type_that_is_not_there_is_answered_too(worker, peer):
    worker.register_trigger_type({"id": "weather"})
    bind(peer, kind="tides")
    assert answer(peer)["error"] == {
        "code": "trigger_type_not_found",
        "message": "This worker does not provide the trigger type 'tides'",
    }


@dataclass
class Data:
    city: str
    from_m: int = 0


@pytest.mark.parametrize("model", [Place, Data])
def test_configs_are_validated_into_the_types_format(worker, peer, model):
    handler = Handler()
    worker.register_trigger_type({"id": "weather", "trigger_request_format": model}, handler)
    bind(peer, config={"city": "Oslo"})
    _, config = handler.next()
    assert config.config == model(city="Oslo")
    assert "error" not in answer(peer)
    bind(peer, "t2", config={"city": 7})
    said = answer(peer)["error"]["message"]
    assert "config" in said
    assert "city" in said
    assert handler.told.empty(), "a config that does not fit never reaches the handler"


def test_frames_that_are_none_are_passed_over(worker, peer, handler):
    worker.register_trigger_type({"id": "weather"}, handler)
    peer.send({"type": "registertrigger"})
    peer.send({"type": "registertrigger", "id": 7, "trigger_type": "weather"})
    peer.send({"type": "unregistertrigger", "id": "nobody", "trigger_type": "weather"})
    peer.send({"type": "unregistertrigger", "id": "nobody", "trigger_type": "tides"})
    bind(peer)
    assert handler.next()[0] == "bound"
    assert answer(peer)["id"] == "t1"


def test_what_is_taken_back_is_told_with_all_that_was_known(worker, peer, handler):
    kind = worker.register_trigger_type({"id": "weather"}, handler)
    bind(peer, config={"city": "Oslo"})
    _, bound = handler.next()
    peer.send({"type": "unregistertrigger", "id": "t1", "trigger_type": "weather"})
    assert handler.next() == ("unbound", bound)
    assert kind.bindings == []


def test_the_same_id_again_replaces_the_binding(worker, peer, handler):
    kind = worker.register_trigger_type({"id": "weather"}, handler)
    bind(peer, config={"city": "Oslo"})
    bind(peer, config={"city": "Bonn"})
    assert [handler.next()[1].config["city"], handler.next()[1].config["city"]] == ["Oslo", "Bonn"]
    answer(peer), answer(peer)
    assert [one.config for one in kind.bindings] == [{"city": "Bonn"}]


def test_it_is_asked_in_order_and_once_at_a_time(worker, peer):
    order, inside = [], threading.Semaphore(1)

    class Slow(Handler):
        def register_trigger(self, config):
            assert inside.acquire(blocking=False), "two at once"
            order.append(config.id)
            inside.release()

        def unregister_trigger(self, config):
            order.append(f"-{config.id}")

    worker.register_trigger_type({"id": "weather"}, Slow())
    wanted = []
    for number in range(50):
        bind(peer, f"t{number}")
        peer.send({"type": "unregistertrigger", "id": f"t{number}", "trigger_type": "weather"})
        wanted += [f"t{number}", f"-t{number}"]
    bind(peer, "end")
    while answer(peer)["id"] != "end":
        pass
    assert order == [*wanted, "end"]


# --- firing ----------------------------------------------------------------------------------------------------------


def test_firing_calls_everybody_that_is_bound_in_their_namespace(worker, peer):
    kind = worker.register_trigger_type({"id": "weather"})
    bind(peer, "t1", config={"city": "Oslo"}, metadata=[1])
    bind(peer, "t2", config={"city": "Bonn"}, namespace="shop")
    answer(peer), answer(peer)
    assert kind.fire(Place(city="x")) == 2
    first, second = peer.call(), peer.call()
    assert (first["function_id"], first["data"], first["action"]) == ("users::warn", {"city": "x"}, {"type": "void"})
    assert (first["namespace"], first["metadata"]) == ("default", [1]), "not this worker's own namespace"
    assert second["namespace"] == "shop"
    assert kind.fire(1, where=lambda one: one.config["city"] == "Bonn") == 1
    assert peer.call()["namespace"] == "shop"


# --- the end ---------------------------------------------------------------------------------------------------------


def test_a_lost_connection_ends_all_bindings_and_the_next_one_makes_them_anew(fake, worker, peer, handler):
    kind = worker.register_trigger_type({"id": "weather"}, handler)
    bind(peer, "gone"), bind(peer, "kept")
    assert [handler.next()[0], handler.next()[0]] == ["bound", "bound"]
    answer(peer), answer(peer)
    peer.drop()
    assert {handler.next()[0], handler.next()[0]} == {"unbound"}
    again = fake.accept()
    again.next("registertriggertype")
    bind(again, "kept")
    told, config = handler.next()
    assert (told, config.id) == ("bound", "kept")
    answer(again)
    assert [one.id for one in kind.bindings] == ["kept"]


@pytest.mark.parametrize("how", ["reference", "id", "dict", "input", "its own"])
def test_unregistering(worker, peer, handler, how):
    kind = worker.register_trigger_type({"id": "weather"}, handler)
    bind(peer)
    handler.next(), answer(peer)
    if how == "its own":
        kind.unregister()
    else:
        given = {
            "reference": kind,
            "id": "weather",
            "dict": {"id": "weather"},
            "input": RegisterTriggerTypeInput("weather"),
        }
        worker.unregister_trigger_type(given[how])
    assert handler.next()[0] == "unbound"
    assert peer.next("unregistertriggertype")["id"] == "weather"
    bind(peer, "late")
    assert answer(peer)["error"]["code"] == "trigger_type_not_found"
    kind.unregister()
    worker.unregister_trigger_type("weather")
    assert kind.bindings == []


# --- with a real engine ----------------------------------------------------------------------------------------------


def test_a_function_of_the_type_is_bound_if_a_config_is_given(make_worker):
    worker = make_worker(namespace="north")
    kind = worker.register_trigger_type({"id": "weather", "description": "d", "trigger_request_format": Place})
    got = queue.SimpleQueue()
    ref = kind.register_function(
        "warn", lambda data, metadata: got.put((data["wind"], metadata)), Place(city="Oslo"), "m"
    )
    kind.register_function("other", lambda data: data)
    trigger = worker.triggers[0]
    assert trigger.wait(WAIT_S)
    assert [one.config for one in kind.bindings] == [Place(city="Oslo")]
    assert kind.fire({"wind": 9}) == 1
    assert got.get(timeout=WAIT_S) == (9, "m")
    assert ref.id == "warn"
    assert [one.function_id for one in worker.triggers] == ["warn"]
    assert kind.register_trigger("other", {"city": "Bonn"}).wait(WAIT_S)
    assert kind.bindings[1].config == Place(city="Bonn")


def test_workers_of_different_namespaces_meet(make_worker):
    provider, worker = make_worker(namespace="default"), make_worker(namespace="south")
    kind = provider.register_trigger_type({"id": "weather", "description": "d"})
    got = queue.SimpleQueue()
    worker.register_function("warn", lambda data: got.put(data["wind"]))
    assert worker.register_trigger({"type": "weather", "function_id": "warn"}).wait(WAIT_S)
    assert [one.namespace for one in kind.bindings] == ["south"]
    assert kind.fire({"wind": 8}) == 1
    assert got.get(timeout=WAIT_S) == 8
    assert kind.bindings[0].call({"wind": 7}, timeout=WAIT_S) is None


def test_a_function_may_be_bound_before_its_type_is_there(make_worker):
    worker, provider = make_worker(), make_worker()
    got = queue.SimpleQueue()
    worker.register_function("warn", lambda data: got.put(data["wind"]))
    trigger = worker.register_trigger({"type": "weather", "function_id": "warn"})
    handler = Handler()
    kind = provider.register_trigger_type({"id": "weather", "description": "d"}, handler)
    told, config = handler.next()
    assert (told, config.id) == ("bound", trigger.id)
    assert trigger.wait(WAIT_S)
    config.fire({"wind": 5})
    assert got.get(timeout=WAIT_S) == 5
    worker.shutdown()
    assert handler.next() == ("unbound", config)
    assert kind.bindings == []
