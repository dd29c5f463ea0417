"""Telling and asking a light actor, and what becomes of failures."""

import logging
import threading

import pykka
import pytest

from iii_actors.actor import AskInsideLightActor, Round, ask, handles
from tests.support.actors import WAIT_S, Last, Note, Recorder, Run, Threaded, fail, interrupt, on_a_thread

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

    def one_round():
        with Round():
            one.actor_ref.tell(Note("before"))
            one.actor_ref.tell(Run(interrupt))
            one.actor_ref.tell(Note("after"))
            other.actor_ref.tell(Note("other"))
            last.actor_ref.tell(Note("last"))
            last.actor_ref.tell(Run(lambda _: done.set()))

    with pytest.raises(KeyboardInterrupt):
        one_round()
    assert done.wait(WAIT_S)
    assert ask(one.actor_ref, Note("asked")) == 3
    assert one.log == ["before", "after", "asked"]
    assert other.log == ["other"]
    assert last.log == ["last"]
    # And this thread is not spoilt: its next tell runs at once.
    other.actor_ref.tell(Note("again"))
    assert other.log == ["other", "again"]


def test_an_interrupt_in_a_handler_does_not_leave_out_the_end_of_the_batch(recorder):
    def one_round():
        with Round():
            recorder.actor_ref.tell(Note("to flush"))
            recorder.actor_ref.tell(Run(interrupt))

    with pytest.raises(KeyboardInterrupt):
        one_round()
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
    with pytest.raises(BaseException) as raised:
        future.get(timeout=1)
    assert not isinstance(raised.value, pykka.Timeout)


def test_a_failing_batch_end_is_not_the_askers_business(started, caplog):
    class Worse(Recorder):
        def after_batch(self):
            raise ValueError("at the end")

    worse = started(Worse())
    answers = []

    def askers():
        answers.append(ask(worse.actor_ref, Note("answered"), timeout=1))
        answers.append(ask(worse.actor_ref, Note("and again"), timeout=1))

    on_a_thread(askers).done()
    assert answers == [1, 2]
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["at the end"] * 2


def test_an_ask_finds_what_this_thread_has_told_before(started):
    """Told outside a round or inside, to the asked actor itself or on a way that leads to it."""
    asked, between, io = started(Recorder()), started(Recorder()), started(Last())
    with Round():
        between.actor_ref.tell(Run(lambda _: asked.actor_ref.tell(Note("by a detour"))))
        io.actor_ref.tell(Note("written"))
        assert ask(asked.actor_ref, Note("asked")) == 2
        assert ask(io.actor_ref, Note("asked")) == 2
    assert asked.log == ["by a detour", "asked"]
    assert io.log == ["written", "asked"]


def test_what_an_asked_handler_tells_is_done_when_the_ask_returns(started):
    asked, told = started(Recorder()), started(Recorder())
    ask(asked.actor_ref, Run(lambda _: told.actor_ref.tell(Note("a"))))
    assert told.log == ["a"]
    with pytest.raises(LookupError):
        ask(asked.actor_ref, Run(lambda me: (told.actor_ref.tell(Note("b")), fail(me))))
    assert told.log == ["a", "b"]


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
