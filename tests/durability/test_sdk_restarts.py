"""The SDK while engines come and go: nothing hangs past its timeout, and everything is registered again."""

import socket
import threading
import time

import pytest

import iii_actors
import iii_worker
from iii_worker import InvocationError
from iii_worker.options import ReconnectionConfig

AT_ONCE = ReconnectionConfig(initial_delay_ms=5, max_delay_ms=50)
CALL_TIMEOUT_S = 3.0
LEEWAY_S = 1.0
EXPECTED = {"CONNECTION_LOST", "TIMEOUT", "function_not_found", "invocation_stopped", "channel_send_failed"}


def start_engine(port):
    engine = iii_actors.Engine(iii_actors.EngineConfig.listening(port=port))
    engine.start()
    return engine


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def connect(port):
    made = []

    def make(name, **options):
        client = iii_worker.register_worker(
            f"ws://127.0.0.1:{port}", worker_name=name, reconnection_config=AT_ONCE, connect_timeout=10, **options
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.shutdown()


class Load:
    """Threads that call until they are stopped, and note what came of it and how long it took."""

    def __init__(self, client, function_id, threads):
        self.outcomes = {}
        self.slowest = 0.0
        self._lock = threading.Condition()
        self._stop = threading.Event()
        self._client, self._function_id = client, function_id
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self):
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                self._client.call(self._function_id, 1, timeout=CALL_TIMEOUT_S)
                code = "ok"
            except InvocationError as error:
                code = error.code
            with self._lock:
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.outcomes[code] = self.outcomes.get(code, 0) + 1
                self._lock.notify_all()

    def wait_for_more(self, code, more=50):
        """Wait until so many more calls had this outcome."""
        with self._lock:
            target = self.outcomes.get(code, 0) + more
            assert self._lock.wait_for(lambda: self.outcomes.get(code, 0) >= target, 20), self.outcomes

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(CALL_TIMEOUT_S + 5)
            assert not thread.is_alive(), "a call hangs"
        assert self.slowest < CALL_TIMEOUT_S + LEEWAY_S
        assert set(self.outcomes) <= EXPECTED | {"ok"}, self.outcomes


def test_engines_may_restart_under_load(port, connect):
    engine = start_engine(port)
    callee, caller = connect("callee"), connect("caller")
    callee.register_function("echo", lambda data: data)
    callee.call("echo", timeout=5)
    load = Load(caller, "echo", threads=8)
    try:
        for _ in range(3):
            load.wait_for_more("ok")
            engine.stop()
            engine = start_engine(port)
        load.wait_for_more("ok")
        load.stop()
        assert len(caller.calls) == 0
        assert callee.get_connection_state() == caller.get_connection_state() == "connected"
        listed = caller.call("engine::functions::list", {}, timeout=5)["functions"]
        assert [row["function_id"] for row in listed].count("echo") == 1
    finally:
        engine.stop()


def test_futures_end_while_the_engine_is_away(port, connect):
    engine = start_engine(port)
    caller = connect("caller")
    engine.stop()
    futures = [caller.call_async("echo", n, timeout=0.3) for n in range(50)]
    began = time.monotonic()
    for future in futures:
        with pytest.raises(InvocationError) as caught:
            future.result(5)
        assert caught.value.code in {"TIMEOUT", "CONNECTION_LOST"}
    assert time.monotonic() - began < 0.3 + LEEWAY_S
    assert len(caller.calls) == 0


def test_calls_wait_for_an_engine_that_comes_back(port, connect):
    engine = start_engine(port)
    callee = connect("callee")
    callee.register_function("echo", lambda data: data)
    callee.call("echo", timeout=5)
    engine.stop()
    disconnected = threading.Event()
    callee.add_connection_state_listener(lambda state: state != "connected" and disconnected.set())
    assert disconnected.wait(5)
    future = callee.call_async("echo", "after the break", timeout=20)
    engine = start_engine(port)
    try:
        assert future.result(20) == "after the break"
    finally:
        engine.stop()


def test_a_callee_that_leaves_ends_the_calls_to_it(port, connect):
    engine = start_engine(port)
    try:
        callee, caller = connect("callee"), connect("caller")
        running, release = threading.Event(), threading.Event()

        def block(data):
            running.set()
            release.wait(10)

        callee.register_function("block", block)
        callee.call("engine::workers::list", {}, timeout=5)
        future = caller.call_async("block", timeout=20)
        assert running.wait(5)
        callee.shutdown()
        with pytest.raises(InvocationError) as caught:
            future.result(5)
        assert caught.value.code == "invocation_stopped"
        release.set()
    finally:
        engine.stop()
