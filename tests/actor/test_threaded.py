"""Actors with a thread of their own."""

import logging
import threading

import pykka
import pytest

from iii_actors.actor import ask, stats
from tests.support.actors import WAIT_S, Note, Run, Threaded, fail, interrupt, run_by


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
