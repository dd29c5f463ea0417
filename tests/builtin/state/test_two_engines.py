"""Two engines on one Redis: one state, and triggers that see the changes of both."""

from __future__ import annotations

import pytest

from iii_actors.config.state import StateSettings
from tests.support.asking import bind, refusal
from tests.support.quiet import settle, unexpected

TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "baggage": "a=1"}


@pytest.fixture
def two(site, shared):
    return site(shared), site(shared)


def put(peer, key, value, **members):
    return peer.call("state::set", {"scope": "s", "key": key, "value": value}, **members)


def test_each_sees_what_the_other_writes(two):
    one, other = (site.join() for site in two)
    assert put(one, "k", {"a": []}) == {"old_value": None, "new_value": {"a": []}}
    assert put(other, "k", 2) == {"old_value": {"a": []}, "new_value": 2}
    assert one.call("state::get", {"scope": "s", "key": "k"}) == 2
    assert one.call("state::list", {"scope": "s"}) == [2]
    assert other.call("state::list_groups", {}) == {"groups": ["s"]}
    assert other.call("state::delete", {"scope": "s", "key": "k"}) == 2
    frame = one.expect(type="invocationresult", invocation_id=one.start_call("state::get", {"scope": "s", "key": "k"}))
    assert "result" not in frame


def test_a_thousand_racing_increments_lose_nothing(two):
    racers = [site.join() for site in two for _ in range(2)]
    ops = [{"type": "increment", "path": "n", "by": 1}, {"type": "append", "path": "log", "value": "x"}]
    for _ in range(250):
        for racer in racers:
            racer.start_call("state::update", {"scope": "s", "key": "k", "ops": ops})
    seen = []
    for racer in racers:
        for _ in range(250):
            frame = racer.expect(type="invocationresult")
            assert "error" not in frame
            seen.append(frame["result"]["new_value"]["n"])
    assert sorted(seen) == list(range(1, 1001))
    assert racers[0].call("state::get", {"scope": "s", "key": "k"}) == {"n": 1000, "log": "x" * 1000}


def test_of_racing_compare_and_sets_one_wins(two):
    racers = [site.join() for site in two]
    for number in range(50):
        calls = [
            racer.start_call("state::set", {"scope": "s", "key": f"{number}", "value": at, "if_version": 0})
            for at, racer in enumerate(racers)
        ]
        frames = [
            racer.expect(type="invocationresult", invocation_id=call) for racer, call in zip(racers, calls, strict=True)
        ]
        assert sorted("error" in frame for frame in frames) == [False, True]
        won = next(at for at, frame in enumerate(frames) if "error" not in frame)
        assert racers[0].call("state::get", {"scope": "s", "key": f"{number}"}) == won


def test_a_trigger_is_called_once_for_each_change_wherever_it_was_made(two):
    one, other = (site.join() for site in two)
    for peer in (one, other):
        peer.register("on")
        bind(peer, "t", "state", "on", config={"scope": "s"}, metadata={"m": 1})
    for writer, number in ((one, 1), (other, 2)):
        put(writer, "k", number, **TRACE)
        for peer in (one, other):
            frame = peer.expect(type="invokefunction")
            peer.answer(frame)
            assert frame["data"]["new_value"] == number
            assert frame["data"]["event_type"] == ("state:created" if number == 1 else "state:updated")
            assert frame["metadata"] == {"m": 1}
            assert frame["traceparent"].split("-")[1] == TRACE["traceparent"].split("-")[1]
            assert "a=1" in frame["baggage"]
    # What is behind the last change on the same ways has passed.
    put(one, "elsewhere", 3)
    for peer in (one, other):
        assert peer.expect(type="invokefunction")["data"]["new_value"] == 3
        assert [frame for frame in unexpected(peer) if frame["type"] == "invokefunction"] == []


def test_an_engine_that_fires_no_triggers_fires_none_for_others_either(two):
    one, other = (site.join() for site in two)
    other.register("on")
    bind(other, "t", "state", "on")
    two[1].state.apply(StateSettings(triggers_enabled=False))
    put(one, "k", 1)
    two[1].state.apply(StateSettings())
    put(one, "k", 2)
    assert other.expect(type="invokefunction")["data"]["new_value"] in (1, 2)


def test_what_is_published_by_strangers_is_dropped(two, server, caplog):
    peer = two[0].join()
    peer.register("on")
    bind(peer, "t", "state", "on")
    with server.client() as client:
        for text in ("no JSON", "5", "{}", '{"from":"x","scope":"s","key":5,"event":{}}'):
            assert client.publish("iii-actors:state::events", text) == 2
    put(two[1].join(), "k", 1)
    assert peer.expect(type="invokefunction")["data"]["new_value"] == 1
    assert "is no change of the state, and is dropped" in caplog.text


def test_a_redis_that_goes_fails_calls_with_their_codes_and_they_work_when_it_is_back(two, server):
    peer = two[0].join()
    put(peer, "k", 1)
    server.kill()
    for function_id, data, code, prefix in (
        ("get", {"key": "k"}, "GET_ERROR", "Failed to get value: "),
        ("set", {"key": "k", "value": 2}, "SET_ERROR", "Failed to set value: "),
        ("delete", {"key": "k"}, "DELETE_ERROR", "Failed to delete value: "),
        ("update", {"key": "k", "ops": []}, "UPDATE_ERROR", "Failed to update value: "),
        ("list", {}, "LIST_ERROR", "Failed to list values: "),
        ("list_keys", {}, "LIST_ERROR", "Failed to list keys: "),
        ("list_groups", {}, "LIST_GROUPS_ERROR", "Failed to list groups: "),
        ("get_many", {"keys": ["k"]}, "GET_ERROR", "Failed to get values: "),
    ):
        error = refusal(peer, f"state::{function_id}", {"scope": "s"} | data)
        assert error["code"] == code
        assert error["message"].startswith(f"{prefix}Redis at {server.url}: ")
    server.start()
    assert put(peer, "k", 3) == {"old_value": None, "new_value": 3}
    settle(peer)
