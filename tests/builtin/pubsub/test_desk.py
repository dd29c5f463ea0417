"""The desk alone: which triggers become subscriptions, and what the bus is told of them (pubsub.md §3, §6)."""

import pytest

from iii_actors.actor import ask, launch
from iii_actors.builtin.pubsub import messages
from iii_actors.builtin.pubsub.bus import Bus
from iii_actors.builtin.pubsub.desk import ChangeBus, SubscriptionDesk
from iii_actors.builtin.pubsub.topics import Topics
from iii_actors.core.messages import BindTrigger, UnbindTrigger
from tests.support.probe import Probe
from tests.support.records import trigger


class NotingBus(Bus):
    def __init__(self, log):
        self.log = log
        self.topics = set()

    def publish(self, topic, data):
        self.log.append(("publish", topic))

    def follow(self, topics):
        self.topics |= set(topics)

    def leave(self, topics):
        self.topics -= set(topics)

    def close(self):
        self.log.append("closed")

    def actors(self):
        return []


@pytest.fixture
def topics():
    probe = Probe()
    ref = launch(Topics(launch(probe), probe.actor_ref))
    yield ref
    ref.stop()
    probe.actor_ref.stop()


@pytest.fixture
def make(topics):
    made = []

    def desk(bus=None):
        made.append(launch(SubscriptionDesk(None, "iii-pubsub", topics, bus)))
        return made[-1]

    yield desk
    for ref in made:
        if ref.is_alive():
            ref.stop()


def bind(desk, config, trigger_id="t"):
    ask(desk, BindTrigger(trigger(trigger_id, "subscribe", config=config)))


def unbind(desk, trigger_id="t"):
    ask(desk, UnbindTrigger(trigger(trigger_id, "subscribe")))


def known(topics):
    return ask(topics, messages.Topics())


def test_a_topic_is_subscribed_to_and_left(make, topics):
    desk = make()
    bind(desk, {"topic": "a", "more": 1})
    assert known(topics) == ["a"]
    unbind(desk, "never heard of")
    unbind(desk)
    assert known(topics) == []


@pytest.mark.parametrize("config", [None, {}, [], "a", {"topic": None}, {"topic": ""}, {"topic": 5}, {"topic": ["a"]}])
def test_a_trigger_without_a_topic_is_taken_and_never_fires(make, topics, config, caplog):
    bind(make(), config)
    assert known(topics) == []
    assert "Trigger t (subscribe, function f) names no topic and will never fire" in caplog.text


def test_a_trigger_registered_again_without_its_topic_is_subscribed_no_more(make, topics):
    desk = make()
    bind(desk, {"topic": "a"})
    bind(desk, {})
    assert known(topics) == []


def test_a_condition_is_not_evaluated_and_the_log_says_so(make, topics, caplog):
    bind(make(), {"topic": "a", "condition_function_id": "may"})
    assert known(topics) == ["a"]
    assert "subscriptions have none, so the function is called for every message" in caplog.text


def test_the_bus_follows_a_topic_from_its_first_subscription_to_its_last(make):
    bus = NotingBus([])
    desk = make(bus)
    bind(desk, {"topic": "a"}, "t1")
    bind(desk, {"topic": "a"}, "t2")
    bind(desk, {"topic": "b"}, "t3")
    unbind(desk, "t1")
    assert bus.topics == {"a", "b"}
    unbind(desk, "t2")
    assert bus.topics == {"b"}
    bind(desk, {"topic": "c"}, "t3")
    assert bus.topics == {"c"}
    bind(desk, {}, "t3")
    assert bus.topics == set()


def test_a_new_bus_follows_all_topics_before_the_old_one_is_closed(make):
    log = []
    old, new = NotingBus(log), NotingBus(log)
    desk = make(old)
    bind(desk, {"topic": "a"}, "t1")
    bind(desk, {"topic": "b"}, "t2")
    ask(desk, ChangeBus(new))
    assert new.topics == {"a", "b"}
    assert log == ["closed"]
    bind(desk, {"topic": "c"}, "t3")
    assert (new.topics, old.topics) == ({"a", "b", "c"}, {"a", "b"})
    ask(desk, ChangeBus(None))
    assert log == ["closed", "closed"]
    bind(desk, {"topic": "d"}, "t4")
    assert new.topics == {"a", "b", "c"}


def test_stopping_closes_the_bus(make):
    log = []
    make(NotingBus(log)).stop()
    make().stop()
    assert log == ["closed"]
