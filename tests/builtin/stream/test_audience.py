"""Who follows what, alone: no sockets here (stream.md §6.3)."""

from __future__ import annotations

import json

import pytest
from msgspec import Raw

from iii_actors.actor import LightActor, ask, handles, launch, stats
from iii_actors.builtin.pubsub.messages import Arrived
from iii_actors.builtin.stream.audience import (
    CHANNEL,
    Audience,
    CountSubscriptions,
    Follow,
    Forget,
    Publish,
    Share,
    Tell,
    Unfollow,
)
from iii_actors.builtin.stream.events import Event
from iii_actors.core.conversation import Deliver


class Writer(LightActor):
    def __init__(self):
        super().__init__()
        self.frames = []

    @handles(Deliver)
    def deliver(self, deliver):
        self.frames.append(deliver.frame)

    def seen(self):
        frames, self.frames = self.frames, []
        return [json.loads(frame.removeprefix(b"frame:"))["id"] for frame in frames]


class Bus:
    def __init__(self):
        self.published = []

    def publish(self, topic, data):
        self.published.append((topic, bytes(data)))


class Site:
    def __init__(self):
        self.made = 0
        self.audience = launch(Audience(self._frame))
        self.refs = [self.audience]

    def _frame(self, text):
        self.made += 1
        return b"frame:" + text

    def writer(self):
        actor = Writer()
        self.refs.append(launch(actor))
        return actor

    def follow(self, writer, subscription_id, *place):
        self.audience.tell(Follow(writer.actor_ref, subscription_id, place))

    def publish(self, stream, group, item):
        self.audience.tell(Publish(event(stream, group, item)))

    def subscriptions(self):
        return ask(self.audience, CountSubscriptions())


def event(stream, group, item):
    return Event(stream, group, item, b'{"type":"t"}', 5)


@pytest.fixture
def site():
    made = Site()
    yield made
    for ref in made.refs:
        ref.stop()


def test_a_frame_is_made_once_for_all_and_shared(site):
    writers = [site.writer() for _ in range(100)]
    for number, writer in enumerate(writers):
        site.follow(writer, "a", "s", "g", None if number % 2 else "i")
    site.publish("s", "g", "i")
    assert site.made == 1
    frames = [writer.frames[0] for writer in writers]
    assert all(frame is frames[0] for frame in frames)


def test_nobody_follows_and_nothing_is_made(site):
    writer = site.writer()
    site.follow(writer, "a", "s", "g", "j")
    told = event("s", "g", "i")
    site.audience.tell(Publish(told))
    site.publish("s", "h", "j")
    site.publish("t", "g", "j")
    site.publish("s", "g", None)
    assert (site.made, told._text, writer.seen()) == (0, None, [])


def test_once_for_each_subscription_and_the_latest_of_an_id(site):
    one, other = site.writer(), site.writer()
    for subscription_id, item in [("a", None), ("b", None), ("c", "i"), ("d", ""), ("c", "j")]:
        site.follow(one, subscription_id, "s", "g", item)
    site.follow(other, "c", "s", "g", "i")
    assert site.subscriptions() == 5
    for item in ("i", "j", "", None):
        site.publish("s", "g", item)
    assert one.seen() == ["i"] * 2 + ["j"] * 3 + [""] * 3 + [None] * 2
    assert other.seen() == ["i"]


def test_leaving_and_going_away_leave_nothing_behind(site):
    one, other = site.writer(), site.writer()
    for writer in (one, other):
        site.follow(writer, "a", "s", "g", None)
        site.follow(writer, "b", "s", "g", "i")
    for _ in range(2):
        site.audience.tell(Unfollow(one.actor_ref, "a"))
    site.publish("s", "g", "i")
    assert (one.seen(), other.seen()) == (["i"], ["i", "i"])
    for _ in range(2):
        site.audience.tell(Forget(other.actor_ref))
    site.audience.tell(Unfollow(one.actor_ref, "b"))
    site.publish("s", "g", "i")
    assert one.seen() == other.seen() == []
    assert site.subscriptions() == 0
    audience = site.audience._actor_weakref()
    assert audience._followers == audience._places == {}


def test_one_that_has_gone_holds_nobody_up(site):
    one, other = site.writer(), site.writer()
    for writer in (one, other):
        site.follow(writer, "a", "s", "g", None)
    one.actor_ref.stop()
    site.publish("s", "g", "i")
    assert other.seen() == ["i"]
    assert stats(site.audience).failed == 0


def test_what_is_told_to_one_comes_behind_what_was_published(site):
    one, other = site.writer(), site.writer()
    for writer in (one, other):
        site.follow(writer, "a", "s", "g", None)
    site.publish("s", "g", "i")
    site.audience.tell(Tell(one.actor_ref, event("s", "g", "sync")))
    assert (one.seen(), other.seen()) == (["i", "sync"], ["i"])


def test_through_a_bus_everything_comes_back_from_it(site, caplog):
    bus, writer = Bus(), site.writer()
    ask(site.audience, Share(bus))
    site.follow(writer, "a", "s", "g", None)
    site.publish("s", "g", "i")
    site.publish("nobody", "follows", "this")
    assert writer.seen() == []
    assert [topic for topic, _ in bus.published] == [CHANNEL, CHANNEL]
    for _, text in bus.published:
        site.audience.tell(Arrived(CHANNEL, Raw(text)))
    assert writer.seen() == ["i"]
    for garbage in (b"", b"{", b"5", b'{"streamName":"s"}', b'{"streamName":"s","groupId":5,"event":{}}', b"\xff"):
        site.audience.tell(Arrived(CHANNEL, Raw(garbage)))
    assert writer.seen() == []
    assert caplog.text.count("is no event of a stream") == 6
    foreign = b'{"id":"x","more":[],"event":{"type":"create","data":1},"groupId":"g","streamName":"s"}'
    site.audience.tell(Arrived(CHANNEL, Raw(foreign)))
    assert writer.frames == [b"frame:" + foreign]
