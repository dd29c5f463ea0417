"""`iii-bridge`: two engines, functions of each in the other (config-and-cli.md §9)."""

import threading

import pytest

import iii_actors
from iii_actors.errors import ConfigError
from tests.support.peer import CallFailed, peers

WAIT_S = 15


def config(*workers):
    return iii_actors.EngineConfig(workers=[{"name": "iii-worker-manager", "config": {"port": 0}}, *workers])


@pytest.fixture(scope="module")
def engines():
    """The far one, and the near one with the bridge."""
    with iii_actors.Engine(config()) as far:
        bridge = {
            "url": far.url,
            "expose": [
                {"local_function": "near::hello"},
                {"local_function": "near::hello", "remote_function": "far::named"},
            ],
            "forward": [
                {"local_function": "from::far", "remote_function": "far::hello"},
                {"local_function": "from::slow", "remote_function": "far::slow", "timeout_ms": 200},
            ],
            "service_id": "x",
            "service_name": "y",
        }
        with iii_actors.Engine(config({"name": "iii-bridge", "config": bridge})) as near:
            yield far, near


@pytest.fixture
def both(engines):
    far, near = engines
    with peers(far.url) as make_far, peers(near.url) as make_near:
        there, here = make_far("far"), make_near("near")
        there.register("far::hello", lambda data: {"far": data["n"]})
        here.register("near::hello", lambda data: {"near": data["n"]})
        yield there, here


def until_there(peer, function_id):
    """Return when a function is registered: the bridge connects by itself."""
    while True:
        listed = peer.call("engine::functions::list", {})["functions"]
        if any(one["function_id"] == function_id for one in listed):
            return
        threading.Event().wait(0.02)


def test_a_function_from_there_is_called_here(both):
    assert both[1].call("from::far", {"n": 1}) == {"far": 1}


def test_a_function_from_here_is_called_there(both):
    there, _ = both
    until_there(there, "near::hello")
    assert there.call("near::hello", {"n": 2}) == {"near": 2}
    assert there.call("far::named", {"n": 3}) == {"near": 3}


def test_it_is_a_worker_there(both):
    there, here = both
    here.call("from::far", {"n": 1})
    names = [worker["name"] for worker in there.call("engine::workers::list", {})["workers"]]
    assert [name for name in names if name.startswith("iii-bridge-client")]


def test_any_function_is_invoked(both):
    _, here = both
    assert here.call("bridge.invoke", {"function_id": "far::hello", "data": {"n": 4}}) == {"far": 4}


def test_and_without_waiting(both):
    there, here = both
    there.register("far::noted")
    assert here.call("bridge.invoke_async", {"function_id": "far::noted", "data": {"n": 5}}) is None
    assert there.expect(type="invokefunction", function_id="far::noted")["data"]["n"] == 5


@pytest.mark.parametrize(
    ("function_id", "data", "code", "text"),
    [
        (
            "bridge.invoke",
            {"function_id": "nobody::has"},
            "bridge_error",
            "function_not_found: Function nobody::has not",
        ),
        ("bridge.invoke", {}, "deserialization_error", "missing field `function_id`"),
        ("bridge.invoke_async", {"function_id": 7}, "deserialization_error", "expected a string"),
        ("from::slow", {}, "bridge_error", "TIMEOUT"),
    ],
)
def test_failures(both, function_id, data, code, text):
    there, here = both
    there.register("far::slow")
    with pytest.raises(CallFailed) as failed:
        here.call(function_id, data)
    assert failed.value.code == code
    assert text in failed.value.message


def test_an_error_of_a_function_here_is_told_there(both):
    there, here = both

    def fail(_):
        raise CallFailed({"code": "no_luck", "message": "today"})

    here.register("near::hello", fail)
    until_there(there, "near::hello")
    with pytest.raises(CallFailed, match="today") as failed:
        there.call("near::hello", {"n": 1})
    assert failed.value.code == "no_luck"


def test_it_stops_while_a_call_from_there_runs():
    with iii_actors.Engine(config()) as far:
        bridge = {"url": far.url, "expose": [{"local_function": "near::slow"}]}
        near = iii_actors.Engine(config({"name": "iii-bridge", "config": bridge})).start()
        try:
            with peers(far.url) as make_far, peers(near.url) as make_near:
                there, here = make_far("far"), make_near("near")
                here.register("near::slow")
                until_there(there, "near::slow")
                pending = there.start_call("near::slow", {})
                here.expect(type="invokefunction", function_id="near::slow")
                near.stop()
                answer = there.expect(type="invocationresult", invocation_id=pending)
                assert answer["error"]["code"] == "invocation_stopped"
        finally:
            near.stop()


def test_the_address_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("III_URL", "ws://elsewhere:1")
    (settings,) = [one.settings for one in config({"name": "iii-bridge"}).instances if one.id == "iii-bridge"]
    assert settings.url == "ws://elsewhere:1"
    monkeypatch.delenv("III_URL")
    (settings,) = [one.settings for one in config({"name": "iii-bridge"}).instances if one.id == "iii-bridge"]
    assert settings.url == "ws://localhost:49134"


@pytest.mark.parametrize(
    "block",
    [
        {"url": "http://x"},
        {"expose": [{}]},
        {"forward": [{"local_function": "a"}]},
        {"forward": [{"local_function": "a", "remote_function": "b", "timeout_ms": 0}]},
        {"forwards": []},
    ],
)
def test_settings_that_are_wrong(block):
    with pytest.raises(ConfigError):
        config({"name": "iii-bridge", "config": block})
