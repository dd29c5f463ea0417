"""What a provider does when there is no room: nobody's binding hangs, none is remembered for ever."""

import queue
import threading

import pytest

import iii_worker.provider
from iii_worker.hints import NO_HINT
from iii_worker.options import InitOptions
from iii_worker.pool import HandlerPool
from iii_worker.provider import Provider

WAIT_S = 10.0


class Client:
    """What a provider needs of a client."""

    def __init__(self):
        self.options = InitOptions()
        self.worker_id = "w1"
        self.frames = queue.SimpleQueue()

    def send_frame(self, frame):
        self.frames.put(frame)

    def answer(self):
        return self.frames.get(timeout=WAIT_S)


class Handler:
    def __init__(self):
        self.go = threading.Event()
        self.go.set()
        self.told = queue.SimpleQueue()

    def register_trigger(self, config):
        assert self.go.wait(WAIT_S)
        self.told.put(config.id)

    def unregister_trigger(self, config):
        self.told.put(f"-{config.id}")


@pytest.fixture
def pool():
    made = HandlerPool(1, 0)
    yield made
    made.close()


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def handler():
    return Handler()


@pytest.fixture
def provider(client, pool, handler):
    return Provider("weather", handler, NO_HINT, client, pool)


def frame(trigger_id):
    return {"type": "registertrigger", "id": trigger_id, "trigger_type": "weather", "function_id": "f", "config": {}}


@pytest.fixture
def busy(pool):
    """The pool's one thread has work until the test says so."""
    free = threading.Event()
    assert pool.submit(lambda: free.wait(WAIT_S))
    yield free
    free.set()


def test_a_pool_without_room_refuses_the_binding(provider, client, pool, busy):
    provider.bind(frame("t1"))
    answer = client.answer()
    assert answer["error"]["code"] == "trigger_registration_failed"
    assert "handler" in answer["error"]["message"]
    busy.set()
    assert pool.drain(WAIT_S)
    provider.bind(frame("t1"))
    assert "error" not in client.answer()


def test_a_pool_without_room_still_forgets(provider, client, pool, handler, caplog):
    provider.bind(frame("t1")), provider.bind(frame("t2"))
    client.answer(), client.answer()
    assert pool.drain(WAIT_S)
    free = threading.Event()
    assert pool.submit(lambda: free.wait(WAIT_S))
    provider.unbind("t1")
    assert [one.id for one in provider.bindings()] == ["t2"]
    client.worker_id = "w2"
    provider.forget_lost()
    assert provider.bindings() == []
    free.set()
    assert caplog.text.count("is not told that 1 bindings ended") == 2
    assert [handler.told.get(timeout=WAIT_S), handler.told.get(timeout=WAIT_S)] == ["t1", "t2"]
    assert handler.told.empty()


def test_too_many_that_wait_are_refused(provider, client, handler, monkeypatch):
    monkeypatch.setattr(iii_worker.provider, "TRIGGER_CALLBACKS", 2)
    handler.go.clear()
    for number in range(4):
        provider.bind(frame(f"t{number}"))
    answer = client.answer()
    assert answer["error"]["message"] == "2 bindings wait for the handler of trigger type 'weather'"
    handler.go.set()
    rest = [client.answer() for _ in range(3)]
    assert sorted("error" in one for one in rest) in ([False] * 3, [False, False, True])


def test_too_many_bindings_are_refused(provider, client, monkeypatch):
    monkeypatch.setattr(iii_worker.provider, "TRIGGER_BINDINGS", 1)
    for trigger_id in ("t1", "t1", "t2"):
        provider.bind(frame(trigger_id))
    assert ["error" in client.answer() for _ in range(3)] == [False, False, True]


def test_an_answer_for_a_connection_that_is_over_is_not_sent(provider, client, handler, pool):
    handler.go.clear()
    provider.bind(frame("t1"))
    client.worker_id = "w2"
    provider.forget_lost()
    handler.go.set()
    assert pool.drain(WAIT_S)
    assert client.frames.empty()
    assert provider.bindings() == []
    assert [handler.told.get(timeout=WAIT_S), handler.told.get(timeout=WAIT_S)] == ["t1", "-t1"]


def test_a_handler_that_cannot_unregister_is_logged(provider, client, handler, pool, caplog):
    provider.bind(frame("t1"))
    client.answer()
    handler.unregister_trigger = lambda config: 1 / 0
    provider.close()
    assert pool.drain(WAIT_S)
    assert "could not unregister a trigger" in caplog.text
    assert provider.bindings() == []
    provider.bind(frame("t2"))
    assert "taken the trigger type 'weather' back" in client.answer()["error"]["message"]
