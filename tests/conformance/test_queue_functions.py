"""The functions for looking into queues and for dead letters, through a real socket (queue.md §7)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from iii_actors.clock import ManualClock
from tests.support.asking import refusal
from tests.support.peer import CallFailed
from tests.support.queue import QueueSite, call_of, fail, queue_sites

CONFIG = {"queue_configs": {"mails": {"max_retries": 0, "concurrency": 3}}}
ZERO = {"depth": 0, "consumer_count": 0, "dlq_depth": 0, "config": None}


@pytest.fixture
def site() -> Iterator[QueueSite]:
    with queue_sites() as make:
        yield make(CONFIG, ManualClock())


@pytest.fixture
def dead(site):
    """Three dead letters in the queue, two in the topic; the worker that failed them."""
    worker = site.subscriber("x", queue_config={"maxRetries": 0})
    worker.register("send")
    for n in range(3):
        site.enqueue("send", {"n": n}, "mails")
        fail(worker, call_of(worker, "send"), "smtp", 'said "no"')
        site.until("mails", dead=n + 1)
        site.clock.advance(1)
    for n in range(2):
        site.publish("x", n)
        fail(worker, call_of(worker))
        site.until("x", dead=n + 1)
        site.clock.advance(1)
    return worker


def letters(site, **query):
    return site.ask("dlq_messages", query)


# --- what there is ---------------------------------------------------------------------------------------------------


def test_topics_and_named_queues_are_listed(site):
    site.subscriber("x", "a")
    site.subscriber("x", "b")
    site.publish("bare", 1)
    rows = [("x", 2), ("bare", 0), ("default", 10), ("mails", 3)]
    for anything in ({}, None, 5, {"x": 1}):
        assert site.ask("list_topics", anything) == [
            {"name": name, "broker_type": "builtin", "subscriber_count": count} for name, count in rows
        ]


def test_a_topic_s_figures(site, dead):
    assert site.ask("topic_stats", {"topic": "x"}) == {**ZERO, "consumer_count": 1, "dlq_depth": 2}
    assert site.ask("topic_stats", {"queue": "mails"}) == {**ZERO, "consumer_count": 3, "dlq_depth": 3}
    site.publish("x", 5)
    call_of(dead)
    site.enqueue("send", 1, "mails", delay_ms=1000)
    assert site.ask("topic_stats", {"topic": "x"})["depth"] == 1
    assert site.ask("topic_stats", {"topic": "mails"})["depth"] == 0, "delayed ones are not counted"
    assert site.ask("topic_stats", {"topic": "x::on@default"})["depth"] == 1
    assert site.ask("topic_stats", {"topic": "__fn_queue::mails"})["dlq_depth"] == 3
    assert site.ask("topic_stats", {"topic": "nobody's"}) == ZERO


def test_all_dead_letter_queues_are_listed_once_empty_ones_too(site, dead):
    assert site.ask("dlq_topics", {}) == [
        {"topic": name, "broker_type": "builtin", "message_count": count}
        for name, count in (("x", 2), ("default", 0), ("mails", 3))
    ]


def test_dead_letters_newest_first(site, dead):
    found = letters(site, queue="mails")
    assert [letter["payload"]["n"] for letter in found] == [2, 1, 0]
    letter = found[2]
    assert letter.keys() == {"id", "payload", "error", "failed_at", "retries", "size_bytes"}
    assert letter["error"] == 'ErrorBody { code: "smtp", message: "said \\"no\\"", stacktrace: None }'
    assert (letter["failed_at"], letter["retries"]) == (1_700_000_000, 1)
    assert letter["size_bytes"] > 50
    assert [one["payload"]["n"] for one in letters(site, topic="mails", offset=1, limit=1)] == [1]
    assert letters(site, topic="mails", limit=0) == letters(site, topic="mails", offset=9) == []
    assert letters(site, topic="nobody's") == []


def test_a_topic_s_dead_letters_are_those_of_all_its_functions(site, dead):
    other = site.subscriber("x", "other", queue_config={"maxRetries": 0})
    site.publish("x", 2)
    fail(other, call_of(other, "other"))
    dead.answer(call_of(dead))
    site.until("x", dead=3)
    assert [one["payload"] for one in letters(site, topic="x")] == [2, 1, 0]
    assert [one["payload"] for one in letters(site, topic="x", offset=1, limit=1)] == [1]
    assert [one["payload"] for one in letters(site, topic="x::other@default")] == [2]
    assert (
        "at most 10000"
        in refusal(site.operator, "engine::queue::dlq_messages", {"topic": "x", "offset": 10001})["message"]
    )


# --- putting back and throwing away ----------------------------------------------------------------------------------


def test_all_are_put_back_oldest_first_with_no_attempts(site, dead):
    site.ask("pause", {"queue": "mails"})
    assert site.ask("iii::queue::redrive", {"queue": "mails"}) == {"queue": "mails", "redriven": 3}
    jobs = site.ask("list_jobs", {"queue": "mails"})["jobs"]
    assert [(job["data"]["n"], job["attempts"]) for job in jobs] == [(0, 0), (1, 0), (2, 0)]
    assert site.ask("iii::queue::redrive", {"topic": "mails"}) == {"queue": "mails", "redriven": 0}
    site.ask("resume", {"queue": "mails"})
    for _ in range(3):
        dead.answer(call_of(dead, "send"))
    assert site.until("mails", done=3)["redriven"] == 3
    assert site.ask("iii::queue::redrive", {"topic": "x"}) == {"queue": "x", "redriven": 2}
    assert site.ask("iii::queue::redrive", {"topic": "nobody's"}) == {"queue": "nobody's", "redriven": 0}


def test_one_is_put_back(site, dead):
    letter = letters(site, queue="mails")[1]
    given = {"queue": "mails", "message_id": letter["id"]}
    assert site.ask("iii::queue::redrive_message", given) == {**given, "redriven": 1}
    assert site.ask("iii::queue::redrive_message", given) == {**given, "redriven": 0}
    frame = call_of(dead, "send")
    assert frame["data"] == {"n": 1}
    dead.answer(frame)
    site.until("mails", done=1, dead=2)


def test_one_is_thrown_away(site, dead):
    letter = letters(site, topic="x")[0]
    given = {"topic": "x", "message_id": letter["id"]}
    wanted = {"queue": "x", "message_id": letter["id"]}
    assert site.ask("iii::queue::discard_message", given) == {**wanted, "redriven": 1}
    assert site.ask("iii::queue::discard_message", given) == {**wanted, "redriven": 0}
    site.until("x", dead=1, removed=1)


@pytest.mark.parametrize(
    ("function_id", "given", "code", "message"),
    [
        ("iii::queue::redrive", {"queue": ""}, "queue_not_set", "Queue name is required"),
        ("iii::queue::redrive", {}, "deserialization_error", "missing field `queue`"),
        ("iii::queue::redrive", {"queue": "a", "topic": "a"}, "deserialization_error", "duplicate field `queue`"),
        ("iii::queue::redrive", None, "deserialization_error", "invalid type: null, expected struct RedriveInput"),
        ("iii::queue::redrive_message", {"queue": "", "message_id": "m"}, "queue_not_set", "Queue name is required"),
        ("iii::queue::redrive_message", {"queue": "q"}, "deserialization_error", "missing field `message_id`"),
        (
            "iii::queue::redrive_message",
            {"queue": "q", "message_id": ""},
            "message_id_not_set",
            "Message ID is required",
        ),
        (
            "iii::queue::discard_message",
            {"topic": "q", "message_id": ""},
            "message_id_not_set",
            "Message ID is required",
        ),
        ("engine::queue::topic_stats", {"topic": ""}, "topic_required", "topic is required"),
        ("engine::queue::topic_stats", {}, "deserialization_error", "missing field `topic`"),
        ("engine::queue::dlq_messages", {"queue": ""}, "topic_required", "topic is required"),
        ("engine::queue::dlq_messages", {"queue": "a", "offset": -1}, "deserialization_error", "`$.offset`"),
        ("engine::queue::list_jobs", {"queue": "mails", "state": "lost"}, "deserialization_error", "'lost'"),
        ("engine::queue::list_jobs", {"queue": "nobody's"}, "queue_not_found", "Queue 'nobody's' not found"),
        ("engine::queue::pause", {"queue": "nobody's"}, "queue_not_found", "Queue 'nobody's' not found"),
        ("engine::queue::stats", {"queue": "nobody's"}, "queue_not_found", "Queue 'nobody's' not found"),
        ("engine::queue::edit_job", {"queue": "mails", "id": "i"}, "deserialization_error", "neither `data` nor"),
        ("engine::queue::get_job", {"queue": "mails"}, "deserialization_error", "missing field `id`"),
    ],
)
def test_what_is_wrong_is_told(site, function_id, given, code, message):
    error = refusal(site.operator, function_id, given)
    assert error["code"] == code
    assert message in error["message"]


# --- ours ------------------------------------------------------------------------------------------------------------


def test_pause_and_resume(site):
    worker = site.join()
    worker.register("send")
    assert site.ask("pause", {"queue": "mails"}) == {"queue": "mails", "paused": True, "changed": True}
    assert site.ask("pause", {"queue": "mails"})["changed"] is False
    site.enqueue("send", 1, "mails")
    (row,) = site.books("mails")
    assert (row["waiting"], row["paused"], row["oldest_waiting_ms"]) == (1, True, 1_700_000_000_000)
    assert site.ask("resume", {"queue": "mails"}) == {"queue": "mails", "paused": False, "changed": True}
    worker.answer(call_of(worker, "send"))
    site.until("mails", done=1)


def test_a_job_is_looked_at_and_changed(site):
    worker = site.join()
    worker.register("send")
    site.ask("pause", {"queue": "mails"})
    receipt = site.enqueue("send", {"n": 1}, "mails", idempotency_key="k", max_retries=4)
    job = site.ask("get_job", {"queue": "mails", "id": receipt})
    assert job.pop("id") != receipt
    assert job.pop("size_bytes") > 0
    assert job == {
        "receipt": receipt, "queue": "__fn_queue::mails", "function_id": "send", "namespace": "default",
        "state": "waiting", "data": {"n": 1}, "attempts": 0, "failures": [], "created_at_ms": 1_700_000_000_000,
        "due_at_ms": None, "group": None, "priority": 0, "max_retries": 4, "idempotency_key": "k",
    }  # fmt: skip
    change = {"queue": "mails", "id": receipt}
    assert site.ask("edit_job", {**change, "data": None, "max_retries": 0}) == {**change, "edited": True}
    assert site.ask("edit_job", {**change, "id": "nobody's", "data": 1})["edited"] is False
    site.ask("resume", {"queue": "mails"})
    frame = call_of(worker, "send")
    assert frame["data"] is None
    assert site.ask("edit_job", {**change, "data": 1})["edited"] is False, "it is in flight"
    assert [job["state"] for job in site.ask("list_jobs", {"queue": "mails", "state": "in_flight"})["jobs"]] == [
        "in_flight"
    ]
    fail(worker, frame)
    site.until("mails", dead=1)


def test_a_dead_letter_is_mended_and_put_back(site, dead):
    letter = letters(site, queue="mails")[0]
    assert site.ask("edit_job", {"queue": "mails", "id": letter["id"], "data": {"n": "mended"}})["edited"] is True
    assert site.ask("redrive", {"queue": "mails", "id": letter["id"]}) == {"queue": "mails", "redriven": 1}
    frame = call_of(dead, "send")
    assert frame["data"] == {"n": "mended"}
    dead.answer(frame)
    site.until("mails", done=1)
    assert site.ask("discard", {"queue": "mails"}) == {"queue": "mails", "purged": 2}
    site.until("mails", removed=2, dead=0)


def test_a_job_in_flight_is_cancelled_only_if_that_is_said(site):
    worker = site.join()
    worker.register("send")
    receipt = site.enqueue("send", 1, "mails")
    frame = call_of(worker, "send")
    assert site.ask("cancel", {"queue": "mails", "id": receipt})["cancelled"] == 0
    assert site.ask("cancel", {"queue": "mails", "id": receipt, "in_flight": True})["cancelled"] == 1
    worker.answer(frame)
    site.until("mails", removed=1, done=0, in_flight=0)
    for n in range(4):
        site.enqueue("send", n, "mails")
    for _ in range(3):
        worker.answer(call_of(worker, "send"))
    worker.answer(call_of(worker, "send"))
    site.until("mails", done=4)


def test_purge(site, dead):
    site.publish("late", 1)
    assert site.ask("purge", {"topic": "late"}) == {"queue": "late", "purged": 1}
    site.enqueue("send", 1, "mails", delay_ms=1000)
    assert site.ask("purge", {"queue": "mails"})["purged"] == 1
    assert site.ask("purge", {"queue": "mails", "states": ["dead", "waiting"]})["purged"] == 3
    assert site.until("mails", removed=4)["enqueued"] == 4


def test_the_copies_of_one_publication_are_cancelled_together(site):
    for function_id in ("a", "b"):
        site.subscriber("x", function_id)
    receipt = site.ask("publish", {"topic": "x", "data": 1, "delay_ms": 1000})["messageReceiptId"]
    assert site.ask("cancel", {"topic": "x", "id": receipt})["cancelled"] == 2
    site.until("x", removed=2)


def test_all_of_them_are_listed_by_default_and_described(site):
    rows = site.operator.call("engine::functions::list", {"prefix": "engine::queue::"})["functions"]
    assert len(rows) == 17
    assert {row["worker_name"] for row in rows} == {"iii-queue"}
    for row in rows:
        shown = site.operator.call("engine::functions::info", {"function_id": row["function_id"]})
        assert shown["request_schema"]["type"] == "object", row
        assert "properties" in shown["request_schema"]
    shown = site.operator.call("engine::triggers::info", {"id": "durable:subscriber"})
    assert shown["configuration_schema"]["required"] == ["topic"]


def test_a_full_queue_says_so():
    config = {"queue_configs": {"small": {"max_jobs": 2}}}
    with queue_sites() as make:
        site = make(config)
        site.ask("pause", {"queue": "small"})
        for n in range(2):
            site.enqueue("f", n, "small")
        with pytest.raises(CallFailed, match="enqueue_error: queue_full: Queue 'small' holds 2 jobs, its max_jobs"):
            site.enqueue("f", 3, "small")
