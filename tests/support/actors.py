"""Actors for the tests of actors: they note what they are told, and run what the test gives them."""

import threading
from typing import NamedTuple

from iii_actors.actor import LightActor, ThreadedActor, handles

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
