"""Official workers share streams, provide them, and are called when something happens in one (stream.md §9)."""

import pytest

from tests.e2e.support.names import unique
from tests.e2e.support.probe import ProbeError


@pytest.fixture
def one(pair):
    return pair.caller


@pytest.fixture
def other(pair):
    return pair.callee


def at(stream, item="i", **more):
    return {"stream_name": stream, "group_id": "g", "item_id": item, **more}


def test_what_one_sets_the_other_gets(one, other):
    stream = unique("stream")
    value = {"text": "Grüße, 世界 🫖", "numbers": [1, -1, 0.5], "nothing": None, "deep": {"er": [[{}]]}}
    assert one.call("stream::get", at(stream)) is None
    assert one.call("stream::set", at(stream, data=value)) == {"old_value": None, "new_value": value}
    assert other.call("stream::get", at(stream)) == value
    assert other.call("stream::set", at(stream, data=2)) == {"old_value": value, "new_value": 2}
    assert one.call("stream::delete", at(stream)) == {"old_value": 2}
    assert other.call("stream::get", at(stream)) is None
    assert other.call("stream::delete", at(stream)) == {"old_value": None}


def test_a_stream_is_listed(one, other):
    stream = unique("stream")
    assert one.call("stream::list", {"stream_name": stream, "group_id": "g"}) == []
    for item in ("b", "a", "c"):
        one.call("stream::set", at(stream, item, data={"item": item}))
    listed = other.call("stream::list", {"stream_name": stream, "group_id": "g"})
    assert [row["item"] for row in listed] == ["b", "a", "c"]
    assert other.call("stream::list_groups", {"stream_name": stream}) == ["g"]
    assert {"id": stream, "groups": ["g"]} in other.call("stream::list_all", {})["stream"]


def test_updates(one, other):
    stream = unique("stream")
    one.call("stream::set", at(stream, data={"count": 0, "name": "n", "log": [], "text": ""}))
    ops = [
        {"type": "set", "path": "name", "value": "m"},
        {"type": "append", "path": "log", "value": {"k": 1}},
        {"type": "append", "path": "text", "value": "x"},
        {"type": "merge", "path": "near", "value": {"a": 1}},
        {"type": "merge", "path": ["seen", "by"], "value": {"both": True}},
    ]
    outcome = other.call("stream::update", at(stream, ops=ops))
    assert "errors" not in outcome
    assert outcome["new_value"] == {
        "count": 0,
        "name": "m",
        "log": [{"k": 1}],
        "text": "x",
        "near": {"a": 1},
        "seen": {"by": {"both": True}},
    }
    assert one.call("stream::get", at(stream)) == outcome["new_value"]
    more = [{"type": "increment", "path": "count", "by": 1}]
    numbers = [
        (probe, probe.start("call", function_id="stream::update", payload=at(stream, ops=more)))
        for _ in range(20)
        for probe in (one, other)
    ]
    counts = [probe.finish(number)["new_value"]["count"] for probe, number in numbers]
    assert sorted(counts) == list(range(1, 41))


def test_what_is_wrong_is_told(one):
    with pytest.raises(ProbeError) as raised:
        one.call("stream::set", {"stream_name": "s", "group_id": "g", "data": 1})
    assert raised.value.message == "Failed to deserialize input for stream::set: missing field `item_id`"
    ops = [{"type": "set", "path": "__proto__", "value": 1}]
    outcome = one.call("stream::update", at(unique("stream"), ops=ops))
    assert [error["code"] for error in outcome["errors"]] == ["set.path.proto_polluted"]


@pytest.mark.parametrize("who", ["one", "other"])
def test_a_stream_of_one_is_used_by_the_other_and_by_itself(one, other, who):
    stream = unique("stream")
    other.do("stream_provider", stream_name=stream)
    user = one if who == "one" else other
    assert user.call("stream::set", at(stream, data={"a": 1})) == {"old_value": None, "new_value": {"a": 1}}
    kept = other.event("kept", group_id="g", item_id="i")
    assert kept["data"] == {"a": 1}
    assert user.call("stream::set", at(stream, data={"a": 2})) == {"old_value": {"a": 1}, "new_value": {"a": 2}}
    assert other.event("kept", group_id="g", item_id="i")["data"] == {"a": 2}
    assert user.call("stream::get", at(stream)) == {"a": 2}
    assert user.call("stream::list", {"stream_name": stream, "group_id": "g"}) == [{"a": 2}]
    assert user.call("stream::list_groups", {"stream_name": stream}) == ["g"]
    assert user.call("stream::delete", at(stream)) == {"old_value": {"a": 2}}
    assert user.call("stream::get", at(stream)) is None
    assert user.call("stream::delete", at(stream)) == {"old_value": None}


@pytest.mark.parametrize("provided", [False, True])
def test_a_trigger_is_told_of_its_stream_and_group_and_of_no_other(one, other, provided):
    stream, function_id = unique("stream"), unique("e2e::on")
    if provided:
        one.do("stream_provider", stream_name=stream)
    other.offer(function_id)
    config = {"stream_name": stream, "group_id": "g"}
    other.do("bind", type="stream", function_id=function_id, config=config, metadata={"m": 1})
    one.call("stream::set", at(stream, data=0) | {"group_id": "another"})
    one.call("stream::set", at(stream, data={"a": 1}))
    told = other.event("called", function_id=function_id)
    assert told["metadata"] == {"m": 1}
    seen = told["data"]
    expected = {"type": "stream", "streamName": stream, "groupId": "g", "id": "i"}
    assert {key: seen[key] for key in expected} == expected
    assert seen["event"] == {"type": "create", "data": {"a": 1}}
    assert isinstance(seen["timestamp"], int)
    one.call("stream::set", at(stream, data={"a": 2}))
    assert other.event("called", function_id=function_id)["data"]["event"] == {"type": "update", "data": {"a": 2}}
    one.call("stream::delete", at(stream))
    assert other.event("called", function_id=function_id)["data"]["event"] == {"type": "delete", "data": {"a": 2}}
    assert one.call("stream::send", {"stream_name": stream, "group_id": "g", "type": "t", "data": [1]}) is None
    told = other.event("called", function_id=function_id)["data"]
    assert (told["id"], told["event"]) == (None, {"type": "event", "event": {"type": "t", "data": [1]}})


def test_streams_in_a_file_are_there_after_the_engine_has_been_killed(shop, tmp_path, python_sdk):
    settings = tmp_path / "config.yaml"
    settings.write_text(
        "workers:\n"
        "  - name: iii-stream\n"
        "    config:\n"
        "      port: ${STREAMS_PORT:3112}\n"
        "      host: 127.0.0.1\n"
        "      adapter:\n"
        "        name: kv\n"
        f"        config: {{store_method: file_based, file_path: {tmp_path / 'stream_store'}}}\n"
    )
    engine = shop.engine("--config", str(settings))
    probe = shop.probe(python_sdk, engine.url)
    for number in range(20):
        probe.call("stream::set", at("s", f"{number}", data=number))
    engine.kill()
    engine.start()
    again = shop.probe(python_sdk, engine.url)
    assert again.call("stream::list", {"stream_name": "s", "group_id": "g"}) == list(range(20))
