"""What actors do at one moment, as read off the threads."""

import threading
from typing import NamedTuple

import pytest

from iii_actors.actor import LightActor, ThreadedActor, ask, handles, launch, moments

WAIT_S = 10


class Hold(NamedTuple):
    """Handled until it is let go."""

    begun: threading.Event
    over: threading.Event


class Quick(NamedTuple):
    pass


class Light(LightActor):
    @handles(Hold)
    def hold(self, message: Hold) -> None:
        message.begun.set()
        message.over.wait(WAIT_S)

    @handles(Quick)
    def quick(self, _: Quick) -> None:
        pass


class Threaded(ThreadedActor):
    @handles(Hold)
    def hold(self, message: Hold) -> None:
        message.begun.set()
        message.over.wait(WAIT_S)


@pytest.fixture(params=[Light, Threaded])
def ref(request):
    ref = launch(request.param())
    yield ref
    ref.stop()


@pytest.mark.parametrize("send", [lambda ref, message: ref.tell(message), ask], ids=["told", "asked"])
def test_one_that_hangs_shows_its_message_and_for_how_long(ref, send):
    hold = Hold(threading.Event(), threading.Event())
    thread = threading.Thread(target=send, args=(ref, hold))
    thread.start()
    assert hold.begun.wait(WAIT_S)
    (first,) = moments([ref])
    (later,) = moments([ref])
    hold.over.set()
    thread.join(WAIT_S)
    assert first.message == "Hold"
    assert first.age_s is not None
    assert later.age_s is not None
    assert 0 <= first.age_s < later.age_s


def test_idle_ones_show_nothing(ref):
    (moment,) = moments([ref])
    assert (moment.message, moment.age_s) == (None, None)
    assert moment.stats.name in {"Light", "Threaded"}


def test_what_waits_is_counted_meanwhile():
    ref = launch(Light())
    hold = Hold(threading.Event(), threading.Event())
    thread = threading.Thread(target=ref.tell, args=(hold,))
    thread.start()
    assert hold.begun.wait(WAIT_S)
    for _ in range(3):
        ref.tell(Quick())
    (moment,) = moments([ref])
    hold.over.set()
    thread.join(WAIT_S)
    assert moment.stats.depth == 3
    ref.stop()


def test_dead_ones_are_passed_over(ref):
    ref.stop()
    assert moments([ref]) == []
