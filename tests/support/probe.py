"""An actor for tests that stands for any other, and short ways to name it."""

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from iii_actors.actor import LightActor, Ref, ask, launch
from iii_actors.core.messages import Caller, Target
from iii_actors.wire.codec import caller_member


class Probe(LightActor):
    """Stands for any other actor: keeps what it is told, answers what :attr:`answers` says."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[object] = []
        self.answers: dict[type, object] = {}

    def on_receive(self, message: object) -> object:
        self.told.append(message)
        answer = self.answers.get(type(message))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def take(self) -> list[object]:
        told, self.told = self.told, []
        return told

    def of(self, kind: type) -> list[object]:
        return [message for message in self.told if isinstance(message, kind)]


def target_of(worker_id: str, actor: LightActor, *, in_process: bool = False) -> Target:
    return Target(worker_id, actor.actor_ref, in_process)


def caller_of(worker_id: str, actor: LightActor) -> Caller:
    return Caller(worker_id, actor.actor_ref, caller_member(worker_id))


class Watcher(LightActor):
    """Keeps what it is told for one who waits."""

    def __init__(self) -> None:
        super().__init__()
        self._told: queue.SimpleQueue[object] = queue.SimpleQueue()

    def on_receive(self, message: object) -> None:
        self._told.put(message)

    def next(self) -> object:
        """Wait for the next message; raises :class:`queue.Empty` after ten seconds."""
        return self._told.get(timeout=10)


@contextmanager
def watching(registry: Ref, message: Callable[[Ref], object]) -> Iterator[Watcher]:
    """Watch a registry: ``watching(core.workers, WatchWorkers)``."""
    watcher = Watcher()
    ref = launch(watcher)
    ask(registry, message(ref))
    try:
        yield watcher
    finally:
        ref.stop()
