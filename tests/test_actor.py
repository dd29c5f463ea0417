"""Light and threaded actors, one behaviour a test; races are in test_actor_properties.py."""

import gc
import logging
import sys
import threading
from typing import NamedTuple

import pykka
import pytest

from iii_actors import limits
from iii_actors.actor import (
    AskInsideLightActor,
    LightActor,
    MailboxFull,
    Round,
    ThreadedActor,
    ask,
    handles,
    launch,
    run_scheduled,
    stats,
)
from iii_actors.actor import _threaded

WAIT_S = 10


class Note(NamedTuple):
    """To a recorder: write this down."""

    text: str


class Run(NamedTuple):
    """To any actor: call this with the actor, inside its handler; its value is the answer."""

    what: object


class Recorder(LightActor):
    def __init__(self, log=None):
        super().__init__()
        self.log = [] if log is None else log
        self.batches = []
        self.errors = []
        self.stops = 0

    @handles(Note)
    def note(self, note):
        self.log.append(note.text)
        return len(self.log)

    @handles(Run)
    def run(self, run):
        return run.what(self)

    def after_batch(self):
        self.batches.append(len(self.log))

    def on_handler_error(self, message, error):
        self.errors.append((message, error))

    def on_stop(self):
        self.stops += 1


class Last(Recorder):
    last_in_round = True


class Threaded(ThreadedActor):
    def __init__(self):
        super().__init__()
        self.log = []

    @handles(Note)
    def note(self, note):
        self.log.append(note.text)
        return threading.current_thread()

    @handles(Run)
    def run(self, run):
        return run.what(self)


@pytest.fixture
def started():
    """A starter of actors, which are stopped in the end."""
    made = []

    def start(one):
        made.append(launch(one))
        return one

    yield start
    for ref in made:
        ref.stop(timeout=WAIT_S)


@pytest.fixture
def recorder(started):
    return started(Recorder())


def on_a_thread(what):
    """Start a thread; joining it raises what it raised."""

    class Joined(threading.Thread):
        error = None

        def run(self):
            try:
                what()
            except BaseException as error:
                self.error = error

        def done(self):
            self.join(WAIT_S)
            assert not self.is_alive()
            if self.error is not None:
                raise self.error

    thread = Joined(daemon=True)
    thread.start()
    return thread


def run_by(ref, what):
    """Tell an actor to run something; returns when it has."""
    done = threading.Event()

    def then(one):
        try:
            return what(one)
        finally:
            done.set()

    ref.tell(Run(then))
    assert done.wait(WAIT_S)


def interrupt(_):
    raise KeyboardInterrupt


def fail(_):
    raise LookupError("wrong")


# --- telling and asking ----------------------------------------------------------------------------------------------


def test_a_tell_runs_the_actor_on_the_telling_thread(recorder):
    threads = []
    recorder.actor_ref.tell(Run(lambda _: threads.append(threading.current_thread())))
    assert threads == [threading.current_thread()]


def test_an_ask_is_answered_with_the_handlers_value(recorder):
    assert ask(recorder.actor_ref, Note("a")) == 1
    assert ask(recorder.actor_ref, Note("b")) == 2


def test_start_launches_as_launch_does():
    ref = Recorder.start()
    assert ask(ref, Note("a")) == 1
    ref.stop()


def test_a_subclass_inherits_handlers_and_may_replace_them(started):
    class Louder(Recorder):
        @handles(Note)
        def shout(self, note):
            self.log.append(note.text.upper())

    louder = started(Louder())
    louder.actor_ref.tell(Note("a"))
    louder.actor_ref.tell(Run(lambda one: one.log.append("inherited")))
    assert louder.log == ["A", "inherited"]


def test_a_tell_inside_a_handler_waits_for_the_handlers_end(started):
    log = []
    first, second = started(Recorder(log)), started(Recorder(log))

    def handler(_):
        second.actor_ref.tell(Note("second"))
        first.actor_ref.tell(Note("first again"))
        log.append("end of first")

    first.actor_ref.tell(Run(handler))
    assert log[0] == "end of first"
    assert sorted(log[1:]) == ["first again", "second"]


def test_an_actor_that_does_io_runs_last_and_once(started):
    log = []
    last, first = started(Last(log)), started(Recorder(log))
    with Round():
        for number in range(3):
            last.actor_ref.tell(Note(f"last {number}"))
            first.actor_ref.tell(Note(f"first {number}"))
    assert log == ["first 0", "first 1", "first 2", "last 0", "last 1", "last 2"]
    assert last.batches == [6]


def test_a_message_without_handler_is_logged(recorder, caplog):
    recorder.actor_ref.tell("what?")
    assert "no handler for 'what?'" in caplog.text
    assert ask(recorder.actor_ref, Note("lives")) == 1


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
    with pytest.raises(LookupError), Round():
        recorder.actor_ref.tell(Note("a"))
        raise LookupError
    assert recorder.log == ["a"]
    recorder.actor_ref.tell(Note("b"))
    assert recorder.log == ["a", "b"]


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


# --- failures --------------------------------------------------------------------------------------------------------


def test_a_told_message_that_fails_is_logged_and_the_actor_lives_on(recorder, caplog):
    failing = Run(fail)
    with Round():
        recorder.actor_ref.tell(Note("before"))
        recorder.actor_ref.tell(failing)
        recorder.actor_ref.tell(Note("after"))
    assert recorder.log == ["before", "after"]
    assert [(message, type(error)) for message, error in recorder.errors] == [(failing, LookupError)]
    logged = [record for record in caplog.records if record.exc_info]
    assert [record.levelno for record in logged] == [logging.ERROR]
    assert "Recorder" in logged[0].getMessage()
    assert "Run" in logged[0].getMessage()


def test_an_asked_message_that_fails_raises_at_the_asker_alone(recorder, caplog):
    with pytest.raises(LookupError, match="wrong"):
        ask(recorder.actor_ref, Run(fail))
    assert recorder.errors == []
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert ask(recorder.actor_ref, Note("lives")) == 1


def test_a_failing_error_hook_and_a_failing_batch_end_are_logged(started, caplog):
    class Worse(Recorder):
        def on_handler_error(self, message, error):
            raise ValueError("in the hook")

        def after_batch(self):
            raise ValueError("at the end")

    worse = started(Worse())
    worse.actor_ref.tell(Run(fail))
    texts = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert texts == ["wrong", "in the hook", "at the end", "in the hook"]
    worse.actor_ref.tell(Note("lives"))
    assert worse.log == ["lives"]


def test_an_interrupt_in_a_handler_loses_no_other_message(started):
    one, other, last = started(Recorder()), started(Recorder()), started(Last())
    done = threading.Event()
    with pytest.raises(KeyboardInterrupt), Round():
        one.actor_ref.tell(Note("before"))
        one.actor_ref.tell(Run(interrupt))
        one.actor_ref.tell(Note("after"))
        other.actor_ref.tell(Note("other"))
        last.actor_ref.tell(Note("last"))
        last.actor_ref.tell(Run(lambda _: done.set()))
    assert done.wait(WAIT_S)
    assert ask(one.actor_ref, Note("asked")) == 3
    assert one.log == ["before", "after", "asked"]
    assert other.log == ["other"]
    assert last.log == ["last"]
    # And this thread is not spoilt: its next tell runs at once.
    other.actor_ref.tell(Note("again"))
    assert other.log == ["other", "again"]


def test_an_interrupt_in_a_handler_does_not_leave_out_the_end_of_the_batch(recorder):
    with pytest.raises(KeyboardInterrupt), Round():
        recorder.actor_ref.tell(Note("to flush"))
        recorder.actor_ref.tell(Run(interrupt))
    # What had been handled would otherwise wait, unflushed, for a message that may never come.
    assert recorder.batches == [1]


def test_an_interrupt_on_another_thread_ends_an_ask(recorder):
    running, queued = threading.Event(), threading.Event()

    def hold(_):
        running.set()
        assert queued.wait(WAIT_S)

    def runner():
        with pytest.raises(KeyboardInterrupt):
            recorder.actor_ref.tell(Run(hold))

    thread = on_a_thread(runner)
    assert running.wait(WAIT_S)
    future = recorder.actor_ref.ask(Run(interrupt), block=False)
    queued.set()
    thread.done()
    with pytest.raises(BaseException) as raised:  # noqa: PT011 - whatever it is, it comes at once
        future.get(timeout=1)
    assert not isinstance(raised.value, pykka.Timeout)


# --- nobody waits inside ---------------------------------------------------------------------------------------------


def test_an_ask_inside_a_light_actor_raises_in_debug_mode(started):
    asking, asked = started(Recorder()), started(Recorder())
    with pytest.raises(AskInsideLightActor):
        ask(asking.actor_ref, Run(lambda _: ask(asked.actor_ref, Note("a"))))
    with pytest.raises(AskInsideLightActor):
        ask(asking.actor_ref, Run(lambda _: asked.actor_ref.stop()))


def test_an_ask_of_a_threaded_actor_inside_a_light_one_raises_too(started):
    asking, asked = started(Recorder()), started(Threaded())
    with pytest.raises(AskInsideLightActor):
        ask(asking.actor_ref, Run(lambda _: ask(asked.actor_ref, Note("a"))))


def test_a_threaded_actor_may_ask(started):
    asking, asked = started(Threaded()), started(Recorder())
    assert ask(asking.actor_ref, Run(lambda _: ask(asked.actor_ref, Note("a")))) == 1


def test_an_ask_without_answer_times_out(started):
    gate, inside = threading.Event(), threading.Event()
    slow = started(Threaded())

    def wait(_):
        inside.set()
        assert gate.wait(WAIT_S)

    slow.actor_ref.tell(Run(wait))
    assert inside.wait(WAIT_S)
    with pytest.raises(pykka.Timeout):
        ask(slow.actor_ref, Note("a"), timeout=0.01)
    gate.set()


# --- stopping --------------------------------------------------------------------------------------------------------


def test_after_a_stop_tell_and_ask_raise(recorder):
    assert recorder.actor_ref.stop() is True
    assert recorder.stops == 1
    assert not recorder.actor_ref.is_alive()
    with pytest.raises(pykka.ActorDeadError):
        recorder.actor_ref.tell(Note("late"))
    with pytest.raises(pykka.ActorDeadError):
        ask(recorder.actor_ref, Note("late"))
    assert recorder.log == []
    assert recorder.actor_ref.stop() is False
    assert recorder.stops == 1


def test_what_was_sent_before_a_stop_is_handled_and_what_comes_after_is_not(recorder, caplog):
    with Round():
        recorder.actor_ref.tell(Note("before"))
        stopping = recorder.actor_ref.stop(block=False)
        asked = recorder.actor_ref.ask(Note("asked behind"), block=False)
        again = recorder.actor_ref.stop(block=False)
    assert stopping.get(timeout=1) is True
    with pytest.raises(pykka.ActorDeadError):
        asked.get(timeout=1)
    again.get(timeout=1)
    assert recorder.log == ["before"]
    assert recorder.stops == 1
    assert caplog.records == []


def test_a_tell_behind_a_stop_in_the_same_batch_is_dropped(recorder, caplog):
    with Round():
        recorder.actor_ref.stop(block=False)
        recorder.actor_ref.tell(Note("told behind"))
    assert recorder.log == []
    assert caplog.records == []


def test_an_actor_may_stop_itself(recorder):
    recorder.actor_ref.tell(Run(lambda me: me.stop()))
    assert recorder.stops == 1
    assert not recorder.actor_ref.is_alive()


def test_a_stopped_actor_leaves_the_registry(recorder):
    assert pykka.ActorRegistry.get_by_urn(recorder.actor_urn) is recorder.actor_ref
    recorder.actor_ref.stop()
    assert pykka.ActorRegistry.get_by_urn(recorder.actor_urn) is None


def test_two_families_of_actors_do_not_share_their_end(started):
    """As two engines in one process: stopping all of one leaves the other alone."""
    mine, theirs = [Recorder.start() for _ in range(3)], [started(Recorder()) for _ in range(3)]
    with Round():
        for ref in mine:
            ref.stop(block=False)
        for one in theirs:
            one.actor_ref.tell(Note("goes on"))
    assert not any(ref.is_alive() for ref in mine)
    assert [one.log for one in theirs] == [["goes on"]] * 3


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


# --- figures ---------------------------------------------------------------------------------------------------------


def test_figures_of_a_light_actor(recorder):
    with Round():
        recorder.actor_ref.tell(Note("a"))
        recorder.actor_ref.tell(Run(fail))
        waiting = stats(recorder.actor_ref)
    done = stats(recorder.actor_ref)
    assert waiting == ("Recorder", "light", 2, 0, 0.0, 0)
    assert (done.name, done.kind, done.depth, done.handled, done.failed) == ("Recorder", "light", 0, 2, 1)
    assert 0 < done.busy_s < WAIT_S
    with pytest.raises(LookupError):
        ask(recorder.actor_ref, Run(fail))
    assert stats(recorder.actor_ref)[3::2] == (3, 2)


def test_figures_of_a_threaded_actor(started):
    threaded = started(Threaded())
    inside, gate = threading.Event(), threading.Event()

    def hold(_):
        inside.set()
        assert gate.wait(WAIT_S)

    threaded.actor_ref.tell(Run(hold))
    assert inside.wait(WAIT_S)
    threaded.actor_ref.tell(Run(fail))
    assert stats(threaded.actor_ref)[:4] == ("Threaded", "threaded", 1, 0)
    gate.set()
    ask(threaded.actor_ref, Note("end"))
    done = stats(threaded.actor_ref)
    assert (done.depth, done.failed) == (0, 1)
    assert done.handled in (2, 3)  # the answer to an ask leaves before its message is counted, or after
    assert done.busy_s > 0


def test_no_figures_of_other_actors_and_of_those_that_are_gone():
    class Plain(pykka.ThreadingActor):
        pass

    plain = Plain.start()
    assert stats(plain) is None
    plain.stop()
    gone = Recorder.start()
    gone.stop()
    gc.collect()
    assert stats(gone) is None


# --- threaded actors -------------------------------------------------------------------------------------------------


def test_a_threaded_actor_runs_on_a_thread_of_its_own(started):
    thread = ask(started(Threaded()).actor_ref, Note("a"))
    assert thread is not threading.current_thread()
    assert thread.daemon


@pytest.mark.parametrize("what", [fail, interrupt])
def test_a_threaded_actors_failing_tell_is_logged_and_it_lives_on(started, caplog, what):
    threaded, bystander = started(Threaded()), started(Threaded())
    run_by(threaded.actor_ref, what)
    ask(threaded.actor_ref, Note("lives"))
    assert threaded.log == ["lives"]
    assert [record.levelno for record in caplog.records if record.exc_info] == [logging.ERROR]
    assert stats(threaded.actor_ref).failed == 1
    assert bystander.actor_ref.is_alive()


@pytest.mark.parametrize(("what", "error"), [(fail, LookupError), (interrupt, RuntimeError)])
def test_a_threaded_actors_failing_ask_raises_at_the_asker(started, what, error):
    threaded = started(Threaded())
    with pytest.raises(error):
        ask(threaded.actor_ref, Run(what))
    assert ask(threaded.actor_ref, Run(lambda _: "lives")) == "lives"


def test_an_ask_that_crosses_a_threaded_actors_end_is_answered(started):
    """The asker has seen the actor alive; by the time its message is in the inbox, the thread has gone."""
    threaded = started(Threaded())
    thread = ask(threaded.actor_ref, Note("a"))
    was_alive = threaded.actor_ref.is_alive
    threaded.actor_ref.stop()
    thread.join(WAIT_S)
    threaded.actor_ref.is_alive = lambda: True
    try:
        with pytest.raises(pykka.ActorDeadError):
            ask(threaded.actor_ref, Note("late"), timeout=0.2)
    finally:
        threaded.actor_ref.is_alive = was_alive
