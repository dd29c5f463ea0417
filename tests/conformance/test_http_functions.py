"""Functions that are invoked over HTTP, from a worker's point of view (core.md §5, §3.6, §4.2)."""

import base64
import hashlib
import hmac
import json
import threading
import uuid

import pytest

import iii_actors
from tests.support.asking import rows
from tests.support.endpoint import endpoint, response
from tests.support.peer import CallFailed, peers
from tests.support.quiet import leave, unexpected

OPEN = {"security": {"block_private_ips": False, "require_https": False}}


def engine_with(**settings):
    return iii_actors.Engine(
        iii_actors.EngineConfig(
            workers=[
                {"name": "iii-worker-manager", "config": {"port": 0}},
                {"name": "iii-http-functions", "config": OPEN | settings},
            ]
        )
    )


@pytest.fixture(scope="module")
def running():
    with engine_with() as engine:
        yield engine


@pytest.fixture
def join(running):
    with peers(running.url) as make:
        yield make
    for listener in running._listeners:
        assert listener.wait_until_empty(10)


@pytest.fixture
def server():
    with endpoint() as started:
        yield started


def url(server, path="/f"):
    return f"http://127.0.0.1:{server.port}{path}"


def failure(peer, function_id="f", data=None):
    with pytest.raises(CallFailed) as failed:
        peer.call(function_id, data)
    return failed.value.code, failed.value.message


# --- the request -------------------------------------------------------------------------------------------------------


def test_a_call_becomes_a_request_and_its_response_the_result(join, server):
    peer, caller = join(), join()
    server.answer(200, b' {"b": [1.50, "\xc3\xa9"]}\n')
    peer.register("dir::f", invocation={"url": url(server, "/x?y=1#z")})
    call_id = caller.start_call("dir::f", {"a": {"deep": 1}, "_caller_worker_id": "forged"})
    asked = server.asked()
    assert asked.line == "POST /x?y=1 HTTP/1.1"
    assert asked.body == b'{"a":{"deep":1},"_caller_worker_id":"%b"}' % caller.worker_id.encode()
    assert asked.one("content-type") == "application/json"
    assert asked.one("x-iii-function-path") == "dir::f"
    assert asked.one("host") == f"127.0.0.1:{server.port}"
    assert int(asked.one("x-iii-timestamp")) > 1_700_000_000
    fresh = asked.one("x-iii-invocation-id")
    assert str(uuid.UUID(fresh)) == fresh != call_id
    assert not {"traceparent", "baggage", "cookie"} & {name.lower() for name, _ in asked.headers}
    frame = caller.expect(type="invocationresult", invocation_id=call_id)
    assert frame["result"] == {"b": [1.5, "é"]}
    assert frame["function_id"] == "dir::f"


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_the_method_is_chosen_and_every_one_carries_the_body(join, server, method):
    peer = join()
    peer.register("f", invocation={"url": url(server), "method": method})
    assert peer.call("f", [1]) is None
    asked = server.asked()
    assert (asked.line, asked.body) == (f"{method} /f HTTP/1.1", b"[1]")


@pytest.mark.parametrize(
    "invocation",
    [
        {"url": 1}, {}, "text", {"url": "https://h/", "method": "post"}, {"url": "https://h/", "method": "HEAD"},
        {"url": "https://h/", "timeout_ms": -1}, {"url": "https://h/", "timeout_ms": 1.5},
        {"url": "https://h/", "headers": None}, {"url": "https://h/", "headers": {"a": 1}},
        {"url": "https://h/", "auth": {"type": "basic"}}, {"url": "https://h/", "auth": {"type": "hmac"}},
        {"url": "https://h/", "auth": {"type": "hmac", "secret_key": "III_TEST_NO_SUCH_VARIABLE"}},
        {"url": "no url"}, {"url": "http://h/", "headers": {"Content-Length": "1"}},
        {"url": "http://h/", "headers": {"a": "b\r\nc: d"}}, {"url": "http://h/", "headers": {"a b": "c"}},
    ],
)  # fmt: skip
def test_a_wrong_invocation_is_not_registered_and_the_id_stays_free(join, invocation):
    peer, other = join(), join()
    peer.register("f", invocation=invocation)
    assert unexpected(peer) == []
    assert failure(peer)[0] == "function_not_found"
    other.register("f", lambda _: "free")
    assert peer.call("f") == "free"


def test_configured_headers_are_added(join, server):
    peer = join()
    headers = {"Content-Type": "application/x", "X-Own": "grün", "accept": "text/plain"}
    peer.register("f", invocation={"url": url(server), "headers": headers})
    peer.call("f")
    asked = server.asked()
    assert asked.all("content-type") == ["application/json", "application/x"]
    assert asked.one("x-own").encode("latin-1").decode() == "grün"
    assert asked.all("accept") == ["text/plain"]


def test_a_signature(join, server, monkeypatch):
    monkeypatch.setenv("III_TEST_SECRET", "geheim")
    peer = join()
    peer.register("f", invocation={"url": url(server), "auth": {"type": "hmac", "secret_key": "III_TEST_SECRET"}})
    monkeypatch.setenv("III_TEST_SECRET", "changed later")
    peer.call("f", {"a": 1})
    asked = server.asked()
    signed = f"{asked.one('x-iii-timestamp')}:{base64.b64encode(asked.body).decode()}"
    expected = hmac.new(b"geheim", signed.encode(), hashlib.sha256).hexdigest()
    assert asked.one("x-iii-signature") == f"sha256={expected}"


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ({"type": "bearer", "token_key": "III_TEST_SECRET"}, "authorization", "Bearer s3"),
        ({"type": "api_key", "header": "X-Key", "value_key": "III_TEST_SECRET"}, "x-key", "s3"),
    ],
)
def test_a_token_and_a_key(join, server, monkeypatch, auth, header, value):
    monkeypatch.setenv("III_TEST_SECRET", "s3")
    peer = join()
    peer.register("f", invocation={"url": url(server), "auth": auth})
    peer.call("f")
    assert server.asked().one(header) == value


# --- the response ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "result"),
    [
        (200, b"", ...), (204, b"", ...), (201, b'{"a":1}', {"a": 1}), (200, b"null", None), (299, b"[]", []),
        (304, b"", ...), (302, b'{"moved":true}', {"moved": True}), (301, b"<html>", ...), (399, b"7", 7),
    ],
)  # fmt: skip
def test_a_result(join, server, status, body, result):
    peer = join()
    server.answer(status, body, "Location: http://127.0.0.1:1/", "Content-Type: text/html")
    peer.register("f", invocation={"url": url(server)})
    call_id = peer.start_call("f")
    frame = peer.expect(type="invocationresult", invocation_id=call_id)
    assert frame.get("error") is None
    assert frame.get("result", ...) == result


@pytest.mark.parametrize(
    ("status", "body", "code", "message"),
    [
        (400, b'{"error":{"code":"MINE","message":"told"}}', "MINE", "told"),
        (500, b'{"error":{"code":7}}', "http_error", "HTTP request failed"),
        (400, b'{"error":"text"}', "http_error", "HTTP request failed"),
        (400, b'{"error":null}', "http_error", "HTTP request failed"),
        (400, b'{"message":"x"}', "http_error", "HTTP 400 Bad Request"),
        (404, b"<html>", "http_error", "HTTP 404 Not Found"),
        (413, b"", "http_error", "HTTP 413 Payload Too Large"),
        (599, b"[1]", "http_error", "HTTP 599 Own Words"),
    ],
)
def test_an_error(join, server, status, body, code, message):
    peer = join()
    server.answer(status, body, reason="Own Words")
    peer.register("f", invocation={"url": url(server)})
    assert failure(peer) == (code, message)


@pytest.mark.parametrize("body", [b"<html>", b"{", b"{} x", b"NaN", b"\xff", b'"\\ud800"', b" "])
def test_a_response_that_is_not_json(join, server, body):
    peer = join()
    server.answer(200, body)
    peer.register("f", invocation={"url": url(server)})
    code, message = failure(peer)
    assert code == "invalid_response"
    assert message


def test_nobody_listens(join, server):
    peer = join()
    server.stop()
    peer.register("f", invocation={"url": url(server)})
    code, message = failure(peer)
    assert code == "http_request_failed"
    assert message == f"error sending request for url ({url(server)}): Connection refused (os error 111)"


def test_the_body_breaks_off(join, server):
    peer = join()

    def break_off(sock, _):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        return False

    server.behaviour = break_off
    peer.register("f", invocation={"url": url(server)})
    assert failure(peer)[0] == "http_response_failed"


@pytest.mark.parametrize("said", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n"])
def test_what_is_no_response(join, server, said):
    peer = join()

    def say(sock, _):
        sock.sendall(said)
        return False

    server.behaviour = say
    peer.register("f", invocation={"url": url(server)})
    assert failure(peer)[0] == "http_request_failed"


@pytest.mark.parametrize("where", ["head", "body", "chunks", "nothing"])
def test_a_slow_drip_ends_with_the_timeout(join, server, where):
    peer = join()

    def drip(sock, _):
        sock.sendall(
            {
                "head": b"HTTP/1.1 200 OK\r\nX: ",
                "body": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
                "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;",
                "nothing": b"",
            }[where]
        )
        while where != "nothing" and not server.stopped.wait(0.02):
            sock.sendall(b"x")
        server.stopped.wait(10)

    server.behaviour = drip
    peer.register("f", invocation={"url": url(server), "timeout_ms": 200})
    code, message = failure(peer)
    assert code == "http_request_failed"
    assert message == f"error sending request for url ({url(server)}): operation timed out"


# --- whose it is -------------------------------------------------------------------------------------------------------


def test_it_belongs_to_its_worker_and_leaves_with_it(running, join, server):
    owner, other = join("owner"), join()
    owner.register("f", description="d", invocation={"url": url(server)})
    (row,) = rows(other, "functions", prefix="f")
    assert row == {"function_id": "f", "namespace": "default", "worker_name": "owner", "description": "d"}
    (own,) = [worker for worker in rows(other, "workers") if worker["name"] == "owner"]
    assert own["function_count"] == 1
    other.send(type="registerfunction", id="f")
    assert other.expect(type="registrationrejected")["owner_worker_id"] == owner.worker_id
    other.send(type="unregisterfunction", id="f")
    other.barrier()
    assert other.call("f") is None
    leave(running, owner)
    assert failure(other)[0] == "function_not_found"


def test_it_conflicts_like_any_other(join, server):
    first, second = join(), join()
    first.register("f", lambda _: "own")
    second.send(type="registerfunction", id="f", invocation={"url": url(server)})
    rejected = second.expect(type="registrationrejected")
    assert (rejected["code"], rejected["owner_worker_id"]) == ("FUNCTION_NAMESPACE_CONFLICT", first.worker_id)
    assert second.call("f") == "own"


def test_the_same_worker_may_change_the_kind_and_take_it_away(join, server):
    peer = join()
    peer.register("f", invocation={"url": url(server)})
    assert peer.call("f") is None
    peer.register("f", lambda _: "own")
    assert peer.call("f") == "own"
    peer.register("f", invocation={"url": url(server)})
    assert peer.call("f") is None
    peer.send(type="unregisterfunction", id="f")
    assert failure(peer)[0] == "function_not_found"


def test_it_lives_in_its_worker_s_namespace(join, server):
    peer, other = join(namespace="team"), join()
    peer.register("f", invocation={"url": url(server)})
    assert other.call("f", namespace="team") is None
    assert failure(other)[0] == "function_not_found"


def test_calls_under_way_end_when_its_worker_leaves(join, server):
    owner, caller = join(), join()
    server.behaviour = lambda *_: server.stopped.wait(10)
    owner.register("f", invocation={"url": url(server)})
    call_id = caller.start_call("f")
    server.asked()
    owner.close()
    frame = caller.expect(type="invocationresult", invocation_id=call_id)
    assert frame["error"] == {"code": "invocation_stopped", "message": "Invocation stopped"}


def test_a_trigger_calls_it(join, server):
    peer = join()
    peer.register("f", invocation={"url": url(server)})
    peer.send(type="registertrigger", id="t", trigger_type="engine::workers-available", function_id="f", config={})
    peer.barrier()
    other = join()
    event = json.loads(server.asked().body)
    assert event == {"event": "worker_connected", "worker_id": other.worker_id}


def test_a_slow_endpoint_does_not_hold_up_the_others(server):
    with engine_with(max_calls=4, max_calls_per_host=2) as engine, peers(engine.url) as join, endpoint() as quick:
        peer, release = join(), threading.Event()

        def wait(sock, _):
            release.wait(10)
            sock.sendall(response(200, b'"slow"'))

        server.behaviour = wait
        peer.register("slow", invocation={"url": url(server)})
        peer.register("quick", invocation={"url": url(quick)})
        waiting = [peer.start_call("slow") for _ in range(20)]
        assert [peer.call("quick") for _ in range(5)] == [None] * 5
        release.set()
        for call_id in waiting:
            assert peer.expect(type="invocationresult", invocation_id=call_id)["result"] == "slow"
        assert server.connections <= 2


def test_the_engine_stops_while_calls_are_under_way(server):
    server.behaviour = lambda *_: server.stopped.wait(10)
    with engine_with() as engine, peers(engine.url) as join:
        peer = join()
        peer.register("f", invocation={"url": url(server)})
        for _ in range(3):
            peer.start_call("f")
            server.asked()
        builtin = engine._builtins[-1]
        refs = next(one for one in engine._builtins if one.id == "iii-http-functions").actors()
        assert builtin is not None
        engine.stop()
        assert not any(ref.is_alive() for ref in refs)
