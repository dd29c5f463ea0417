"""Named queues through real sockets: the enqueue action and what becomes of it (queue.md §2, §3, §5)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from iii_actors.clock import ManualClock
from tests.support.peer import CallFailed
from tests.support.queue import QueueSite, call_of, fail, queue_sites
from tests.support.quiet import unexpected

CONFIG = {
    "queue_configs": {
        "mails": {"max_retries": 2, "backoff_ms": 1000, "concurrency": 2},
        "orders": {"type": "fifo", "message_group_field": "customer", "concurrency": 4},
        "ranked": {"priority_field": "rank", "max_priority": 10, "concurrency": 1},
    }
}


@pytest.fixture(params=["shared", "own"])
def site(request: pytest.FixtureRequest) -> Iterator[QueueSite]:
    with queue_sites() as make:
        yield make(CONFIG, ManualClock(), reader=request.param)


@pytest.fixture
def worker(site):
    peer = site.join()
    peer.register("send")
    return peer


def refusal(site, queue, data=None, **extras):
    with pytest.raises(CallFailed) as failed:
        site.enqueue("send", data, queue, **extras)
    assert failed.value.code == "enqueue_error"
    return failed.value.message


# --- from the producer to the function -------------------------------------------------------------------------------


def test_the_function_gets_the_data_and_the_trace(site, worker):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    action = {"type": "enqueue", "queue": "mails"}
    baggage = "a=1,iii.tag.kind=x,iii.tag.hidden=1"
    site.operator.call("send", {"to": "a"}, action=action, metadata={"m": 1}, traceparent=trace, baggage=baggage)
    frame = call_of(worker, "send")
    worker.answer(frame)
    assert frame.pop("invocation_id")
    assert frame == {
        "type": "invokefunction", "function_id": "send", "data": {"to": "a"}, "traceparent": trace,
        "baggage": "a=1,iii.function.id=send",
    }  # fmt: skip
    site.until("mails", done=1)


@pytest.mark.parametrize("data", [None, 0, "text", [1, {"a": None}], {}, {"_caller_worker_id": "mine"}])
def test_any_json_is_data(site, worker, data):
    site.enqueue("send", data)
    frame = call_of(worker, "send")
    assert frame["data"] == data
    worker.answer(frame, {"any": "value"})
    site.until("default", done=1)


def test_the_namespace_is_the_target_s(site):
    peer = site.join(namespace="team")
    peer.register("send")
    site.enqueue("send", 1, "mails", namespace="team")
    peer.answer(call_of(peer, "send"))
    site.until("mails", done=1)


def test_the_queue_default_is_always_there_and_others_are_not(site):
    assert refusal(site, "nowhere") == "queue_not_found: Queue 'nowhere' not found"
    assert refusal(site, "") == "queue_not_found: Queue '' not found"


def test_without_an_id_nobody_is_answered(site, worker):
    site.operator.send(type="invokefunction", function_id="send", data=1, action={"type": "enqueue", "queue": "mails"})
    worker.answer(call_of(worker, "send"))
    site.until("mails", done=1)
    assert unexpected(site.operator) == []


def test_the_function_need_not_be_there_yet(site):
    site.enqueue("send", 1, "mails")
    site.until("mails", delayed=1, retried=1)
    late = site.join()
    late.register("send")
    site.clock.advance(1)
    late.answer(call_of(late, "send"))
    site.until("mails", done=1, dead=0)


def test_it_can_be_called_directly(site, worker):
    given = {"queue": "mails", "function_id": "send", "data": 5, "messageReceiptId": "mine", "unknown": 1}
    assert site.ask("enqueue", given) == {"messageReceiptId": "mine", "duplicate": False}
    worker.answer(call_of(worker, "send"))
    site.until("mails", done=1)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"queue": "mails", "function_id": "f"}, "missing field `data`"),
        ({"function_id": "f", "data": 1}, "missing field `queue`"),
        ({"queue": 5, "function_id": "f", "data": 1}, "invalid type: integer `5`, expected a string"),
        ({"queue": "mails", "function_id": "", "data": 1}, "expected the id of a function for `function_id`"),
        ([], "invalid type: sequence, expected struct EnqueueInput"),
    ],
)
def test_what_is_wrong_is_told(site, given, reason):
    with pytest.raises(CallFailed) as failed:
        site.ask("enqueue", given)
    assert failed.value.code == "deserialization_error"
    assert failed.value.message.startswith("Failed to deserialize input for engine::queue::enqueue: ")
    assert failed.value.message.endswith(reason)


# --- retries ---------------------------------------------------------------------------------------------------------


def test_r_retries_are_r_plus_one_calls_and_each_pause_is_twice_the_last(site, worker):
    site.enqueue("send", {"n": 1}, "mails")
    for pause_s in (1, 2):
        fail(worker, call_of(worker, "send"), "smtp", "greylisted")
        site.until("mails", delayed=1)
        site.clock.advance(pause_s - 0.002)
        assert unexpected(worker) == []
        site.clock.advance(0.002)
    fail(worker, call_of(worker, "send"), "smtp", "greylisted")
    site.until("mails", dead=1, delayed=0, retried=2)
    site.clock.advance(3600)
    assert unexpected(worker) == []
    (job,) = site.ask("list_jobs", {"queue": "mails", "state": "dead"})["jobs"]
    assert (job["attempts"], job["data"]) == (3, {"n": 1})
    assert [failure["code"] for failure in job["failures"]] == ["smtp"] * 3


def test_a_message_s_own_retries_go_before_the_queue_s(site, worker):
    site.enqueue("send", 1, "mails", max_retries=0)
    fail(worker, call_of(worker, "send"))
    site.until("mails", dead=1, retried=0)


def test_no_more_than_concurrency_at_once(site, worker):
    for n in range(5):
        site.enqueue("send", n, "mails")
    first = [call_of(worker, "send") for _ in range(2)]
    assert unexpected(worker) == []
    assert [frame["data"] for frame in first] == [0, 1]
    worker.answer(first[0])
    assert call_of(worker, "send")["data"] == 2
    assert unexpected(worker) == []


def test_a_worker_that_leaves_has_failed_and_another_gets_the_job(site, worker):
    site.enqueue("send", 1, "mails")
    call_of(worker, "send")
    worker.cut()
    site.until("mails", delayed=1, retried=1)
    other = site.join()
    other.register("send")
    site.clock.advance(1)
    other.answer(call_of(other, "send"))
    site.until("mails", done=1)


def test_a_worker_that_is_away_costs_at_most_concurrency_attempts_a_pause(site):
    for n in range(50):
        site.enqueue("send", n, "mails")
    site.until("mails", delayed=2, waiting=48)
    site.clock.advance(0.5)
    assert site.book("mails")["retried"] == 2
    site.clock.advance(0.5)
    site.until("mails", retried=4)


# --- order -----------------------------------------------------------------------------------------------------------


def test_a_fifo_queue_keeps_order_in_a_group_through_retries_and_groups_run_beside_each_other(site, worker):
    for n, customer in enumerate("aabab"):
        site.enqueue("send", {"customer": customer, "n": n}, "orders")
    first = {frame["data"]["customer"]: frame for frame in (call_of(worker, "send"), call_of(worker, "send"))}
    assert {name: frame["data"]["n"] for name, frame in first.items()} == {"a": 0, "b": 2}
    assert unexpected(worker) == [], "one of each group at once"
    fail(worker, first["a"])
    worker.answer(first["b"])
    second = call_of(worker, "send")
    assert second["data"]["n"] == 4, "the other group goes on"
    worker.answer(second)
    assert unexpected(worker) == [], "nothing overtakes what failed"
    site.clock.advance(1)
    for n in (0, 1, 3):
        frame = call_of(worker, "send")
        assert frame["data"]["n"] == n
        worker.answer(frame)
    site.until("orders", done=5)


def test_a_fifo_queue_wants_the_group(site):
    assert (
        refusal(site, "orders", {"n": 1}).partition(": ")[2]
        == "FIFO queue 'orders' requires field 'customer' in data, but it was not found"
    )
    for data in (None, 5, [], "customer"):
        assert "requires field 'customer' in data" in refusal(site, "orders", data)
    assert refusal(site, "orders", {"customer": None}).endswith(
        "FIFO queue 'orders': field 'customer' must not be null"
    )


def test_any_value_names_a_group_and_one_can_be_given_instead(site, worker):
    for data in ({"customer": 7}, {"customer": 7}, {"customer": [7]}, {"customer": ""}):
        site.enqueue("send", data, "orders")
    site.enqueue("send", {}, "orders", group="mine")
    frames = [call_of(worker, "send") for _ in range(4)]
    assert unexpected(worker) == []
    for frame in frames:
        worker.answer(frame)
    worker.answer(call_of(worker, "send"))
    site.until("orders", done=5)


def test_higher_priorities_first(site, worker):
    site.ask("pause", {"queue": "ranked"})
    for rank in (1, 5, 10, 9999, -1, "x", 2.5, None):
        site.enqueue("send", {"rank": rank}, "ranked")
    site.enqueue("send", {"rank": 0}, "ranked", priority=7)
    site.ask("resume", {"queue": "ranked"})
    order = []
    for _ in range(9):
        frame = call_of(worker, "send")
        order.append(frame["data"]["rank"])
        worker.answer(frame)
    assert order == [10, 9999, 0, 5, 1, -1, "x", 2.5, None]


# --- ours ------------------------------------------------------------------------------------------------------------


def test_later(site, worker):
    site.enqueue("send", "delayed", delay_ms=5000)
    moment = int((site.clock.now() + 10) * 1000)
    site.enqueue("send", "at", run_at=moment)
    site.enqueue("send", "then", run_at="2023-11-14T23:13:35+01:00")
    site.enqueue("send", "past", run_at=1)
    frame = call_of(worker, "send")
    assert frame["data"] == "past"
    worker.answer(frame)
    site.until("default", delayed=3)
    assert unexpected(worker) == []
    for seconds, data in ((5, "delayed"), (5, "at"), (5, "then")):
        site.clock.advance(seconds)
        frame = call_of(worker, "send")
        assert frame["data"] == data
        worker.answer(frame)
    site.until("default", done=4)


@pytest.mark.parametrize(
    ("extras", "reason"),
    [
        ({"delay_ms": -1}, "`$.delay_ms`"),
        ({"delay_ms": 1, "run_at": 1}, "both `delay_ms` and `run_at`"),
        ({"run_at": "tomorrow"}, "'tomorrow' is neither a number of ms since 1970 nor an RFC 3339 time"),
        ({"run_at": "2026-01-01T00:00:00"}, "has no time zone"),
        ({"run_at": 1 << 60}, "is no time of these days"),
        ({"priority": 256}, "`$.priority`"),
        ({"max_retries": -1}, "`$.max_retries`"),
        ({"idempotency_key": ""}, "`$.idempotency_key`"),
        ({"idempotency_key": 5}, "expected a string"),
    ],
)
def test_what_is_wrong_with_an_extra_is_told(site, extras, reason):
    assert reason in refusal(site, "mails", 1, **extras)


def test_a_key_lets_a_job_in_once(site, worker):
    receipt = site.enqueue("send", 1, idempotency_key="k")
    assert site.enqueue("send", 2, idempotency_key="k") == receipt
    assert site.enqueue("send", 3, idempotency_key="other") != receipt
    assert [call_of(worker, "send")["data"] for _ in range(2)] == [1, 3]
    site.until("default", enqueued=2)
    site.clock.advance(24 * 3600 + 1)
    assert site.enqueue("send", 4, idempotency_key="k") != receipt


def test_a_receipt_finds_and_cancels_a_job(site):
    receipt = site.enqueue("send", {"n": 1}, "mails", delay_ms=1000)
    job = site.ask("get_job", {"queue": "mails", "id": receipt})
    assert (job["receipt"], job["state"], job["data"]) == (receipt, "delayed", {"n": 1})
    assert site.ask("cancel", {"queue": "mails", "id": receipt}) == {"queue": "mails", "id": receipt, "cancelled": 1}
    assert site.ask("cancel", {"queue": "mails", "id": receipt})["cancelled"] == 0
    assert site.ask("get_job", {"queue": "mails", "id": receipt}) is None
    site.until("mails", removed=1, enqueued=1)
