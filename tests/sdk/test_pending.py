"""A call under way is settled once, by whoever takes it out."""

import threading
import time
import uuid

from iii_worker.pending import Pending, PendingCalls, new_invocation_id


def test_ids_are_random_uuids():
    ids = {new_invocation_id() for _ in range(2000)}
    assert len(ids) == 2000
    for text in ids:
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 4, uuid.RFC_4122)


def test_a_wait_ends_when_it_is_settled_or_at_its_deadline():
    pending = Pending("f", "i")
    assert not pending.wait(time.monotonic() + 0.01)
    thread = threading.Thread(target=pending.settle, args=(None, None))
    thread.start()
    assert pending.wait(time.monotonic() + 5)
    thread.join()
    pending.await_settled()


def test_of_many_threads_one_takes_a_call_out():
    calls = PendingCalls()
    for _ in range(200):
        calls.add(Pending("f", "i"))
        taken = []
        barrier = threading.Barrier(4)

        def take(taken=taken, barrier=barrier):
            barrier.wait(5)
            taken.append(calls.take("i"))

        threads = [threading.Thread(target=take) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len([one for one in taken if one is not None]) == 1
    assert len(calls) == 0


def test_those_of_one_connection_may_be_taken_out():
    calls = PendingCalls()
    here, there = object(), object()
    for number, link in enumerate([here, there, None, here]):
        pending = Pending("f", str(number))
        pending.link = link
        calls.add(pending)
    leaving = Pending("f", "4")
    leaving.link, leaving.leaving = here, True
    calls.add(leaving)
    assert [pending.invocation_id for pending in calls.take_all(here)] == ["0", "3"]
    assert [pending.invocation_id for pending in calls.take_all()] == ["1", "2", "4"]
