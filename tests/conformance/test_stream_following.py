"""Following a stream on the subscription socket: sync, events, matching, order, leaving (stream.md §6.2, §6.3)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from itertools import count, pairwise

import pytest

import iii_actors
from iii_actors import limits
from tests.support.peer import Frame, Peer, peers
from tests.support.subscriber import Subscriber, socket_address

_numbers = count()


@pytest.fixture(scope="module")
def engine() -> Iterator[iii_actors.Engine]:
    workers = [
        {"name": "iii-worker-manager", "config": {"port": 0}},
        {"name": "iii-stream", "config": {"port": 0}},
    ]
    with iii_actors.Engine(iii_actors.EngineConfig(workers=workers)) as running:
        yield running


@pytest.fixture
def peer(engine: iii_actors.Engine) -> Iterator[Peer]:
    with peers(engine.url) as make:
        yield make()


@pytest.fixture
def follow(engine: iii_actors.Engine) -> Iterator[Callable[..., Subscriber]]:
    made: list[Subscriber] = []

    def make() -> Subscriber:
        made.append(Subscriber(socket_address(engine)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def client(follow: Callable[..., Subscriber]) -> Subscriber:
    return follow()


@pytest.fixture
def stream() -> str:
    return f"followed-{next(_numbers)}"


def put(peer: Peer, stream: str, item: str, data: object, group: str = "g") -> None:
    peer.call("stream::set", {"stream_name": stream, "group_id": group, "item_id": item, "data": data})


def send(peer: Peer, stream: str, data: object, **about: object) -> None:
    peer.call("stream::send", {"stream_name": stream, "group_id": "g", "type": "t", "data": data} | about)


# --- sync ------------------------------------------------------------------------------------------------------------


def test_the_first_is_the_group_as_it_is(peer, client, stream):
    assert client.join("a", stream, "g") == []
    for item in ("b", "a"):
        put(peer, stream, item, {"of": item}, "h")
    assert client.join("b", stream, "h") == [{"of": "b"}, {"of": "a"}]


def test_the_first_is_the_item_as_it_is(peer, client, stream):
    assert client.join("a", stream, "g", "i") is None
    put(peer, stream, "j", None)
    assert client.join("b", stream, "g", "j") is None
    put(peer, stream, "i", {"n": 1})
    assert client.event() == {"type": "create", "data": {"n": 1}}
    assert client.join("c", stream, "g", "i") == {"n": 1}
    assert client.join("d", stream, "g", "") is None


@pytest.mark.parametrize(
    ("answer", "group", "item"), [([1, 2], [1, 2], [1, 2]), ({"a": 1}, {"a": 1}, {"a": 1}), (None, [], None)]
)
def test_the_first_is_what_a_provider_says(peer, client, stream, answer, group, item):
    peer.register(f"stream::list({stream})", lambda _: answer)
    peer.register(f"stream::get({stream})", lambda _: answer)
    assert client.join("a", stream, "g") == group
    assert client.join("b", stream, "g", "i") == item


def test_a_failed_read_sends_nothing_and_the_subscription_stays(peer, client, stream):
    peer.register(f"stream::list({stream})")
    client.say("join", "a", stream, "g")
    frame = peer.expect(type="invokefunction", function_id=f"stream::list({stream})")
    assert {key: frame["data"][key] for key in ("stream_name", "group_id")} == {"stream_name": stream, "group_id": "g"}
    ids = {key: frame[key] for key in ("invocation_id", "function_id")}
    peer.send(type="invocationresult", **ids, error={"code": "oops", "message": "no"})
    assert client.others() == []
    put(peer, stream, "i", 1)
    assert client.event() == {"type": "create", "data": 1}


# --- events ----------------------------------------------------------------------------------------------------------


def test_every_event_comes_in_its_envelope(peer, client, stream):
    client.join("a", stream, "g")
    at = {"stream_name": stream, "group_id": "g", "item_id": "i"}
    began = int(time.time() * 1000)
    for function_id, data, event in [
        ("set", at | {"data": {"n": 1}}, {"type": "create", "data": {"n": 1}}),
        ("set", at | {"data": {"n": 2}}, {"type": "update", "data": {"n": 2}}),
        (
            "update",
            at | {"ops": [{"type": "increment", "path": "n", "by": 1}]},
            {"type": "update", "data": {"n": 3}},
        ),
        ("delete", at, {"type": "delete", "data": {"n": 3}}),
        ("update", at | {"ops": []}, {"type": "create", "data": {}}),
        (
            "send",
            {"stream_name": stream, "group_id": "g", "id": "i", "type": "t", "data": [None]},
            {"type": "event", "event": {"type": "t", "data": [None]}},
        ),
    ]:
        peer.call(f"stream::{function_id}", data)
        envelope = client.next()
        assert began <= envelope.pop("timestamp") <= time.time() * 1000
        assert envelope == {"type": "stream", "streamName": stream, "groupId": "g", "id": "i", "event": event}
    send(peer, stream, 1)
    assert client.next()["id"] is None


def test_reads_and_what_fails_and_deleting_nothing_send_nothing(peer, client, stream):
    client.join("a", stream, "g")
    at = {"stream_name": stream, "group_id": "g", "item_id": "i"}
    for function_id, data in [("get", at), ("list", at), ("delete", at), ("set", at)]:
        peer.start_call(f"stream::{function_id}", data)
        peer.expect(type="invocationresult")
    assert client.others() == []


def test_a_provider_s_changes_are_sent_as_well(peer, client, stream):
    peer.register(f"stream::set({stream})", lambda data: {"old_value": None, "new_value": [data["data"]]})
    client.join("a", stream, "g")
    put(peer, stream, "i", 1)
    assert client.event() == {"type": "create", "data": [1]}


def test_who_follows_what_gets_what(peer, follow, stream):
    group, item, elsewhere, other = follow(), follow(), follow(), follow()
    group.join("a", stream, "g")
    item.join("a", stream, "g", "i")
    elsewhere.join("a", stream, "h")
    other.join("a", f"{stream}x", "g")
    put(peer, stream, "i", 1)
    put(peer, stream, "j", 2)
    send(peer, stream, 3)
    send(peer, stream, 4, id="i")
    for client, expected in [(group, [1, 2, 3, 4]), (item, [1, 4]), (elsewhere, []), (other, [])]:
        seen = [one["event"] for one in client.others()]
        assert [one.get("data") or one["event"]["data"] for one in seen] == expected


def test_an_event_comes_once_for_each_subscription_that_matches(peer, client, stream):
    client.join("a", stream, "g")
    client.join("b", stream, "g")
    client.join("c", stream, "g", "i")
    client.join("d", stream, "g", "j")
    put(peer, stream, "i", 1)
    assert [one["event"]["data"] for one in client.others()] == [1, 1, 1]


def test_a_subscription_of_the_same_id_replaces_the_one_before(peer, client, stream):
    client.join("a", stream, "g")
    client.join("a", stream, "h")
    put(peer, stream, "i", 1)
    put(peer, stream, "i", 2, "h")
    assert [one["event"]["data"] for one in client.others()] == [2]


def test_who_leaves_gets_nothing_more(peer, client, stream):
    client.join("a", stream, "g")
    client.join("b", stream, "g", "i")
    client.leave("nobody", stream, "g")
    client.leave("b", "what is said here", "does not matter")
    put(peer, stream, "i", 1)
    assert [one["event"]["data"] for one in client.others()] == [1]
    client.leave("a", stream, "g")
    put(peer, stream, "i", 2)
    assert client.others() == []


def test_events_come_in_the_order_in_which_they_were_published(peer, follow, stream):
    clients = [follow() for _ in range(3)]
    for client in clients:
        client.join("a", stream, "g")
    for number in range(300):
        peer.start_call(
            "stream::set", {"stream_name": stream, "group_id": "g", "item_id": f"{number % 3}", "data": number}
        )
    for client in clients:
        assert [client.event()["data"] for _ in range(300)] == list(range(300))


def test_what_a_new_subscriber_sees_first_is_never_older_than_an_event_before_it(peer, follow, stream):
    """No change is lost between the sync and the events, and none is overtaken."""
    writes = 400
    at = {"stream_name": stream, "group_id": "g", "item_id": "i"}
    clients = [follow() for _ in range(5)]
    for number in range(writes):
        peer.start_call("stream::set", at | {"data": number})
        if number % (writes // 5) == 0:
            clients[number // (writes // 5)].say("join", "a", stream, "g", "i")
    for client in clients:
        seen: list[int] = []
        while not seen or seen[-1] != writes - 1:
            seen.append(client.event()["data"])
        values = [-1 if one is None else one for one in seen]
        assert values == sorted(values)
        steps = [later - earlier for earlier, later in pairwise(values[1:])]
        assert set(steps) <= {0, 1}
        assert steps.count(0) <= 1, "the sync may say what an event has said just before"


def test_a_hundred_subscribers_all_get_everything(peer, follow, stream):
    clients = [follow() for _ in range(100)]
    for client in clients:
        client.join("a", stream, "g")
    for number in range(20):
        peer.start_call("stream::set", {"stream_name": stream, "group_id": "g", "item_id": "i", "data": number})
    for client in clients:
        assert [client.event()["data"] for _ in range(20)] == list(range(20))


# --- what clients say ------------------------------------------------------------------------------------------------


def messages() -> list[str | bytes]:
    at = {"subscriptionId": "a", "streamName": "s", "groupId": "g"}
    wrong: list[Frame] = [
        {"type": "join"},
        {"type": "join", "data": None},
        {"type": "join", "data": []},
        {"type": "join", "data": at | {"groupId": 5}},
        {"type": "join", "data": at | {"id": {}}},
        {"type": "leave", "data": {"subscriptionId": "a"}},
        {"type": "leave", "data": {"subscription_id": "a", "stream_name": "s", "group_id": "g"}},
        {"type": "Join", "data": at},
        {"type": 5, "data": at},
        {"type": "ping"},
        {"type": "registerfunction", "id": "f"},
        {"type": "invokefunction", "function_id": "f", "data": {}},
        {"data": at},
    ]
    texts: list[str | bytes] = [json.dumps(one) for one in wrong]
    texts += ["", " \t\r\n ", "{", "null", "[]", "5", '"join"', '{"type":"join"', "\0", "[" * 5000]
    texts += [b"", b"\xff\xfe", b'{"type":"join","data":{"subscriptionId":"\xff"}}', b"OTLP{}"]
    return texts


@pytest.mark.parametrize("message", messages(), ids=lambda one: ascii(one)[:60])
def test_what_is_no_join_or_leave_is_ignored_and_the_connection_goes_on(peer, client, stream, message):
    client.socket.send(message)
    assert client.join("a", stream, "g") == []
    put(peer, stream, "i", 1)
    assert client.event() == {"type": "create", "data": 1}


def test_a_message_may_be_binary_and_in_pieces_and_have_more_members(peer, client, stream):
    data = {"subscriptionId": "a", "streamName": stream, "groupId": "g", "more": 1, "id": None}
    text = json.dumps({"data": data, "more": [], "type": "join"})
    client.socket.send(text.encode())
    assert client.event() == {"type": "sync", "data": []}
    client.socket.send([text[:10], text[10:]])
    assert client.event() == {"type": "sync", "data": []}


@pytest.mark.parametrize("name", ["", "\0", "__proto__", "☕", "x" * 10_000, 'a"b\\', "a:b"])
def test_any_text_is_a_name(peer, client, stream, name):
    client.join(name, stream, name, name)
    put(peer, stream, name, 1, name)
    envelope = client.next()
    assert (envelope["groupId"], envelope["id"]) == (name, name)
    client.leave(name, stream, name)


def test_a_connection_has_so_many_subscriptions_and_no_more(monkeypatch, client, stream):
    monkeypatch.setattr("iii_actors.builtin.stream.joining.STREAM_SUBSCRIPTIONS", 3)
    for number in range(3):
        client.join(f"{number}", stream, f"{number}")
    client.say("join", "3", stream, "3")
    assert client.event() == {"type": "unauthorized"}
    assert client.join("2", stream, "2") == []
    client.say("leave", "2", stream, "2")
    assert client.join("3", stream, "3") == []
    assert limits.STREAM_SUBSCRIPTIONS > 3
