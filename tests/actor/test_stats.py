"""The figures of an actor."""

import gc
import threading

import pykka
import pytest

from iii_actors.actor import Round, ask, stats
from tests.support.actors import WAIT_S, Note, Recorder, Run, Threaded, fail


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
