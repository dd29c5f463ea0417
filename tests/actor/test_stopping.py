"""The end of an actor."""

import pykka
import pytest

from iii_actors.actor import Round, ask
from tests.support.actors import Note, Recorder, Run


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
