"""A thread and the actors it runs: rounds, chains, its share of the work, the bound of a mailbox."""

import sys
import threading
import time
from typing import NamedTuple

import pytest

from iii_actors import limits
from iii_actors.actor import LightActor, MailboxFull, Round, _threaded, ask, handles, run_scheduled, stats
from tests.support.actors import WAIT_S, Last, Note, Recorder, Run, Threaded, on_a_thread

# --- rounds ----------------------------------------------------------------------------------------------------------


def test_inside_a_round_tells_only_schedule(recorder):
    with Round():
        recorder.actor_ref.tell(Note("a"))
        recorder.actor_ref.tell(Note("b"))
        assert recorder.log == []
    assert recorder.log == ["a", "b"]
    assert recorder.batches == [2]


def test_a_rounds_end_inside_it_runs_what_is_scheduled_and_the_round_goes_on(recorder):
    with Round() as one_round:
        recorder.actor_ref.tell(Note("a"))
        one_round.pause()
        assert recorder.log == ["a"]
        recorder.actor_ref.tell(Note("b"))
        assert recorder.log == ["a"]
    assert recorder.log == ["a", "b"]


def test_an_ask_inside_a_round_first_runs_what_is_scheduled(started):
    asked, other = started(Recorder()), started(Recorder())
    with Round():
        other.actor_ref.tell(Note("before"))
        asked.actor_ref.tell(Note("first"))
        assert ask(asked.actor_ref, Note("second")) == 2
        assert other.log == ["before"]
        other.actor_ref.tell(Note("after"))
        assert other.log == ["before"]
    assert other.log == ["before", "after"]


def test_before_waiting_for_something_else_a_round_may_run_what_is_scheduled(recorder):
    with Round():
        recorder.actor_ref.tell(Note("a"))
        run_scheduled()
        assert recorder.log == ["a"]
        recorder.actor_ref.tell(Note("b"))
        assert recorder.log == ["a"]
    assert recorder.log == ["a", "b"]
    run_scheduled()
    recorder.actor_ref.tell(Run(lambda me: (me.actor_ref.tell(Note("c")), run_scheduled(), me.log.append("end"))))
    assert recorder.log == ["a", "b", "end", "c"]


def test_a_round_that_fails_still_runs_what_it_has_scheduled(recorder):
    def one_round():
        with Round():
            recorder.actor_ref.tell(Note("a"))
            raise LookupError

    with pytest.raises(LookupError):
        one_round()
    assert recorder.log == ["a"]
    recorder.actor_ref.tell(Note("b"))
    assert recorder.log == ["a", "b"]


def test_a_round_inside_a_round_is_part_of_it(recorder):
    with Round():
        recorder.actor_ref.tell(Note("a"))
        with Round():
            recorder.actor_ref.tell(Note("b"))
        assert recorder.log == []
    assert recorder.log == ["a", "b"]
    assert recorder.batches == [2]


# --- no recursion ----------------------------------------------------------------------------------------------------


def depth():
    frame, count = sys._getframe(), 0
    while frame is not None:
        frame, count = frame.f_back, count + 1
    return count


class Countdown(NamedTuple):
    left: int


class Linked(LightActor):
    """Passes a countdown on; measures how deep the stack is now and then."""

    def __init__(self, done, deepest):
        super().__init__()
        self.next = None
        self.done = done
        self.deepest = deepest

    @handles(Countdown)
    def count(self, countdown):
        if countdown.left % 500 == 0:
            self.deepest.append(depth())
        if countdown.left:
            self.next.tell(Countdown(countdown.left - 1))
        else:
            self.done.set()


@pytest.mark.parametrize("actors", [1, 2, 1000])
def test_100_000_tells_in_a_chain_leave_the_stack_flat(started, actors):
    done, deepest = threading.Event(), []
    ring = [started(Linked(done, deepest)) for _ in range(actors)]
    for index, link in enumerate(ring):
        link.next = ring[(index + 1) % actors].actor_ref
    before = depth()
    ring[0].actor_ref.tell(Countdown(100_000))
    assert done.wait(WAIT_S)
    assert len(deepest) == 201
    assert max(deepest) < before + 20


# --- fairness --------------------------------------------------------------------------------------------------------


def test_a_thread_gives_away_what_is_left_after_its_share(started, monkeypatch):
    monkeypatch.setattr(limits, "THREAD_BATCH", 10)
    monkeypatch.setattr(limits, "ACTOR_BATCH", 5)
    one, other = started(Recorder()), started(Recorder())
    done, threads = threading.Event(), []
    returned = threading.Event()

    def volley(me, left):
        threads.append(threading.current_thread())
        if len(threads) == 1000:
            # Only after the first teller is through with its tell: it has given the rest away.
            assert returned.wait(WAIT_S)
            done.set()
            return
        there = other if me is one else one
        there.actor_ref.tell(Run(lambda again: volley(again, left - 1)))

    one.actor_ref.tell(Run(lambda me: volley(me, 1000)))
    returned.set()
    assert done.wait(WAIT_S)
    mine = [thread for thread in threads if thread is threading.current_thread()]
    assert 10 <= len(mine) <= 20
    assert threads[: len(mine)] == mine


def test_an_actor_that_never_ends_telling_itself_does_not_starve_the_next(started, monkeypatch):
    monkeypatch.setattr(limits, "ACTOR_BATCH", 5)
    monkeypatch.setattr(limits, "THREAD_BATCH", 100)
    busy, next_one = started(Recorder()), started(Recorder())
    stop = threading.Event()

    def again(me):
        me.log.append("busy")
        if not stop.is_set():
            me.actor_ref.tell(Run(again))

    with Round():
        busy.actor_ref.tell(Run(again))
        next_one.actor_ref.tell(Run(lambda me: me.log.append(len(busy.log))))
    stop.set()
    assert next_one.log == [5]


# --- the bound of a mailbox ------------------------------------------------------------------------------------------


def test_a_sender_outside_any_actor_waits_for_an_overfull_one(recorder, monkeypatch):
    monkeypatch.setattr(limits, "MAILBOX_DEPTH", 10)
    inside, gate, ten = threading.Event(), threading.Event(), threading.Event()
    sent, sent_while_held = [], []

    def hold(_):
        inside.set()
        assert gate.wait(WAIT_S)
        sent_while_held.append(len(sent))

    def send():
        for number in range(1000):
            recorder.actor_ref.tell(Note(number))
            sent.append(number)
            if number == 9:
                ten.set()

    holder = on_a_thread(lambda: recorder.actor_ref.tell(Run(hold)))
    assert inside.wait(WAIT_S)
    sender = on_a_thread(send)
    assert ten.wait(WAIT_S)
    gate.set()
    holder.done()
    sender.done()
    assert sent_while_held == [10]
    recorder.actor_ref.ask(Note("end"))
    assert recorder.log == [*range(1000), "end"]


def test_inside_a_round_a_sender_waits_only_at_its_end(recorder, monkeypatch):
    monkeypatch.setattr(limits, "MAILBOX_DEPTH", 10)
    with Round():
        for number in range(1000):
            recorder.actor_ref.tell(Note(number))
        assert stats(recorder.actor_ref).depth == 1000
    assert recorder.log == list(range(1000))


def test_an_ask_does_not_wait_for_an_overfull_actor_that_this_thread_itself_has_yet_to_run(started, monkeypatch):
    monkeypatch.setattr(limits, "MAILBOX_DEPTH", 10)
    monkeypatch.setattr(limits, "ASK_TIMEOUT_S", 1.0)
    overfull, asked = started(Last()), started(Recorder())
    with Round():
        for number in range(50):
            overfull.actor_ref.tell(Note(number))
        asked.actor_ref.tell(Note("told"))
        began = time.monotonic()
        assert ask(asked.actor_ref, Note("asked")) == 2
        assert time.monotonic() - began < 0.5
    assert overfull.log == list(range(50))


def test_an_actor_tells_an_overfull_one_without_waiting(started, monkeypatch):
    monkeypatch.setattr(limits, "MAILBOX_DEPTH", 10)
    one, other = started(Recorder()), started(Recorder())

    def flood(_):
        for number in range(100):
            other.actor_ref.tell(Note(number))
        assert other.log == []

    ask(one.actor_ref, Run(flood))
    assert ask(other.actor_ref, Note("end")) == 101


def test_a_light_actor_is_refused_by_a_full_threaded_one(started, monkeypatch):
    monkeypatch.setattr(_threaded, "MAILBOX_DEPTH", 2)
    light, threaded = started(Recorder()), started(Threaded())
    inside, gate = threading.Event(), threading.Event()

    def hold(_):
        inside.set()
        assert gate.wait(WAIT_S)

    threaded.actor_ref.tell(Run(hold))
    assert inside.wait(WAIT_S)
    for text in "ab":
        ask(light.actor_ref, Run(lambda _, text=text: threaded.actor_ref.tell(Note(text))))
    with pytest.raises(MailboxFull):
        ask(light.actor_ref, Run(lambda _: threaded.actor_ref.tell(Note("c"))))
    outside = on_a_thread(lambda: threaded.actor_ref.tell(Note("waits for room")))
    gate.set()
    outside.done()
    ask(threaded.actor_ref, Note("end"))
    assert threaded.log == ["a", "b", "waits for room", "end"]
