"""State triggers through real sockets: which changes they are called for, with what, and when not (state.md §5)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest

import iii_actors
from tests.support.asking import bind, unbind
from tests.support.peer import Frame, Peer, peers
from tests.support.quiet import leave, settle, unexpected

TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "baggage": "a=1"}
_numbers = count()


@pytest.fixture(scope="module", params=["shared", "own"])
def engine(request: pytest.FixtureRequest) -> Iterator[iii_actors.Engine]:
    listener = {"port": 0, "reader": request.param}
    workers = [{"name": "iii-worker-manager", "config": listener}, {"name": "iii-state"}]
    with iii_actors.Engine(iii_actors.EngineConfig(workers=workers)) as running:
        yield running


@pytest.fixture
def join(engine: iii_actors.Engine) -> Iterator[Callable[..., Peer]]:
    with peers(engine.url) as make:
        yield make
    for listener in engine._listeners:
        assert listener.wait_until_empty(10)


@pytest.fixture
def peer(join: Callable[..., Peer]) -> Peer:
    return join()


@pytest.fixture
def scope() -> str:
    return f"scope-{next(_numbers)}"


def watch(peer: Peer, function_id: str = "on", trigger_id: str | None = None, **config: object) -> None:
    peer.register(function_id)
    bind(peer, trigger_id or f"t-{peer.worker_id}-{function_id}", "state", function_id, config=config)


def write(peer: Peer, scope: str, key: str, value: object, **members: object) -> None:
    peer.call("state::set", {"scope": scope, "key": key, "value": value}, **members)


def event(peer: Peer, function_id: str = "on") -> Frame:
    """The next event; it is answered, so that those after it are called."""
    frame = peer.expect(type="invokefunction", function_id=function_id)
    peer.answer(frame)
    return frame["data"]


def settled(peer: Peer, reached: Callable[[], bool]) -> None:
    """Wait until the handlers of a worker have been called as often as they are to be."""
    deadline = time.monotonic() + 10
    while not reached() and time.monotonic() < deadline:
        settle(peer)


def quiet(*silent: Peer) -> bool:
    """Nothing has come that nobody has taken."""
    for one in silent:
        settle(one)
    return [frame for one in silent for frame in unexpected(one)] == []


def test_each_cause_has_its_event(peer, scope):
    watch(peer, scope=scope)
    at = {"scope": scope, "key": "k"}
    set_k = {"type": "set", "path": "", "value": 4}
    steps = [
        ("state::set", {"value": 1}, "created", None, 1),
        ("state::set", {"value": 1}, "updated", 1, 1),
        ("state::set", {"value": None}, "updated", 1, None),
        ("state::set", {"value": 3}, "updated", None, 3),
        ("state::update", {"ops": [set_k]}, "updated", 3, 4),
        ("state::delete", {}, "deleted", 4, None),
        ("state::delete", {}, "deleted", None, None),
        ("state::update", {"ops": []}, "created", None, {}),
        ("state::update", {"ops": [{"type": "set", "path": "__proto__"}]}, "updated", {}, {}),
    ]
    for function_id, more, kind, old, new in steps:
        peer.call(function_id, at | more)
        told = {"type": "state", "event_type": f"state:{kind}", "old_value": old, "new_value": new}
        assert event(peer) == told | at
    assert quiet(peer)


def test_what_was_refused_has_none(peer, scope):
    watch(peer, scope=scope)
    for function_id, data in (
        ("state::set", {"scope": scope, "key": "k"}),
        ("state::set", {"scope": scope, "key": "k", "value": 1, "if_version": 7}),
        ("state::update", {"scope": scope, "key": "k", "ops": [{"type": "foo"}]}),
        ("state::get", {"scope": scope, "key": "k"}),
        ("state::list", {"scope": scope}),
    ):
        peer.start_call(function_id, data)
        peer.expect(type="invocationresult")
    assert quiet(peer)


def test_scope_and_key_are_compared_exactly(join, scope):
    configs = {
        "all": {},
        "none": None,
        "nulls": {"scope": None, "key": None},
        "scope": {"scope": scope},
        "key": {"key": "k"},
        "both": {"scope": scope, "key": "k", "more": 5},
        "upper": {"scope": scope.upper()},
        "empty": {"scope": scope, "key": ""},
    }
    watcher, writer = join(), join()
    seen: dict[str, list[str]] = {name: [] for name in configs}
    for name, config in configs.items():
        watcher.register(name, lambda data, name=name: seen[name].append(data["new_value"].removeprefix(scope)))
        bind(watcher, f"t-{name}", "state", name, config=config)
    written = [(scope, "k"), (scope, "K"), (scope, ""), (f"{scope}x", "k"), ("", "")]
    for where, key in written:
        write(writer, where, key, f"{where}/{key}")
    wanted = {"all": 5, "none": 5, "nulls": 5, "scope": 3, "key": 2, "both": 1, "upper": 0, "empty": 1}
    settled(watcher, lambda: {name: len(values) for name, values in seen.items()} == wanted)
    seen = {name: sorted(values) for name, values in seen.items()}
    every = sorted(["/k", "/K", "/", "x/k", "/"])
    assert seen == {
        "all": every,
        "none": every,
        "nulls": every,
        "scope": sorted(["/k", "/K", "/"]),
        "key": sorted(["/k", "x/k"]),
        "both": ["/k"],
        "upper": [],
        "empty": ["/"],
    }


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"scope": 5}, "invalid type: integer `5`, expected a string"),
        ({"key": ["k"]}, "invalid type: sequence, expected a string"),
        ({"condition_function_id": True}, "invalid type: boolean `true`, expected a string"),
        (5, "invalid type: integer `5`, expected struct StateTriggerConfig"),
    ],
)
def test_a_wrong_config_is_refused(peer, config, reason):
    peer.register("on")
    peer.send(type="registertrigger", id="t", trigger_type="state", function_id="on", config=config)
    result = peer.expect(type="triggerregistrationresult", id="t")
    assert result["error"]["code"] == "trigger_registration_failed"
    assert result["error"]["message"] == f"Failed to parse trigger config: {reason}"


def test_a_trigger_registered_before_a_write_on_the_same_socket_observes_it(peer, scope):
    peer.register("on")
    for number in range(20):
        config = {"scope": scope, "key": f"{number}"}
        peer.send(type="registertrigger", id=f"t{number}", trigger_type="state", function_id="on", config=config)
        peer.start_call("state::set", {"scope": scope, "key": f"{number}", "value": number})
    assert sorted(event(peer)["new_value"] for _ in range(20)) == list(range(20))


def test_metadata_trace_and_namespace_reach_the_handler(join, scope):
    here, there = join(), join(namespace="shop")
    there.register("on")
    bind(here, "t", "state", "on", config={"scope": scope}, metadata={"m": 1}, namespace="shop")
    write(here, scope, "k", 1, metadata={"of": "the writer"}, **TRACE)
    frame = there.expect(type="invokefunction")
    assert frame["metadata"] == {"m": 1}
    assert frame["traceparent"].split("-")[1] == TRACE["traceparent"].split("-")[1]
    assert frame["baggage"].split(",")[0] == TRACE["baggage"]
    assert quiet(here)


def test_a_write_waits_for_no_handler_and_its_failure_is_nobody_s(peer, scope):
    watch(peer, scope=scope)
    for number in range(3):
        write(peer, scope, "k", number)
    frames = [peer.expect(type="invokefunction") for _ in range(3)]
    assert sorted(frame["data"]["new_value"] for frame in frames) == [0, 1, 2]
    for frame in frames:
        ids = {key: frame[key] for key in ("invocation_id", "function_id")}
        peer.send(type="invocationresult", **ids, error={"code": "oops", "message": "no"})
    write(peer, scope, "k", 3)
    assert event(peer)["new_value"] == 3
    assert quiet(peer)


def test_the_triggers_of_one_write_are_called_one_after_the_other(peer, scope):
    for name in ("one", "two", "three"):
        watch(peer, name, scope=scope)
    write(peer, scope, "k", 1)
    called = set()
    for _ in range(3):
        frame = peer.expect(type="invokefunction")
        called.add(frame["function_id"])
        assert quiet(peer), "the next is called before this one has answered"
        peer.answer(frame)
    assert called == {"one", "two", "three"}


def test_a_handler_that_is_not_there_stops_no_other(peer, scope):
    bind(peer, "t-nobody", "state", "nobody", config={"scope": scope})
    watch(peer, scope=scope)
    write(peer, scope, "k", 1)
    assert event(peer)["new_value"] == 1


@pytest.mark.parametrize(
    ("decision", "called"), [(False, False), (True, True), (None, True), (0, True), ("false", True), ({}, True)]
)
def test_a_condition_that_says_exactly_false_skips(peer, scope, decision, called):
    asked = []
    peer.register("decide", lambda data: asked.append(data) or decision)
    watch(peer, scope=scope, condition_function_id="decide")
    watch(peer, "always", scope=scope)
    write(peer, scope, "k", 1)
    told = event(peer, "always") if not called else None
    if called:
        told = event(peer)
        event(peer, "always")
    assert asked == [told]
    assert quiet(peer)


@pytest.mark.parametrize("condition", ["fails", "is-not-there"])
def test_a_condition_that_fails_skips_its_trigger_and_no_other(peer, scope, condition):
    watch(peer, scope=scope, condition_function_id=condition)
    watch(peer, "other", scope=scope)
    peer.register("fails")
    write(peer, scope, "k", 1)
    if condition == "fails":
        frame = peer.expect(type="invokefunction", function_id="fails")
        ids = {key: frame[key] for key in ("invocation_id", "function_id")}
        peer.send(type="invocationresult", **ids, error={"code": "oops", "message": "no"})
    assert event(peer, "other")["new_value"] == 1
    assert quiet(peer)


def test_a_handler_s_own_write_fires_again(peer, scope):
    watch(peer, scope=scope)
    write(peer, scope, "k", 0)
    for number in range(5):
        assert event(peer)["new_value"] == number
        write(peer, scope, "k", number + 1)
    assert event(peer)["new_value"] == 5


def test_a_binding_of_the_same_id_replaces_the_one_before(peer, scope):
    watch(peer, trigger_id="t", scope=scope)
    watch(peer, trigger_id="t", scope=f"{scope}-new")
    write(peer, scope, "k", 1)
    write(peer, f"{scope}-new", "k", 2)
    assert event(peer)["new_value"] == 2
    assert quiet(peer)


@pytest.mark.parametrize("how", ["unbind", "close", "cut"])
def test_an_end_of_the_binding_ends_the_calls(engine, join, scope, how):
    watcher, other, writer = join(), join(), join()
    watch(watcher, trigger_id="t", scope=scope)
    watch(other, "other", scope=scope)
    if how == "unbind":
        unbind(watcher, "t")
    else:
        leave(engine, watcher, how)
    write(writer, scope, "k", 1)
    assert event(other, "other")["new_value"] == 1
    assert quiet(writer, *([watcher] if how == "unbind" else []))
