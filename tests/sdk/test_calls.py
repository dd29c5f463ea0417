"""Calls against a real engine and against one that does what it is told."""

import threading
import time

import pytest

import iii_worker
from iii_worker import InvocationError, TriggerAction, TriggerRequest
from tests.support.fake_engine import FakeEngine


def echo(data):
    return data


@pytest.fixture
def pair(make_worker):
    callee, caller = make_worker(worker_name="callee"), make_worker(worker_name="caller")
    callee.register_function("echo", echo)
    callee.call("echo", None, timeout=5)
    return callee, caller


def test_a_result_comes_back_decoded(pair):
    _, caller = pair
    result = caller.call("echo", {"name": "Ada", "tags": [1, 2.5, None, True]}, timeout=5)
    assert result.pop("_caller_worker_id") == caller.worker_id
    assert result == {"name": "Ada", "tags": [1, 2.5, None, True]}


@pytest.mark.parametrize("payload", [None, 0, "", [], "text", [1], 1.5, False, "ünï😀"])
def test_any_json_travels(pair, payload):
    assert pair[1].call("echo", payload, timeout=5) == payload


def test_an_unknown_function_is_an_error_with_the_engines_code(pair):
    with pytest.raises(InvocationError, match="function_not_found: Function nobody") as caught:
        pair[1].call("nobody", timeout=5)
    assert caught.value.function_id == "nobody"
    assert caught.value.invocation_id is not None


def test_a_handlers_own_code_reaches_the_caller(pair):
    @pair[0].function("fails")
    def fails(data):
        raise iii_worker.Error("no such user", code="user_not_found")

    pair[0].call("echo", timeout=5)
    with pytest.raises(InvocationError) as caught:
        pair[1].call("fails", timeout=5)
    assert (caught.value.code, caught.value.message) == ("user_not_found", "no such user")
    assert str(caught.value) == "user_not_found: no such user"
    assert "fails" in caught.value.stacktrace


def test_call_many_keeps_the_order(pair):
    calls = [("echo", 1), {"function_id": "echo", "payload": 2}, TriggerRequest("echo", 3), "echo"]
    assert pair[1].call_many(calls, timeout=5) == [1, 2, 3, None]


def test_call_many_raises_the_first_failure_or_returns_all(pair):
    calls = [("echo", 1), ("nobody", 2), ("echo", 3)]
    with pytest.raises(InvocationError, match="function_not_found"):
        pair[1].call_many(calls, timeout=5)
    one, failure, three = pair[1].call_many(calls, timeout=5, return_exceptions=True)
    assert (one, failure.code, three) == (1, "function_not_found", 3)
    assert len(pair[1].calls) == 0


def test_the_official_request_form(pair):
    assert pair[1].trigger({"function_id": "echo", "payload": 1, "timeout_ms": 5000}) == 1
    assert pair[1].trigger(TriggerRequest("echo", payload=2)) == 2


@pytest.mark.parametrize("bad", [{"timeoutMs": 5}, {"payload": 1, "name": "echo"}])
def test_request_keys_that_are_none_raise(pair, bad):
    with pytest.raises(TypeError, match="there is no key"):
        pair[1].trigger({"function_id": "echo"} | bad)


def test_a_request_without_function_id_raises(pair):
    with pytest.raises(TypeError, match="function_id"):
        pair[1].trigger({"payload": 1})
    with pytest.raises(TypeError, match="TriggerRequest or a dict"):
        pair[1].trigger("echo")


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_must_be_above_zero(pair, timeout):
    with pytest.raises(ValueError, match="above 0"):
        pair[1].call("echo", timeout=timeout)
    with pytest.raises(ValueError, match="above 0"):
        pair[1].trigger({"function_id": "echo", "timeout_ms": timeout})


def test_a_blank_namespace_raises(pair):
    with pytest.raises(ValueError, match="blank"):
        pair[1].call("echo", namespace=" ")


def test_void_calls_run_and_return_at_once(pair):
    ran = threading.Event()
    pair[0].register_function("note", lambda data: ran.set())
    pair[0].call("echo", timeout=5)
    assert pair[1].send("note", 1) is None
    assert ran.wait(5)
    ran.clear()
    assert pair[1].trigger({"function_id": "note", "action": TriggerAction.Void()}) is None
    assert ran.wait(5)
    ran.clear()
    assert pair[1].trigger({"function_id": "note", "action": {"type": "void"}}) is None
    assert ran.wait(5)


def test_a_receipt_comes_of_enqueueing(fake: FakeEngine, make_client):
    caller = make_client(fake.url)
    peer = fake.accept()
    future = caller.call_async("other", timeout=5)
    peer.answer(peer.call(), 1)
    assert future.result(5) == 1
    done = []
    thread = threading.Thread(target=lambda: done.append(caller.enqueue("mail::send", {"to": "a"}, queue="mails")))
    thread.start()
    call = peer.call()
    assert call["action"] == {"type": "enqueue", "queue": "mails"}
    peer.answer(call, {"messageReceiptId": "m1"})
    thread.join(5)
    assert done == [{"messageReceiptId": "m1"}]


@pytest.mark.parametrize("action", [{"type": "enqueue"}, {"type": "later"}, {"type": "enqueue", "queue": " "}])
def test_actions_that_are_none_raise(pair, action):
    with pytest.raises(ValueError, match="action"):
        pair[1].trigger({"function_id": "echo", "action": action})


def test_a_frame_holds_what_the_protocol_wants(fake: FakeEngine, make_client):
    caller = make_client(fake.url, namespace="shop")
    peer = fake.accept()
    for function_id, options, expected in [
        ("f", {}, {"namespace": "shop", "data": None}),
        ("engine::workers::list", {}, {"namespace": "default", "data": None}),
        ("engine::workers::list", {"namespace": "other"}, {"namespace": "other"}),
        ("f", {"payload": {"a": 1}, "metadata": {"m": 1}}, {"data": {"a": 1}, "metadata": {"m": 1}}),
    ]:
        future = caller.call_async(function_id, timeout=5, **options)
        call = peer.call()
        assert {key: call[key] for key in expected} == expected
        assert set(call) <= {"type", "function_id", "data", "invocation_id", "metadata", "namespace"}
        peer.answer(call, "ok")
        assert future.result(5) == "ok"
    caller.send("f", 1)
    assert set(peer.call()) == {"type", "function_id", "data", "action", "namespace"}


def test_an_unanswered_call_ends_at_its_timeout(fake: FakeEngine, make_client):
    caller = make_client(fake.url)
    peer = fake.accept()
    began = time.monotonic()
    with pytest.raises(InvocationError, match="TIMEOUT") as caught:
        caller.call("silent", timeout=0.2)
    assert 0.19 < time.monotonic() - began < 2
    call = peer.call()
    assert caught.value.invocation_id == call["invocation_id"]
    peer.answer(call, "late")
    follow_up = caller.call_async("next", timeout=5)
    peer.answer(peer.call(), "in time")
    assert follow_up.result(5) == "in time"
    assert len(caller.calls) == 0


@pytest.mark.parametrize("error", [5, "boom", {}, {"code": 7, "message": None}, [1]])
def test_malformed_errors_are_unknown(fake: FakeEngine, make_client, error):
    caller = make_client(fake.url)
    peer = fake.accept()
    future = caller.call_async("f", timeout=5)
    peer.answer(peer.call(), error=error)
    with pytest.raises(InvocationError) as caught:
        future.result(5)
    assert caught.value.code == "UNKNOWN"


def test_a_payload_no_engine_takes_is_refused_at_once(pair, monkeypatch):
    monkeypatch.setattr("iii_worker.calls.MAX_MESSAGE_BYTES", 1000)
    with pytest.raises(InvocationError, match=r"PAYLOAD_TOO_LARGE.*channel"):
        pair[1].call("echo", "x" * 1000, timeout=5)
    assert len(pair[1].calls) == 0


def test_a_result_no_engine_takes_is_an_error(pair, monkeypatch):
    pair[0].register_function("big", lambda data: "x" * 1000)
    pair[0].call("echo", timeout=5)
    monkeypatch.setattr("iii_worker.answers.MAX_MESSAGE_BYTES", 1000)
    with pytest.raises(InvocationError, match="PAYLOAD_TOO_LARGE"):
        pair[1].call("big", timeout=5)


def test_a_payload_without_json_form_is_refused_at_once(pair):
    with pytest.raises(iii_worker.NotJsonError, match="payload"):
        pair[1].call("echo", {"x": float("nan")}, timeout=5)
    assert len(pair[1].calls) == 0


@pytest.mark.parametrize("function_id", [None, "", 5])
def test_a_function_id_is_a_text(pair, function_id):
    with pytest.raises(TypeError, match="function_id"):
        pair[1].call(function_id, timeout=5)


@pytest.mark.parametrize("megabytes", [1, 20])
def test_large_payloads_travel_whole(pair, megabytes):
    text = "0123456789abcdef" * (65536 * megabytes)
    assert pair[1].call("echo", text, timeout=30) == text


def test_fifty_threads_at_once(pair):
    results: list[list[int]] = []

    def many(start: int) -> None:
        results.append([pair[1].call("echo", start + n, timeout=20) for n in range(20)])

    threads = [threading.Thread(target=many, args=(n * 100,)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(results) == [[n * 100 + i for i in range(20)] for n in range(50)]
    assert len(pair[1].calls) == 0
