"""Jobs as messages and back, without a RabbitMQ."""

from __future__ import annotations

import json

import pika
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iii_actors.brokers.job import Failure, Job
from iii_actors.brokers.names import named_key, subscription_key, topic_key
from iii_actors.brokers.rabbit_messages import TURN, Malformed, dead_letter, decode, decode_dead, encode
from iii_actors.brokers.rabbit_names import BadName, topology
from iii_actors.limits import AMQP_FAILURES_BYTES, AMQP_HEADERS_BYTES

KEYS = [named_key("mails"), subscription_key("orders", "mail::send", "shop"), topic_key("orders")]
text = st.text(max_size=40)
failures = st.lists(
    st.builds(Failure, text, text, st.integers(0, 1 << 50), st.none() | text), min_size=1, max_size=5
).map(tuple)


def sent(message):
    """The message's properties as whoever gets it sees them."""
    properties = pika.BasicProperties()
    properties.decode(b"".join(message.properties.encode()))
    return properties


def place_of(key):
    place = topology(key)
    assert place is not None
    return place


@st.composite
def jobs(draw, key=None):
    key = draw(st.sampled_from(KEYS)) if key is None else key
    bare = not place_of(key).bound
    return Job(
        id=draw(st.uuids().map(str)),
        receipt=draw(st.uuids().map(str)),
        queue=key,
        function_id="" if bare else draw(text.filter(bool)),
        namespace="" if bare else draw(text.filter(bool)),
        data=draw(st.binary(max_size=60)),
        created_at_ms=draw(st.integers(0, 1 << 50)),
        due_at_ms=draw(st.integers(0, 1 << 50)),
        group=draw(st.none() | text),
        priority=draw(st.integers(0, 255)),
        max_retries=draw(st.none() | st.integers(0, 1 << 40)),
        traceparent=draw(st.none() | text),
        baggage=draw(st.none() | text),
        attempts=draw(st.integers(0, (1 << 32) - 1)),
        failures=draw(st.just(()) | failures),
    )


@given(jobs())
def test_a_job_comes_back_as_it_was(job):
    place = place_of(job.queue)
    message = encode(place, job)
    assert decode(place, sent(message), message.body, 0) == job


@given(jobs())
def test_what_else_a_message_says_is_kept_but_for_what_rabbitmq_says(job):
    place = place_of(job.queue)
    foreign = {"x-death": [{"count": 3}], "x-first-death-queue": "q", "x-own": 7, TURN: 5, "x-attempt": 99}
    headers = sent(encode(place, job, foreign)).headers
    assert headers["x-own"] == 7
    assert headers[TURN] == 5
    assert not [name for name in headers if "death" in name]


@given(jobs(), failures, st.integers(0, 1 << 50))
def test_a_dead_letter_comes_back_as_it_was(job, failed, at_ms):
    place = place_of(job.queue)
    job = Job(**{**{name: getattr(job, name) for name in job.__struct_fields__}, "failures": failed})
    message = dead_letter(place, job, {}, at_ms)
    assert decode_dead(place, sent(message), message.body, 0) == job


def test_the_body_of_a_topics_message_is_json():
    job = Job(
        id="j",
        receipt="r",
        queue=KEYS[1],
        function_id="mail::send",
        namespace="shop",
        data=b'{"a": 1}',
        created_at_ms=5,
    )
    body = json.loads(encode(place_of(KEYS[1]), job).body)
    assert body["data"] == {"a": 1}
    dead = json.loads(dead_letter(place_of(KEYS[1]), job, {}, 9).body)
    assert dead["job"] == body
    assert dead["exhausted_at"] == 9


def test_failures_have_an_end():
    job = Job(id="j", receipt="r", queue=KEYS[0], function_id="f", namespace="n", data=b"1", created_at_ms=5)
    stack = "x\u0000" * 200_000
    many = tuple(Failure("c" * 500, stack, n, stack) for n in range(5))
    job = Job(**{**{name: getattr(job, name) for name in job.__struct_fields__}, "failures": many})
    message = encode(place_of(KEYS[0]), job, {"x-own": "y" * 30_000})
    properties = sent(message)
    assert len(message.properties) < AMQP_HEADERS_BYTES
    assert len(properties.headers["x-iii-failures"]) <= AMQP_FAILURES_BYTES
    (kept,) = decode(place_of(KEYS[0]), properties, message.body, 0).failures
    assert kept.at_ms == 4
    assert kept.message.startswith("x\u0000")
    # Foreign headers that leave no room are given up rather than the job.
    assert "x-own" not in sent(encode(place_of(KEYS[0]), job, {"x-own": "y" * 120_000})).headers


@pytest.mark.parametrize("body", [b"", b"5", b"[]", b"{}", b'{"data":', b"\xff", b'{"data":1,"id":7}', b"[" * 100_000])
def test_what_is_no_topic_message(body):
    with pytest.raises(Malformed):
        decode(place_of(KEYS[1]), pika.BasicProperties(), body, 0)
    with pytest.raises(Malformed):
        decode_dead(place_of(KEYS[1]), pika.BasicProperties(), body, 0)


@pytest.mark.parametrize(
    "headers", [None, {}, {"function_id": ""}, {"function_id": 7}, {"function_id": None}, {"function_id": ["f"]}]
)
def test_what_is_no_named_message(headers):
    with pytest.raises(Malformed):
        decode(place_of(KEYS[0]), pika.BasicProperties(headers=headers), b"1", 0)


def test_odd_headers_are_passed_over():
    odd = {"function_id": "f", "x-attempt": "many", "x-iii-max-retries": -1, "x-iii-failures": "[", "traceparent": 5}
    job = decode(place_of(KEYS[0]), pika.BasicProperties(headers=odd), b"1", 77)
    assert (job.attempts, job.max_retries, job.failures, job.traceparent, job.created_at_ms) == (0, None, (), None, 77)


def test_a_topic_that_would_be_taken_for_a_named_queue():
    with pytest.raises(BadName, match="mistaken"):
        topology(topic_key("__fn_queue::mails"))
