"""Quotas of a session, origins of web pages, connections per address (all ours)."""

import json
from contextlib import ExitStack

import pytest

import iii_actors
from iii_actors.access.tokens import hashed
from iii_actors.clock import ManualClock
from tests.support.peer import CallFailed
from tests.support.raw import BINARY, TEXT, RawClient, client_frame, raw_worker, upgrade_request
from tests.support.rbac import rules

CODE = "QUOTA_EXCEEDED"


@pytest.fixture(params=["shared", "own"])
def limited(request):
    """A maker of engines whose second listener has these quotas, on a clock of the test's."""
    with ExitStack() as stack:

        def make(**quotas):
            clock = ManualClock()
            made = stack.enter_context(rules(clock, quotas=quotas, reader=request.param))
            made.admin.register("echo", lambda data: data)
            made.admin.register("slow")
            return made, clock

        yield make


def outcome(client, function_id="echo", data=None):
    try:
        client.call(function_id, data)
    except CallFailed as failed:
        assert failed.code == CODE
        return failed.message
    return "ok"


# --- calls ---------------------------------------------------------------------------------------------------------------


def test_calls_per_second(limited):
    made, clock = limited(calls_per_s=2, calls_burst=3)
    client, other = made.join(), made.join()
    message = "this session may make 2 calls/s (quotas.calls_per_s), 3 at once; call less often"
    assert [outcome(client) for _ in range(4)] == ["ok", "ok", "ok", message]
    assert outcome(other) == "ok"
    clock.advance(0.5)
    assert [outcome(client) for _ in range(2)] == ["ok", message]
    clock.advance(60)
    assert [outcome(client) for _ in range(4)] == ["ok", "ok", "ok", message]
    client.barrier()


def test_the_register_call_is_one_too(limited):
    made, clock = limited(calls_per_s=1)
    client = made.join()
    assert client.register_worker("one") == {"success": True}
    with pytest.raises(CallFailed, match=CODE):
        client.register_worker("one")
    clock.advance(1)
    assert client.register_worker("one") == {"success": True}


def test_calls_that_nobody_awaits_are_dropped(limited):
    made, _ = limited(calls_per_s=1, calls_burst=2)
    client = made.join()
    for _ in range(50):
        client.send(type="invokefunction", function_id="slow", data=None, action={"type": "void"})
    client.barrier()
    made.admin.barrier()
    assert len([one for one in made.admin.seen if one.get("function_id") == "slow"]) == 2
    assert client.seen == []


def test_results_are_never_refused(limited):
    made, _ = limited(calls_per_s=1, bytes_per_s=1_000, bytes_burst=2_000)
    client = made.join(announce=True)
    client.register("mine", lambda data: data)
    assert [made.admin.call("mine", n) for n in range(20)] == list(range(20))


# --- bytes ---------------------------------------------------------------------------------------------------------------


def test_bytes_per_second(limited):
    made, clock = limited(bytes_per_s=1_000, bytes_burst=10_000)
    client = made.join()
    assert outcome(client, data="x" * 9_000) == "ok"
    message = "this session may send 1000 bytes/s (quotas.bytes_per_s), 10000 at once; send less"
    assert outcome(client, data="x" * 3_000) == message
    clock.advance(2)
    assert outcome(client) == message
    clock.advance(2)
    assert outcome(client) == "ok"


@pytest.mark.parametrize(
    "frame", [client_frame(TEXT, b'{"type":"ping"}' + b" " * 9_000), client_frame(BINARY, b"OTLP" + b" " * 9_000)]
)
def test_far_too_many_bytes_end_the_session(limited, frame):
    made, _ = limited(bytes_per_s=1_000, bytes_burst=10_000)
    with raw_worker(made.address) as client:
        client.send(frame * 10)
        error = client.expect(type="error")["error"]
        assert error["code"] == CODE
        opcode, payload = client.frame()
        assert (opcode, int.from_bytes(payload[:2]), payload[2:]) == (8, 1008, CODE.encode())


# --- pending calls -------------------------------------------------------------------------------------------------------


def test_pending_calls(limited):
    made, _ = limited(pending_calls=2)
    client = made.join()
    ids = [client.start_call("slow", n) for n in range(2)]
    message = "this session waits for 2 calls, as many as it may (quotas.pending_calls); wait for answers"
    assert outcome(client) == message
    call = made.admin.expect(type="invokefunction", function_id="slow", data=0)
    made.admin.answer(call, "done")
    assert client.expect(type="invocationresult", invocation_id=ids[0])["result"] == "done"
    assert outcome(client) == "ok"


@pytest.mark.parametrize("middleware", [None, "mw"])
def test_every_way_in_which_a_call_ends_counts(middleware):
    rbac = {"expose_functions": ['match("echo")', 'match("nowhere")', {"metadata": {"gold": True}}]}
    settings = {"quotas": {"pending_calls": 1}, "rbac": rbac, "middleware_function_id": middleware}
    with rules(**settings) as made:
        made.admin.register("echo", lambda data: data)
        made.admin.register("mw", lambda data: data)
        made.admin.register("gold", lambda data: data, metadata={"gold": True})
        client = made.join()
        for _ in range(3):
            for function_id in ("echo", "nowhere", "gold", "private", "engine::channels::create"):
                client.start_call(function_id, {})
                answer = client.expect(type="invocationresult", function_id=function_id)
                assert answer.get("error", {}).get("code") != CODE
            client.send(type="invokefunction", function_id="echo", data=None, action={"type": "void"})
            call = {"function_id": "echo", "data": None, "action": {"type": "enqueue", "queue": "q"}}
            client.start_call(**call)
            if middleware:
                client.expect(type="invocationresult", function_id="echo")
            answer = client.expect(type="invocationresult", function_id="echo")
            assert answer.get("error", {}).get("code") != CODE


# --- registrations -------------------------------------------------------------------------------------------------------


def test_registrations(limited):
    made, _ = limited(registrations=3)
    client = made.join(announce=True)
    client.send(type="registertriggertype", id="tt", description="d")
    client.send(type="registertrigger", id="t", trigger_type="tt", function_id="a", config=None)
    for function_id in ("a", "a", "b"):
        client.register(function_id)
    error = client.expect(type="error")["error"]
    assert error == {
        "code": CODE,
        "message": "function b is not registered: this session holds 3 registrations, as many as it may "
        "(quotas.registrations); unregister others first",
    }
    rejected = client.expect(type="registrationrejected")
    assert (rejected["code"], rejected["function_id"]) == ("FUNCTION_NAMESPACE_CONFLICT", "b")
    client.send(type="registertrigger", id="u", trigger_type="tt", function_id="a", config=None)
    assert client.expect(type="triggerregistrationresult", id="u")["error"]["code"] == CODE
    client.send(type="unregisterfunction", id="a")
    client.register("b", lambda _: "mine")
    assert made.admin.call("b") == "mine"
    client.send(type="unregistertrigger", id="t")
    client.send(type="registertrigger", id="u", trigger_type="tt", function_id="b", config=None)
    client.barrier()
    assert not [one for one in client.seen if one["type"] in ("error", "triggerregistrationresult")]


def test_what_is_refused_for_another_reason_does_not_count(limited):
    made, _ = limited(registrations=1)
    client = made.join(announce=True)
    client.register("echo")
    assert client.expect(type="registrationrejected")["owner_worker_id"] == made.admin.worker_id
    client.register("free", lambda _: "mine")
    assert made.admin.call("free") == "mine"


def test_a_tokens_quotas_win():
    tokens = [{"name": "a", "hash": hashed("t"), "quotas": {"calls_per_s": 1, "calls_burst": 2}}]
    with rules(ManualClock(), tokens=tokens, quotas={"calls_per_s": 1}) as made:
        made.admin.register("echo", lambda data: data)
        client = made.join("?token=t")
        assert [outcome(client) == "ok" for _ in range(3)] == [True, True, False]


# --- origins -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "origins", "status"),
    [
        (None, ["https://anywhere.example"], 101),
        ([], [], 101),
        ([], ["https://app.example"], 403),
        (["https://app.example"], [], 101),
        (["https://app.example"], ["https://app.example"], 101),
        (["https://app.example"], ["http://app.example"], 403),
        (["https://app.example"], ["https://app.example:444"], 403),
        (["https://app.example"], ["https://app.example.evil.example"], 403),
        (["https://app.example"], ["null"], 403),
        (["https://app.example"], ["https://app.example", "https://evil.example"], 403),
        (["null"], ["null"], 101),
        (["*"], ["https://anywhere.example"], 101),
    ],
)
def test_web_pages(allowed, origins, status):
    with rules(allowed_origins=allowed) as made:
        ref = made.admin.call("engine::channels::create", {})["writer"]
        for path in ("/", "/otel", f"/ws/channels/{ref['channel_id']}?key={ref['access_key']}&dir=write"):
            with RawClient(made.address) as client:
                client.send(upgrade_request(path, *(f"Origin: {one}" for one in origins)))
                assert client.head().startswith(f"HTTP/1.1 {status} ")


# --- connections per address ---------------------------------------------------------------------------------------------


def test_connections_per_address():
    with rules(max_connections_per_ip=2) as made, ExitStack() as stack:
        first = stack.enter_context(RawClient(made.address))
        stack.enter_context(raw_worker(made.address))
        with RawClient(made.address) as third:
            head = third.head()
            assert head.startswith("HTTP/1.1 429 Too Many Requests\r\n")
            assert "max_connections_per_ip" in third.rest().decode()
        first.socket.close()
        listener = made.engine._listeners[1]
        with listener.changed:
            assert listener.changed.wait_for(lambda: len(listener._sockets) < 2, 10)
        with raw_worker(made.address) as again:
            again.send_message(type="ping")
            assert json.dumps(again.expect(type="pong"))


def test_the_subscription_socket_has_both():
    settings = {"port": 0, "allowed_origins": ["https://app.example"], "max_connections_per_ip": 1}
    entries = [{"name": "iii-worker-manager", "config": {"port": 0}}, {"name": "iii-stream", "config": settings}]
    with iii_actors.Engine(iii_actors.EngineConfig(workers=entries)) as engine:
        [port] = [one.port for one in engine.opened() if one.name == "stream"]
        with RawClient(("127.0.0.1", port)) as client:
            client.send(upgrade_request("/", "Origin: https://app.example"))
            assert client.head().startswith("HTTP/1.1 101 ")
            with RawClient(("127.0.0.1", port)) as second:
                assert second.head().startswith("HTTP/1.1 429 ")
    del settings["max_connections_per_ip"]
    with iii_actors.Engine(iii_actors.EngineConfig(workers=entries)) as engine:
        [port] = [one.port for one in engine.opened() if one.name == "stream"]
        with RawClient(("127.0.0.1", port)) as client:
            client.send(upgrade_request("/", "Origin: https://evil.example"))
            assert client.head().startswith("HTTP/1.1 403 ")
