"""iii_actors.builtin.queue.tuning: how long between attempts, and what settings and triggers say."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iii_actors.brokers.job import QueueSpec
from iii_actors.builtin.queue.tuning import Tuning, named_treatment, pause_ms, topic_treatment
from iii_actors.config.queue import QueueConfig, QueueSettings
from iii_actors.limits import QUEUE_IDEMPOTENCY_MS, QUEUE_LONGEST_MS, QUEUE_MAX_JOBS, QUEUE_MAX_JOBS_FILE
from iii_actors.wire.codec import raw


def never():
    raise AssertionError("nothing is left to chance")


def test_each_pause_is_twice_the_last():
    tuning = Tuning(1, 9, 1000)
    assert [pause_ms(tuning, attempts, never) for attempts in (1, 2, 3, 4)] == [1000, 2000, 4000, 8000]


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_it_never_overflows(backoff_ms, attempts):
    assert 0 <= pause_ms(Tuning(1, 9, backoff_ms), attempts, never) <= QUEUE_LONGEST_MS
    assert pause_ms(Tuning(1, 9, backoff_ms, 5000), attempts, never) <= 5000


@given(st.floats(0, 1), st.integers(1, 10))
def test_jitter_shortens_by_at_most_its_share(jitter, attempts):
    whole = 1000 << (attempts - 1)
    pause = pause_ms(Tuning(1, 9, 1000, jitter=jitter), attempts, random.random)
    assert whole * (1 - jitter) - 1 <= pause <= whole


def test_a_named_queue():
    config = QueueConfig(type="fifo", message_group_field="g", visibility_timeout_ms=5, max_jobs=7, concurrency=2)
    treatment = named_treatment(config, QueueSettings())
    assert treatment.tuning == Tuning(2, 3, 1000)
    assert treatment.spec == QueueSpec(
        ordered=True,
        visibility_ms=5,
        idempotency_ms=QUEUE_IDEMPOTENCY_MS,
        max_jobs=7,
        backoff_ms=1000,
        options={"group_field": "g"},
    )
    assert (treatment.group_field, treatment.priority_field) == ("g", None)


def test_a_group_is_read_in_order_only():
    config = QueueConfig(message_group_field="g")
    assert named_treatment(config, QueueSettings()).group_field is None


@pytest.mark.parametrize(("method", "most"), [("in_memory", QUEUE_MAX_JOBS), ("file_based", QUEUE_MAX_JOBS_FILE)])
def test_how_many_jobs_depends_on_where_they_are_kept(method, most):
    settings = QueueSettings.model_validate({"adapter": {"name": "builtin", "config": {"store_method": method}}})
    assert named_treatment(QueueConfig(), settings).spec.max_jobs == most
    assert topic_treatment(raw(None), None, settings).spec.max_jobs == most


def test_a_trigger_s_queue_config():
    config = {
        "type": "fifo", "maxRetries": 7, "concurrency": 3, "backoffDelayMs": 50, "maxPriority": 9,
        "visibilityTimeout": 400, "delaySeconds": 5, "backoffType": "fixed", "maxBackoffMs": 60, "jitter": 1,
        "messageGroupField": "g", "priorityField": "p", "idempotencyWindowMs": 10, "maxJobs": 4,
    }  # fmt: skip
    treatment = topic_treatment(raw({"queue_config": config}), "asks", QueueSettings())
    assert treatment.tuning == Tuning(3, 7, 50, 60, 1.0, "asks")
    assert treatment.spec == QueueSpec(True, 9, 400, 10, 4, 50, {"group_field": "g"})
    assert (treatment.group_field, treatment.priority_field) == ("g", "p")


@pytest.mark.parametrize("config", [None, 5, [], {}, {"queue_config": None}, {"queue_config": []}])
def test_nothing_said_is_the_usual(config):
    treatment = topic_treatment(raw(config), None, QueueSettings())
    assert treatment.tuning == Tuning(10, 3, 1000)
    assert treatment.spec.ordered is False


@pytest.mark.parametrize(
    ("name", "config", "tuning", "ordered"),
    [
        ("builtin", {"max_attempts": 1, "backoff_ms": 5, "concurrency": 2, "mode": "fifo"}, Tuning(2, 0, 5), True),
        ("builtin", {"mode": "whatever"}, Tuning(10, 3, 1000), False),
        ("rabbitmq", {"max_attempts": 5, "prefetch_count": 4, "queue_mode": "fifo"}, Tuning(4, 4, 1000), True),
        ("rabbitmq", {}, Tuning(10, 3, 1000), False),
        ("redis", {}, Tuning(10, 3, 1000), False),
    ],
)
def test_what_is_usual_is_the_adapter_s_to_say(name, config, tuning, ordered):
    settings = QueueSettings.model_validate({"adapter": {"name": name, "config": config}})
    treatment = topic_treatment(raw({}), None, settings)
    assert (treatment.tuning, treatment.spec.ordered) == (tuning, ordered)


@pytest.mark.parametrize("key", ["maxRetries", "concurrency", "backoffDelayMs", "visibilityTimeout", "maxPriority"])
@pytest.mark.parametrize("value", ["5", 5.5, True, None, [], -1])
def test_wrong_types_are_ignored(key, value):
    usual = topic_treatment(raw({}), None, QueueSettings())
    assert topic_treatment(raw({"queue_config": {key: value}}), None, QueueSettings()) == usual
