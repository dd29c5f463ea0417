"""Official workers publish, subscribe and are called by the clock (cron.md, pubsub.md §7)."""

import pytest

from tests.e2e.support.names import unique
from tests.e2e.support.probe import ProbeError


@pytest.fixture
def publisher(pair):
    return pair.caller


@pytest.fixture
def subscriber(pair):
    return pair.callee


def subscribe(probe, topic):
    function_id = unique("e2e::on")
    probe.offer(function_id)
    return function_id, probe.do("bind", type="subscribe", function_id=function_id, config={"topic": topic})


def test_what_is_published_arrives_unchanged_once_and_nowhere_else(publisher, subscriber):
    topic, other = unique("topic-a"), unique("topic-b")
    here, _ = subscribe(subscriber, topic)
    there, _ = subscribe(subscriber, other)
    data = {"text": "Grüße, 世界 🫖", "numbers": [1, -1, 0.5], "nothing": None, "deep": {"er": [[{}]]}}
    assert publisher.call("publish", {"topic": topic, "data": data}) is None
    assert subscriber.event("called", function_id=here)["data"] == data
    publisher.call("publish", {"topic": other, "data": "the next"})
    assert subscriber.event("called", function_id=there)["data"] == "the next", "the first never came"
    publisher.call("publish", {"topic": topic, "data": "the last"})
    assert subscriber.event("called", function_id=here)["data"] == "the last", "the first came once"


def test_every_subscriber_is_told_and_one_that_leaves_takes_no_other_along(publisher, subscriber):
    topic = unique("topic")
    ours, binding = subscribe(publisher, topic)
    theirs, _ = subscribe(subscriber, topic)
    publisher.call("publish", {"topic": topic, "data": {"n": 1}})
    for probe, function_id in ((publisher, ours), (subscriber, theirs)):
        assert probe.event("called", function_id=function_id)["data"] == {"n": 1}
    publisher.do("unbind", binding=binding)
    publisher.call("publish", {"topic": topic, "data": {"n": 2}})
    assert subscriber.event("called", function_id=theirs)["data"] == {"n": 2}
    publisher.do("bind", type="subscribe", function_id=ours, config={"topic": topic})
    publisher.call("publish", {"topic": topic, "data": {"n": 3}})
    assert publisher.event("called", function_id=ours)["data"] == {"n": 3}


def test_what_is_wrong_with_a_publish_is_told(publisher):
    with pytest.raises(ProbeError) as raised:
        publisher.call("publish", {"topic": "", "data": 1})
    assert (raised.value.code, raised.value.message) == ("topic_not_set", "Topic is not set")
    with pytest.raises(ProbeError) as raised:
        publisher.call("publish", {"data": 1})
    assert raised.value.message == "Failed to deserialize input for publish: missing field `topic`"


def test_a_void_publish_arrives(publisher, subscriber):
    topic = unique("topic")
    function_id, _ = subscribe(subscriber, topic)
    publisher.call("publish", {"topic": topic, "data": [1]}, action={"type": "void"})
    assert subscriber.event("called", function_id=function_id)["data"] == [1]


def test_the_clock_calls_with_the_trigger_s_metadata_until_the_trigger_goes(subscriber):
    function_id = unique("e2e::tick")
    subscriber.offer(function_id)
    trigger = {"type": "cron", "function_id": function_id, "config": {"expression": "* * * * * *"}}
    binding = subscriber.do("bind", metadata={"m": 1}, **trigger)
    first, second = (subscriber.event("called", function_id=function_id) for _ in range(2))
    assert first["metadata"] == {"m": 1}
    assert first["data"]["trigger"] == "cron"
    assert first["data"]["job_id"] == second["data"]["job_id"]
    assert first["data"]["scheduled_time"] < second["data"]["scheduled_time"]
    assert second["data"]["scheduled_time"].endswith("+00:00")
    subscriber.do("unbind", binding=binding)
