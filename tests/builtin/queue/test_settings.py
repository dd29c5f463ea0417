"""Settings swapped while it runs: all of them or none, and only what changes is touched (queue.md §3)."""

import pytest

from iii_actors.clock import ManualClock
from iii_actors.config.queue import QueueSettings
from iii_actors.errors import ConfigError
from tests.support.peer import CallFailed
from tests.support.queue import call_of, fail
from tests.support.quiet import leave, unexpected


def settings(**values):
    return QueueSettings.model_validate(values)


def test_a_queue_comes_and_another_goes_with_its_jobs_kept(site):
    one = site({"queue_configs": {"old": {"concurrency": 1}}})
    worker = one.join()
    worker.register("send")
    for n in range(2):
        one.enqueue("send", n, "old")
    frame = call_of(worker, "send")
    one.worker.apply(settings(queue_configs={"new": {}}))
    with pytest.raises(CallFailed, match="Queue 'old' not found"):
        one.enqueue("send", 2, "old")
    worker.answer(frame)
    one.until("old", done=1, waiting=1)
    one.enqueue("send", 3, "new")
    assert call_of(worker, "send")["data"] == 3
    assert unexpected(worker) == []
    one.worker.apply(settings(queue_configs={"old": {}}))
    assert call_of(worker, "send")["data"] == 1


def test_other_numbers_count_from_now_on(site):
    clock = ManualClock()
    one = site({"queue_configs": {"mails": {"concurrency": 1, "max_retries": 5}}}, clock)
    worker = one.join()
    worker.register("send")
    for n in range(3):
        one.enqueue("send", n, "mails")
    first = call_of(worker, "send")
    assert unexpected(worker) == []
    one.worker.apply(settings(queue_configs={"mails": {"concurrency": 3, "max_retries": 0}}))
    assert [call_of(worker, "send")["data"] for _ in range(2)] == [1, 2]
    fail(worker, first)
    one.until("mails", dead=1)


def test_fewer_at_once(site):
    one = site({"queue_configs": {"mails": {"concurrency": 3}}})
    worker = one.join()
    worker.register("send")
    for n in range(6):
        one.enqueue("send", n, "mails")
    frames = [call_of(worker, "send") for _ in range(3)]
    one.worker.apply(settings(queue_configs={"mails": {"concurrency": 1}}))
    for frame in frames[:2]:
        worker.answer(frame)
    assert unexpected(worker) == []
    worker.answer(frames[2])
    assert call_of(worker, "send")["data"] == 3
    assert unexpected(worker) == []


@pytest.mark.parametrize("where", ["in_memory", "in_file"])
def test_how_topics_are_treated_by_themselves_is_no_other_adapter(site, in_file, where):
    config = in_file["adapter"]["config"] if where == "in_file" else {}
    one = site({"adapter": {"name": "builtin", "config": config}})
    listener = one.subscriber("x", queue_config={"maxRetries": 5})
    other = one.subscriber("x", "other")
    one.publish("x", 1)
    frame = call_of(listener)
    one.worker.apply(settings(adapter={"name": "builtin", "config": {**config, "max_attempts": 1, "concurrency": 2}}))
    fail(other, call_of(other, "other"))
    fail(listener, frame)
    one.until("x", dead=1, delayed=1, enqueued=2)


def test_another_adapter_takes_the_subscriptions_along_and_leaves_the_jobs(site, in_file):
    clock = ManualClock()
    one = site({"queue_configs": {"mails": {}}}, clock)
    here, away = one.subscriber("x", "here"), one.subscriber("x", "away")
    leave(one.engine, away)
    one.publish("x", 1)
    held = call_of(here, "here")
    one.worker.apply(settings(**in_file))
    here.answer(held)
    assert one.book("x")["enqueued"] == 0
    one.publish("x", 2)
    frame = call_of(here, "here")
    assert frame["data"] == 2
    here.answer(frame)
    one.until("x", done=1, waiting=1)
    back = one.subscriber("x", "away")
    assert call_of(back, "away")["data"] == 2


def test_what_cannot_be_had_changes_nothing(site, tmp_path):
    one = site({"queue_configs": {"mails": {}}})
    (tmp_path / "a-file").write_text("")
    config = {"store_method": "file_based", "file_path": str(tmp_path / "a-file")}
    with pytest.raises(ConfigError):
        one.worker.apply(settings(adapter={"name": "builtin", "config": config}))
    worker = one.join()
    worker.register("send")
    one.enqueue("send", 1, "mails")
    worker.answer(call_of(worker, "send"))
    one.until("mails", done=1)


def test_queues_made_on_first_use(site, in_file):
    one = site({"auto_create": True, "queue_configs": {"default": {"max_retries": 0}}, **in_file})
    worker = one.join()
    worker.register("send")
    one.enqueue("send", 1, "brand-new")
    fail(worker, call_of(worker, "send"))
    one.until("brand-new", dead=1)
    assert {"name": "brand-new", "broker_type": "builtin", "subscriber_count": 10} in one.ask("list_topics")
    with pytest.raises(CallFailed, match="has at most 1024 characters"):
        one.enqueue("send", 1, "q" * 1025)
    with pytest.raises(CallFailed, match="Queue '' not found"):
        one.enqueue("send", 1, "")
    one.ask("iii::queue::redrive", {"queue": "brand-new"})
    call_of(worker, "send")
    one.engine.stop()
    other = site({"auto_create": True, **in_file})
    worker = other.join()
    worker.register("send")
    other.until("brand-new", enqueued=1)
