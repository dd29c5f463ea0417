"""The bus through a real Redis: two engines' worth of it, outsiders, bounds; Redis gone, mute and back (pubsub.md §5)."""

import json
import queue
import threading

import pytest
from msgspec import Raw

from iii_actors.actor import LightActor, handles, launch, stats
from iii_actors.builtin.pubsub import redis_bus, redis_reader
from iii_actors.builtin.pubsub.messages import Arrived
from iii_actors.builtin.pubsub.redis_bus import RedisBus
from iii_actors.clock import SystemClock
from iii_actors.storage.redis_client import connect
from tests.support.redis import redis_server

WAIT_S = 10


@pytest.fixture(scope="module")
def server():
    with redis_server() as running:
        yield running


@pytest.fixture
def outsider(server):
    with server.client() as client:
        yield client


class Topics(LightActor):
    """Stands for topics: keeps what arrives, for one who waits."""

    def __init__(self):
        super().__init__()
        self._arrived = queue.SimpleQueue()

    @handles(Arrived)
    def arrived(self, message):
        self._arrived.put((message.topic, bytes(message.data)))

    def next(self):
        return self._arrived.get(timeout=WAIT_S)

    def empty(self):
        return self._arrived.empty()


class Side:
    """One engine's end of the bus."""

    def __init__(self, server):
        self.clock = SystemClock()
        self.topics = Topics()
        self.bus = RedisBus(connect(server.url, "iii-pubsub"), server.url, launch(self.topics), self.clock)
        self.follow, self.leave, self.next = self.bus.follow, self.bus.leave, self.topics.next

    def publish(self, topic, data):
        self.bus.publish(topic, Raw(json.dumps(data).encode()))

    @property
    def up(self):
        return self.bus._reader_actor.up

    def close(self):
        self.bus.close()
        self.topics.actor_ref.stop()
        self.clock.stop()


@pytest.fixture
def side(server):
    made = []

    def make():
        made.append(Side(server))
        assert made[-1].up.is_set()
        return made[-1]

    yield make
    for one in made:
        one.close()


def wait_until(condition):
    """Wait for what another thread will bring about, and no event tells of."""
    done = threading.Event()
    for _ in range(2000):
        if condition():
            return
        done.wait(0.005)
    raise AssertionError("it never happens")


def test_every_engine_that_follows_a_topic_hears_it_the_publisher_s_too(side):
    one, other, third = side(), side(), side()
    one.follow(["a", "b"])
    other.follow(["a"])
    third.follow(["A", "a*"])
    one.publish("a", {"n": [1, None]})
    assert one.next() == other.next() == ("a", b'{"n": [1, null]}')
    other.publish("b", 2)
    assert one.next() == ("b", b"2")
    assert other.topics.empty()
    assert third.topics.empty()


def test_messages_keep_their_order_in_one_round_trip_or_many(side):
    one, other = side(), side()
    other.follow(["t"])
    for number in range(1000):
        one.publish("t", number)
    assert [other.next() for _ in range(1000)] == [("t", str(number).encode()) for number in range(1000)]


def test_a_channel_is_the_topic_verbatim_and_a_message_json_text(side, outsider):
    one = side()
    name = "Ä topic: * with ☕"
    one.follow([name])
    assert outsider.pubsub_numsub(name) == [(name.encode(), 1)]
    outsider.publish(name, b'{"from": "outside"}')
    assert one.next() == (name, b'{"from": "outside"}')
    listener = outsider.pubsub()
    listener.subscribe("out")
    assert listener.get_message(timeout=WAIT_S)["type"] == "subscribe"
    one.publish("out", {"a": "☕"})
    assert json.loads(listener.get_message(timeout=WAIT_S)["data"]) == {"a": "☕"}
    listener.close()


@pytest.mark.parametrize("text", [b"no json", b"", b'{"a":1', b"NaN", b'"\xff"', b"[" * 100_000])
def test_what_is_no_json_is_dropped_with_a_word(side, outsider, caplog, text):
    one = side()
    one.follow(["t"])
    outsider.publish("t", text)
    outsider.publish("t", b"1")
    assert one.next() == ("t", b"1")
    assert "on the Redis channel t is no JSON and is dropped" in caplog.text


def test_a_topic_that_is_left_is_heard_no_more_and_can_be_followed_again(side, outsider):
    one = side()
    one.follow(["a", "b"])
    one.leave(["a", "never followed"])
    one.leave([])
    one.follow(["c"])
    assert outsider.pubsub_numsub("a") == [(b"a", 0)]
    outsider.publish("a", 1)
    outsider.publish("b", 2)
    assert one.next() == ("b", b"2")
    one.follow(["a", "b"])
    outsider.publish("a", 3)
    assert one.next() == ("a", b"3")


def test_a_subscription_is_live_when_follow_returns(side, outsider):
    one = side()
    for number in range(50):
        one.follow([f"t{number}"])
        assert outsider.publish(f"t{number}", number) == 1
    assert [one.next()[1] for _ in range(50)] == [str(number).encode() for number in range(50)]


# --- faults -----------------------------------------------------------------------------------------------------------


def test_redis_goes_and_comes_back_and_all_topics_are_followed_again(side, server, caplog):
    caplog.set_level("INFO")
    one, other = side(), side()
    one.follow(["before"])
    server.kill()
    wait_until(lambda: not one.up.is_set() and not other.up.is_set())
    one.publish("before", "lost")
    one.follow(["meanwhile"])
    one.leave(["never"])
    server.start()
    assert one.up.wait(WAIT_S)
    assert other.up.wait(WAIT_S)
    with server.client() as outsider:
        wait_until(lambda: dict(outsider.pubsub_numsub("before", "meanwhile")) == {b"before": 1, b"meanwhile": 1})
    other.publish("before", 1)
    other.publish("meanwhile", 2)
    assert [one.next(), one.next()] == [("before", b"1"), ("meanwhile", b"2")]
    one.publish("before", 3)
    assert one.next() == ("before", b"3")
    assert f"127.0.0.1:{server.port} is gone, messages are lost until it is back" in caplog.text
    assert "is back; 2 topics are followed again" in caplog.text
    assert "1 messages were lost while Redis was gone" in caplog.text


def test_a_connection_that_redis_cuts_is_made_again(side, outsider):
    one = side()
    one.follow(["t"])
    outsider.client_kill_filter(_type="pubsub")
    wait_until(lambda: outsider.pubsub_numsub("t") == [(b"t", 1)])
    outsider.publish("t", 1)
    assert one.next() == ("t", b"1")


def test_a_redis_that_says_nothing_more_is_given_up(side, server, monkeypatch, caplog):
    monkeypatch.setattr(redis_reader, "REDIS_SILENCE_S", 0.0)
    monkeypatch.setattr(redis_reader, "REDIS_WAIT_S", 0.1)
    monkeypatch.setattr(redis_reader, "_LOOK_S", 0.05)
    one = side()
    one.follow(["t"])
    with server.frozen():
        wait_until(lambda: not one.up.is_set())
        assert "is gone, messages are lost until it is back: no answer to a ping" in caplog.text
    assert one.up.wait(WAIT_S)


def test_a_ping_that_is_answered_is_no_fault(side, monkeypatch):
    monkeypatch.setattr(redis_reader, "REDIS_SILENCE_S", 0.0)
    monkeypatch.setattr(redis_reader, "_LOOK_S", 0.01)
    one = side()
    handled = stats(one.bus.actors()[1]).handled
    wait_until(lambda: stats(one.bus.actors()[1]).handled > handled + 10)
    assert one.up.is_set()


def test_what_waits_for_a_mute_redis_is_bounded_and_no_publisher_waits(side, server, monkeypatch, caplog):
    monkeypatch.setattr(redis_bus, "PUBSUB_OUTGOING_MESSAGES", 10)
    one = side()
    with server.frozen():
        for number in range(1000):
            one.publish("t", number)
        depth = stats(one.bus.actors()[0]).depth
        assert depth <= 10
        assert caplog.text.count("wait for Redis, which is the limit; more are dropped") == 1


def test_their_bytes_are_bounded_too(side, server, monkeypatch, caplog):
    monkeypatch.setattr(redis_bus, "PUBSUB_OUTGOING_BYTES", 1000)
    one = side()
    one.publish("t", "x" * 5000)
    wait_until(lambda: one.bus._sender_actor.sent_messages == 1)
    assert caplog.text == "", "a single message may be larger"
    with server.frozen():
        for _ in range(20):
            one.publish("t", "x" * 300)
        assert one.bus._given_bytes - one.bus._sender_actor.sent_bytes <= 1000
        assert "more are dropped" in caplog.text


def test_closing_while_redis_is_gone_takes_no_time_and_leaves_nobody_waiting(server):
    one = Side(server)
    one.follow(["t"])
    server.kill()
    try:
        wait_until(lambda: not one.up.is_set())
        one.close()
    finally:
        server.start()
    one.follow(["u"])
    one.leave(["t"])
    one.publish("t", 1)
    assert one.topics.empty()
