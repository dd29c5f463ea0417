"""iii_actors.brokers.names: keys and back (queue.md §8)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iii_actors.brokers.names import (
    Subscribed,
    ended_key,
    ended_of,
    group_key,
    group_of,
    named_key,
    named_of,
    protocol_key,
    subscribed,
    subscription_key,
    topic_key,
)

texts = st.text(alphabet="a:@\\_", max_size=6) | st.sampled_from(
    ["__fn_queue", "__ended", "__group", "orders::created"]
)


@given(texts, texts, texts)
def test_a_subscription_s_key_can_be_read_again(topic, function_id, namespace):
    key = subscription_key(topic, function_id, namespace)
    assert subscribed(key) == Subscribed(topic, function_id, namespace)
    assert named_of(key) is None
    assert subscribed(ended_key(key)) is None
    assert ended_of(ended_key(key)) == key
    assert group_of(group_key(topic, key)) == (key, topic)
    assert subscribed(group_key(topic, key)) is None
    assert group_of(key) is None


@given(texts)
def test_so_can_a_topic_s(topic):
    assert subscribed(topic_key(topic)) == topic
    assert named_of(topic_key(topic)) is None


@given(texts)
def test_and_a_named_queue_s(name):
    assert named_of(named_key(name)) == name
    assert subscribed(named_key(name)) is None


@pytest.mark.parametrize(
    ("who", "key"),
    [
        (("orders", "mail::send", "default"), "orders::mail::send@default"),
        (("a@b", "f\\g", "n@m"), "a\\@b::f\\\\g@n\\@m"),
    ],
)
def test_without_colons_in_the_topic_they_are_the_protocol_s(who, key):
    assert subscription_key(*who) == protocol_key(*who) == key


def test_with_colons_it_is_plain_where_the_topic_ends():
    assert subscription_key("a::b", "c", "default") == "a:\\:b::c@default"
    assert subscription_key("a", "b::c", "default") == "a::b::c@default"
    assert protocol_key("a::b", "c", "default") == protocol_key("a", "b::c", "default")
