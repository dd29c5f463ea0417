"""The actor: what a failing store is to its callers, time stamps, order (stream.md §2, §3)."""

from __future__ import annotations

import pytest

from iii_actors.clock import ManualClock
from iii_actors.storage import StorageError
from tests.support.asking import bind, refusal
from tests.support.quiet import unexpected

AT = {"stream_name": "s", "group_id": "g", "item_id": "i"}


class Broken:
    """Fails whatever it is asked."""

    def __getattr__(self, name):
        def fail(*arguments):
            arguments[-1](None, StorageError("the disk is full"))

        return fail


@pytest.fixture
def broken(site, monkeypatch):
    monkeypatch.setattr("iii_actors.builtin.stream.worker.open_store", lambda *_: Store())
    return site()


class Store(Broken):
    def actors(self):
        return ()

    def close(self):
        """Nothing is open."""


@pytest.mark.parametrize(
    ("function_id", "more", "code", "prefix"),
    [
        ("set", {"data": 1}, "STREAM_SET_ERROR", "Failed to set value: "),
        ("get", {}, "STREAM_GET_ERROR", "Failed to get value: "),
        ("delete", {}, "STREAM_DELETE_ERROR", "Failed to delete value: "),
        ("update", {"ops": []}, "STREAM_UPDATE_ERROR", "Failed to update value: "),
        ("list", {}, "STREAM_GET_GROUP_ERROR", "Failed to get group: "),
        ("list_groups", {}, "STREAM_LIST_GROUPS_ERROR", "Failed to list groups: "),
        ("list_all", {}, "STREAM_LIST_ALL_ERROR", "Failed to list stream: "),
    ],
)
def test_a_store_that_fails_is_told_with_the_function_s_code_and_nobody_else_is(
    broken, function_id, more, code, prefix
):
    peer = broken.join()
    peer.register("on")
    bind(peer, "t", "stream", "on", config={"stream_name": "s"})
    error = refusal(peer, f"stream::{function_id}", AT | more)
    assert error == {"code": code, "message": f"{prefix}the disk is full"}
    assert unexpected(peer) == []


def test_events_carry_the_engine_s_time(site):
    clock = ManualClock()
    peer = site(clock=clock).join()
    peer.register("on")
    bind(peer, "t", "stream", "on", config={"stream_name": "s"})
    for data in (1, 2):
        clock.advance(1.5)
        peer.call("stream::set", AT | {"data": data})
        assert peer.expect(type="invokefunction")["data"]["timestamp"] == int(clock.now() * 1000)


def test_events_of_one_connection_come_in_the_order_of_its_calls(site):
    peer = site().join()
    peer.register("on")
    bind(peer, "t", "stream", "on", config={"stream_name": "s"})
    for number in range(50):
        peer.start_call("stream::set", AT | {"data": number})
        peer.start_call("stream::send", {"stream_name": "s", "group_id": "g", "type": "t", "data": number})
    told = [peer.expect(type="invokefunction")["data"]["event"] for _ in range(100)]
    assert [one.get("data", one.get("event", {}).get("data")) for one in told] == [n for n in range(50) for _ in "12"]
    assert [one["type"] for one in told][1::2] == ["event"] * 50


def test_a_value_that_no_number_holds_is_an_error_of_the_update_and_stays(site):
    peer = site().join()
    peer.send_raw(
        '{"type":"invokefunction","invocation_id":"f7f19aed-1111-4000-8000-000000000001","function_id":"stream::set",'
        '"data":{"stream_name":"s","group_id":"g","item_id":"i","data":{"n":1.0e400}}}'
    )
    assert "error" not in peer.expect(type="invocationresult")
    error = refusal(peer, "stream::update", AT | {"ops": [{"type": "set", "path": "a", "value": 1}]})
    assert error["code"] == "STREAM_UPDATE_ERROR"
    assert error["message"].startswith("Failed to update value: ")
    assert peer.call("stream::get", AT) == {"n": float("inf")}, "as Python reads that number"
