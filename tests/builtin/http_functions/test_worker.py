"""The built-in worker in an engine: what it takes at registration, its settings, its coming and going."""

import pytest

import iii_actors
from iii_actors.actor import ask
from iii_actors.builtin.http_functions import HttpFunctions
from iii_actors.config import EngineConfig
from iii_actors.config.http_functions import HttpFunctionsSettings
from iii_actors.core.external import FindExternal
from iii_actors.core.messages import ListFunctions
from iii_actors.errors import ConfigError
from tests.support.endpoint import response
from tests.support.peer import CallFailed, peers
from tests.support.quiet import unexpected

OPEN = {"security": {"block_private_ips": False, "require_https": False}}


def config(*entries):
    named = [{"name": "iii-http-functions", "config": entry} for entry in entries]
    return EngineConfig(workers=[{"name": "iii-worker-manager", "config": {"port": 0}}, *named])


@pytest.fixture
def opened():
    """An engine with these settings of the worker, and one peer."""
    import contextlib

    with contextlib.ExitStack() as stack:

        def start(**settings):
            engine = stack.enter_context(iii_actors.Engine(config(settings)))
            join = stack.enter_context(peers(engine.url))
            (builtin,) = [one for one in engine._builtins if isinstance(one, HttpFunctions)]
            return engine, builtin, join()

        yield start


def register(peer, server, function_id="f", **members):
    peer.register(function_id, invocation={"url": f"http://127.0.0.1:{server.port}/"} | members)


def failure(peer, function_id="f"):
    with pytest.raises(CallFailed) as failed:
        peer.call(function_id)
    return failed.value.code, failed.value.message


def test_it_is_listed_and_its_actors_end_with_it(opened, server):
    engine, builtin, peer = opened(**OPEN)
    names = {worker["id"]: worker["runtime"] for worker in peer.call("engine::workers::list", {})["workers"]}
    assert names["iii-http-functions"] == "engine"
    register(peer, server)
    peer.call("f")
    refs = builtin.actors()
    assert [figures.name for figures in engine.actors() if figures.name in {"Dispatcher", "Caller"}] == [
        "Dispatcher",
        "Caller",
    ]
    engine.stop()
    assert not any(ref.is_alive() for ref in refs)


def test_stopped_it_takes_the_functions_that_it_invokes_with_it(opened, server):
    engine, builtin, peer = opened(**OPEN)
    register(peer, server)
    peer.register("own", lambda _: "own")
    server.behaviour = lambda *_: server.stopped.wait(10)
    call_id = peer.start_call("f")
    server.asked()
    builtin.stop()
    frame = peer.expect(type="invocationresult", invocation_id=call_id)
    assert frame["error"] == {"code": "invocation_stopped", "message": "Invocation stopped"}
    assert ask(engine.core.functions, FindExternal()) is None
    assert "f" not in {one.function_id for one in ask(engine.core.functions, ListFunctions())}
    assert peer.call("own") == "own"
    register(peer, server)
    assert failure(peer)[0] == "function_not_found"
    server.answer(200, b"1")
    builtin.start()
    register(peer, server)
    assert peer.call("f") == 1


def test_there_is_one():
    with pytest.raises(ConfigError, match="keep one entry"):
        iii_actors.Engine(config({}, {})).start()


def test_what_the_rules_refuse_is_not_registered_and_the_log_says_why(opened, server, caplog):
    _, _, peer = opened()
    register(peer, server)
    peer.register("g", invocation={"url": "https://u:p@h/"})
    assert unexpected(peer) == []
    assert failure(peer)[0] == "function_not_found"
    assert (
        f"Function f of worker {peer.worker_id} is to be invoked over HTTP, and is not registered: `invocation.url`: HTTPS is required"
        in caplog.text
    )
    assert "Invalid URL: it has user information in front of the host" in caplog.text
    assert "u:p" not in caplog.text


def test_a_missing_secret_is_named(opened, server, caplog):
    _, _, peer = opened(**OPEN)
    register(peer, server, auth={"type": "bearer", "token_key": "III_TEST_NO_SUCH_VARIABLE"})
    assert failure(peer)[0] == "function_not_found"
    assert "`invocation.auth.token_key` names the environment variable 'III_TEST_NO_SUCH_VARIABLE'" in caplog.text


def test_a_wrong_registration_leaves_the_former_one(opened, server):
    _, _, peer = opened(**OPEN)
    register(peer, server)
    peer.register("f", invocation={"url": "broken"})
    assert peer.call("f") is None


def test_settings_hold_from_then_on(opened, server):
    _, builtin, peer = opened(**OPEN)
    register(peer, server)
    assert peer.call("f") is None
    builtin.apply(HttpFunctionsSettings())
    assert failure(peer) == ("url_validation_failed", "HTTPS is required")
    builtin.apply(HttpFunctionsSettings(security={"require_https": False}))
    assert failure(peer) == ("url_validation_failed", "Private IP blocked")
    register(peer, server, "g")
    assert failure(peer, "g")[0] == "function_not_found"
    builtin.apply(HttpFunctionsSettings(**OPEN, max_response_bytes=3))
    assert failure(peer) == ("http_response_failed", "the response is longer than 3 bytes")


def test_settings_that_cannot_be_used_change_nothing(opened, server, tmp_path):
    _, builtin, peer = opened(**OPEN)
    register(peer, server)
    (tmp_path / "none.pem").write_text("nothing\n")
    with pytest.raises(ConfigError, match="ca_bundle"):
        builtin.apply(HttpFunctionsSettings(ca_bundle=str(tmp_path / "none.pem")))
    assert peer.call("f") is None


def test_a_retry_over_a_real_socket(opened, server):
    _, _, peer = opened(**OPEN, retries={"count": 1, "backoff_ms": 10})
    server.behaviour = lambda sock, asked: sock.sendall(
        response(200 if asked.connection or not first.pop() else 503, b"7")
    )
    first = [False, True]
    register(peer, server)
    assert peer.call("f") == 7
    one, other = server.asked(), server.asked()
    assert one.one("x-iii-invocation-id") == other.one("x-iii-invocation-id")
    assert one.body == other.body


def test_a_name_is_resolved_once_per_call_and_at_registration(opened, server, monkeypatch):
    asked = []

    def resolve(self, host, port):
        asked.append((host, port))
        return ["127.0.0.1"]

    monkeypatch.setattr(HttpFunctions, "resolve", resolve)
    _, _, peer = opened(**OPEN)
    peer.register("f", invocation={"url": f"http://name.example:{server.port}/"})
    assert asked == [("name.example", server.port)]
    peer.call("f")
    peer.call("f")
    assert len(asked) == 3
    assert server.asked().one("host") == f"name.example:{server.port}"


def test_a_name_without_address_can_be_registered_where_no_rule_looks_at_it(opened, monkeypatch):
    def fail(self, host, port):
        raise OSError("no such name")

    monkeypatch.setattr(HttpFunctions, "resolve", fail)
    _, _, peer = opened(**OPEN)
    peer.register("f", invocation={"url": "http://later.example/"})
    assert failure(peer)[0] == "http_request_failed"


def test_a_slow_name_at_registration_holds_up_nobody_else(opened, server, monkeypatch):
    import threading

    release, asked = threading.Event(), threading.Event()

    def slow(self, host, port):
        asked.set()
        release.wait(10)
        return ["127.0.0.1"]

    monkeypatch.setattr(HttpFunctions, "resolve", slow)
    engine, _, peer = opened(**OPEN)
    with peers(engine.url) as join:
        other = join()
        peer.send(type="registerfunction", id="f", invocation={"url": f"http://slow.example:{server.port}/"})
        assert asked.wait(10)
        register(other, server, "quick")
        assert other.call("quick") is None
        release.set()
        peer.barrier()
        assert other.call("f") is None
