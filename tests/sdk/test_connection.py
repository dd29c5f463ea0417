"""The connection's life against an engine that greets, refuses, closes and falls silent as it is told."""

import json
import logging
import threading

import pytest

import iii_worker
from iii_worker import ConnectFailedError, InvocationError, RegistrationRejectedError
from iii_worker.options import ReconnectionConfig


class Watch:
    """The states a client goes through, to be waited for."""

    def __init__(self, client):
        self._changed = threading.Condition()
        self.states = []
        client.add_connection_state_listener(self._note)

    def _note(self, state):
        with self._changed:
            self.states.append(state)
            self._changed.notify_all()

    def wait(self, *states):
        with self._changed:
            assert self._changed.wait_for(lambda: self.states[-len(states) :] == list(states), 10), self.states


@pytest.fixture
def refusing(fake):
    """An engine that refuses every worker's credentials."""
    fake.refuse = set(range(100))
    return fake


def test_the_announcement_comes_first_and_registrations_follow_in_order(fake, make_client):
    client = iii_worker.init(fake.url, worker_name="users", worker_description="keeps users", namespace="shop")
    client.register_function("users::get", lambda data: data)
    client.replay.add_trigger({"type": "registertrigger", "id": "t", "trigger_type": "x", "function_id": "users::get"})
    client.replay.add_trigger_type({"type": "registertriggertype", "id": "x", "description": ""})
    client.replay.add_service({"type": "registerservice", "id": "s", "name": "s"})
    with client.connect(10):
        peer = fake.accept()
        peer.next("ping")
    kinds = [frame["type"] for frame in peer.seen]
    expected = [
        "invokefunction",
        "registerservice",
        "registertriggertype",
        "registerfunction",
        "registertrigger",
        "ping",
    ]
    assert kinds[: len(expected)] == expected
    announced = peer.seen[0]
    assert announced["function_id"] == "engine::workers::register"
    assert announced["action"] == {"type": "void"}
    data = announced["data"]
    assert (data["name"], data["description"], data["namespace"]) == ("users", "keeps users", "shop")
    assert (data["runtime"], data["version"], data["isolation"]) == ("python", iii_worker.__version__, None)
    assert isinstance(data["pid"], int)
    assert data["os"]
    assert set(data["telemetry"]) == {"language", "project_name", "framework", "amplitude_api_key"}


@pytest.mark.parametrize("code", [1000, 1001, None, 1006, 1008, 1011, 1012, 3000, 4999])
def test_every_close_is_followed_by_a_reconnect_that_reattaches_first(fake, make_client, code):
    client = make_client(fake.url)
    client.register_function("f", lambda data: data)
    first = fake.accept()
    first.next("registerfunction")
    if code == 1006:
        first.drop()
    else:
        first.close(code)
    second = fake.accept()
    second.next("ping")
    assert second.seen[0] == {
        "type": "reattach",
        "previous_worker_id": first.worker_id,
        "reattach_token": first.token,
    }
    kinds = [frame["type"] for frame in second.seen]
    assert kinds == ["reattach", "invokefunction", "registerfunction", "ping"]
    assert client.connection.wait(10)
    assert client.worker_id == second.worker_id
    assert client.last_error is not None


def test_nothing_is_reattached_on_a_first_connection(fake, make_client):
    make_client(fake.url)
    peer = fake.accept()
    peer.next("ping")
    assert "reattach" not in {frame["type"] for frame in peer.seen}


def test_a_reattach_token_is_in_no_log(fake, make_client, caplog):
    caplog.set_level(logging.DEBUG)
    client = make_client(fake.url)
    first = fake.accept()
    first.next("ping")
    first.drop()
    fake.accept().next("reattach")
    assert client.connection.wait(10)
    assert first.token not in "".join(record.getMessage() for record in caplog.records if "server" not in record.name)


def test_states_are_told_in_order_and_listeners_may_use_the_client(fake, make_client):
    client = iii_worker.init(fake.url, reconnection_config=ReconnectionConfig(1, 50))
    watch = Watch(client)
    assert watch.states == ["disconnected"]
    answers = []
    unsubscribe = client.add_connection_state_listener(
        lambda state: answers.append(client.call("f", timeout=5)) if state == "connected" else 1 / 0
    )
    client.connect(10)
    first = fake.accept()
    first.answer(first.call(), "hello")
    watch.wait("disconnected", "connecting", "connected")
    first.drop()
    watch.wait("connected", "disconnected", "reconnecting", "connected")
    unsubscribe()
    unsubscribe()
    client.shutdown()
    watch.wait("connected", "disconnected")
    assert answers == ["hello"]


def test_calls_in_flight_fail_when_the_connection_goes(fake, make_client):
    client = make_client(fake.url)
    peer = fake.accept()
    futures = [client.call_async("f", n, timeout=30) for n in range(3)]
    for _ in futures:
        peer.call()
    peer.drop()
    for future in futures:
        with pytest.raises(InvocationError) as caught:
            future.result(5)
        assert caught.value.code == "CONNECTION_LOST"
    second = fake.accept()
    second.next("ping")
    assert not [frame for frame in second.seen if frame.get("function_id") == "f"]


def test_the_outbox_is_sent_after_the_registrations_without_what_timed_out(fake):
    client = iii_worker.init(fake.url, reconnection_config=ReconnectionConfig(1, 50))
    client.register_function("own", lambda data: data)
    with pytest.raises(InvocationError, match=r"TIMEOUT.*no connection"):
        client.call("f", "too late", timeout=0.05)
    waiting = client.call_async("f", "in time", timeout=20)
    client.send("g", "void")
    with client.connect(10):
        peer = fake.accept()
        call = peer.call()
        assert call["data"] == "in time"
        assert "registerfunction" in {frame["type"] for frame in peer.seen}
        assert peer.call()["data"] == "void"
        peer.answer(call, 1)
        assert waiting.result(5) == 1
    assert "too late" not in str(peer.seen)


def test_the_outbox_is_bounded_and_the_oldest_fails(fake, monkeypatch, caplog):
    client = iii_worker.init(fake.url)
    monkeypatch.setattr(client.calls._outbox, "_bound", 2)
    futures = [client.call_async("f", n, timeout=20) for n in range(3)]
    with pytest.raises(InvocationError) as caught:
        futures[0].result(5)
    assert caught.value.code == "OUTBOX_FULL"
    assert "oldest call was dropped" in caplog.text
    assert not futures[1].done()
    client.shutdown()


def test_calls_may_fail_fast_while_there_is_no_connection(fake):
    client = iii_worker.init(fake.url, offline_calls="fail")
    with pytest.raises(InvocationError) as caught:
        client.call("f", timeout=5)
    assert caught.value.code == "NOT_CONNECTED"
    with pytest.raises(InvocationError):
        client.send("f")


def test_registrations_made_offline_or_changed_are_sent_once_per_connection(fake, make_client):
    client = make_client(fake.url)
    first = fake.accept()
    kept = client.register_function("kept", lambda data: data)
    first.next("registerfunction", id="kept")
    gone = client.register_function("gone", lambda data: data)
    gone.unregister()
    first.next("unregisterfunction", id="gone")
    first.drop()
    second = fake.accept()
    client.register_function("new", lambda data: data)
    second.next("registerfunction", id="new")
    kept.unregister()
    second.next("unregisterfunction", id="kept")
    registered = [frame["id"] for frame in second.seen if frame["type"] == "registerfunction"]
    assert sorted(registered) == ["kept", "new"]


def test_results_are_never_sent_on_a_later_connection(fake, make_client):
    client = make_client(fake.url)
    running, release = threading.Event(), threading.Event()

    @client.function("slow")
    def slow(data):
        running.set()
        release.wait(10)
        return "old"

    first = fake.accept()
    first.next("registerfunction")
    first.send({"type": "invokefunction", "invocation_id": "i1", "function_id": "slow", "data": None})
    assert running.wait(5)
    first.drop()
    second = fake.accept()
    second.next("registerfunction")
    release.set()
    assert client.pool.drain(5)
    second.send({"type": "invokefunction", "invocation_id": "i2", "function_id": "slow", "data": None})
    second.next("invocationresult", invocation_id="i2")
    assert "i1" not in str(second.seen)


def test_a_worker_whose_name_is_taken_fails_for_good(fake, make_client):
    client = make_client(fake.url, worker_name="users")
    watch = Watch(client)
    peer = fake.accept()
    pending = client.call_async("f", timeout=20)
    peer.call()
    rejection = {"namespace": "default", "worker_name": "users", "owner_worker_id": "w9"}
    peer.send({"type": "registrationrejected", "code": "WORKER_NAMESPACE_CONFLICT"} | rejection)
    peer.close(None)
    watch.wait("failed")
    with pytest.raises(RegistrationRejectedError) as caught:
        pending.result(5)
    assert (caught.value.code, caught.value.worker_name, caught.value.owner_worker_id) == (
        "WORKER_NAMESPACE_CONFLICT",
        "users",
        "w9",
    )
    with pytest.raises(RegistrationRejectedError, match="Choose another worker_name"):
        client.call("f", timeout=5)
    with pytest.raises(RegistrationRejectedError):
        client.run()
    assert isinstance(client.fatal_error, RegistrationRejectedError)
    assert fake.connections == 1


def test_the_second_of_a_name_is_told_so_by_register_worker(engine, make_worker):
    make_worker(worker_name="users")
    with pytest.raises(RegistrationRejectedError, match="users"):
        iii_worker.register_worker(engine.url, worker_name="users")


def test_a_function_that_is_taken_does_not_end_the_worker(make_worker):
    first, second = make_worker(), make_worker()
    first.register_function("shared", lambda data: "first")
    first.call("shared", timeout=5)
    ref = second.register_function("shared", lambda data: "second")
    second.register_function("own", lambda data: "own")
    assert second.call("own", timeout=5) == "own"
    assert second.call("shared", timeout=5) == "first"
    assert ref.error.owner_worker_id == first.worker_id
    assert second.get_connection_state() == "connected"


def test_refused_credentials_raise_forbidden(refusing):
    with pytest.raises(ConnectFailedError, match="bad token") as caught:
        iii_worker.register_worker(refusing.url, headers={"authorization": "x"})
    assert caught.value.code == "FORBIDDEN"


def test_calls_of_a_refused_worker_raise_forbidden_at_once(refusing, caplog):
    client = iii_worker.register_worker(refusing.url, wait=False)
    try:
        with pytest.raises(InvocationError) as caught:
            client.call("f", timeout=20)
        assert caught.value.code == "FORBIDDEN"
        with pytest.raises(InvocationError, match="bad token"):
            client.call("f", timeout=20)
        assert client.get_connection_state() == "failed"
        assert client.last_error.code == "FORBIDDEN"
    finally:
        client.shutdown()


def test_credentials_refused_after_a_reconnect_are_tried_again(fake, make_client):
    client = make_client(fake.url)
    errors = []
    client.add_connection_state_listener(lambda state: errors.append((state, client.connection.refused)))
    watch = Watch(client)
    fake.refuse = {2}
    fake.accept().drop()
    fake.accept()
    watch.wait("connected", "disconnected", "reconnecting", "disconnected", "reconnecting", "connected")
    assert [str(error) for state, error in errors if state == "reconnecting" and error]
    assert client.fatal_error is None
    assert client.connection.refused is None


def test_calls_fail_at_once_while_credentials_are_refused(fake):
    client = iii_worker.init(fake.url, reconnection_config=ReconnectionConfig(5000, 5000))
    client.connection._identity = ("earlier", None)
    fake.refuse = {1}
    watch = Watch(client)
    client.connection.start()
    watch.wait("reconnecting")
    with pytest.raises(InvocationError, match=r"FORBIDDEN.*bad token"):
        client.call("f", timeout=10)
    client.shutdown()


def test_headers_go_with_the_upgrade(fake, make_client):
    make_client(fake.url, headers={"x-token": "abc"})
    peer = fake.accept()
    assert peer.headers["x-token"] == "abc"


def test_a_silent_engine_is_pinged_and_dropped(fake, make_client, monkeypatch):
    client = iii_worker.init(fake.url, reconnection_config=ReconnectionConfig(1, 50))
    client.connection._ping_interval = 0.03
    client.connection._silence_limit = 0.15
    with client.connect(10):
        first = fake.accept()
        first.next("ping")
        # From here on the fake's own thread answers pings, so the connection stays; then it is made deaf.
        first._connection.protocol.receive_data = lambda data: None
        fake.accept().next("reattach")
        assert "nothing was heard" in str(client.last_error)


def test_an_engine_that_answers_pings_keeps_its_workers(fake):
    client = iii_worker.init(fake.url)
    client.connection._ping_interval = 0.02
    client.connection._silence_limit = 0.2
    with client.connect(10):
        peer = fake.accept()
        peer.next("ping")
        assert not peer.gone.wait(0.5)
    assert fake.connections == 1


def test_no_message_ends_the_receiving(fake, make_client):
    client = make_client(fake.url)
    client.register_function("f", lambda data: data)
    peer = fake.accept()
    peer.next("registerfunction")
    for message in ("", "nonsense", "[]", "null", "5", '{"type": 5}', '{"type": "new"}', b"\xff\xfe", b"OTLP{}"):
        peer.send(message)
    for frame in (
        {"type": "invokefunction"},
        {"type": "invocationresult", "invocation_id": "nobody's"},
        {"type": "registrationrejected", "code": "FUNCTION_NAMESPACE_CONFLICT"},
        {"type": "registertrigger", "id": 5},
        {"type": "triggerregistrationresult"},
    ):
        peer.send(frame)
    peer.send({"type": "invokefunction", "invocation_id": "i", "function_id": "f", "data": 1})
    assert peer.next("invocationresult")["result"] == 1
    assert fake.connections == 1


def test_json_in_binary_frames_and_fragments_is_read(fake, make_client):
    client = make_client(fake.url)
    client.register_function("f", lambda data: data)
    peer = fake.accept()
    peer.next("registerfunction")
    frame = {"type": "invokefunction", "invocation_id": "i", "function_id": "f", "data": "x" * 1000}
    peer.send(json.dumps(frame).encode())
    assert peer.next("invocationresult")["result"] == "x" * 1000
    text = json.dumps(frame)
    peer._connection.send([text[:10], text[10:500], text[500:]])
    assert peer.next("invocationresult")["result"] == "x" * 1000
