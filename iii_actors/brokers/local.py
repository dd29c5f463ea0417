"""The broker inside the engine: order in memory, jobs in a journal, which may be memory too (queue.md §8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pykka

from iii_actors.actor import Ref, ask, launch
from iii_actors.brokers.contract import Abilities, Broker, Delivery, Done, Sink
from iii_actors.brokers.errors import BrokerClosed
from iii_actors.brokers.job import Counts, Failure, Job, JobState, Listed, Outcome, Put, QueueSpec, Selection
from iii_actors.brokers.journal import Journal
from iii_actors.brokers.local_actor import Ack, Cease, Close, Consume, Failed, Grant, LocalActor, PutJobs, Release
from iii_actors.brokers.local_core import Errand
from iii_actors.brokers.local_desk import Desk
from iii_actors.clock import Clock
from iii_actors.errors import ConfigError

__all__ = ["LocalBroker"]


class LocalBroker(Broker):
    """Wakes on arrival and on time; asks nobody in between. Everything runs in one light actor.

    :param journal: where the jobs are kept; this broker opens and closes it.
    :param worker_id: the built-in worker's id, for the error that :meth:`open` may raise.
    """

    kind = "builtin"

    def __init__(self, journal: Journal, clock: Clock, worker_id: str = "iii-queue") -> None:
        self.abilities = Abilities(durable=journal.durable)
        self._journal = journal
        self._worker_id = worker_id
        self._actor = LocalActor(journal, clock)
        self._desk = Desk(self._actor)
        self._tell: Callable[[Any], None] = self._actor.actor_ref.tell

    def open(self) -> None:
        try:
            loaded = self._journal.open()
        except ConfigError as error:
            place = f"failed to create worker '{self._worker_id}'"
            raise ConfigError(place, f"{error.place}: {error.problem}", error.mend) from None
        self._actor.load(loaded)
        launch(self._actor)
        self._actor.alarms.arm()

    def close(self) -> None:
        ref = self._actor.actor_ref
        if not ref.is_alive():
            return
        ask(ref, Close())
        self._journal.close()
        ref.stop()

    def actors(self) -> Sequence[Ref]:
        return (self._actor.actor_ref, *self._journal.actors())

    def _send(self, message: Any) -> None:
        """Tell the actor; after the end ``done`` is told at once."""
        try:
            self._tell(message)
        except pykka.ActorDeadError:
            done = getattr(message, "done", None)
            if done is not None:
                done(None, BrokerClosed())

    def _run(self, errand: Callable[..., None], *arguments: Any, done: Done[Any]) -> None:
        self._send(Errand(errand, arguments, done))

    # --- queues ------------------------------------------------------------------------------------------------------

    def declare(self, queue: str, spec: QueueSpec, done: Done[None]) -> None:
        self._run(self._desk.declare, queue, spec, done=done)

    def forget(self, queue: str, done: Done[bool]) -> None:
        self._run(self._desk.forget, queue, done=done)

    def queues(self, done: Done[Sequence[str]]) -> None:
        self._run(self._desk.queues, done=done)

    def pause(self, queue: str, paused: bool, done: Done[bool]) -> None:
        self._run(self._desk.pause, queue, paused, done=done)

    def counts(self, queue: str, done: Done[Counts]) -> None:
        self._run(self._desk.counts, queue, done=done)

    # --- producing ---------------------------------------------------------------------------------------------------

    def put(self, jobs: Sequence[Job], done: Done[Sequence[Put]]) -> None:
        try:  # as `_send` does, but this is the hot path
            self._tell(PutJobs(jobs, done))
        except pykka.ActorDeadError:
            done(None, BrokerClosed())

    def move(self, source: str, queue: str, function_id: str, namespace: str, done: Done[Outcome]) -> None:
        self._run(self._desk.move, source, queue, function_id, namespace, done=done)

    # --- consuming ---------------------------------------------------------------------------------------------------

    def consume(self, queue: str, sink: Sink) -> None:
        self._send(Consume(queue, sink))

    def cease(self, queue: str) -> None:
        self._send(Cease(queue))

    def grant(self, queue: str, credit: int) -> None:
        try:
            self._tell(Grant(queue, credit))
        except pykka.ActorDeadError:
            return

    def ack(self, delivery: Delivery, done: Done[bool] | None = None) -> None:
        try:
            self._tell(Ack(delivery, done))
        except pykka.ActorDeadError:
            if done is not None:
                done(None, BrokerClosed())

    def retry(self, delivery: Delivery, failure: Failure, due_at_ms: int, done: Done[bool] | None = None) -> None:
        self._send(Failed(delivery, failure, due_at_ms, done))

    def bury(self, delivery: Delivery, failure: Failure, done: Done[bool] | None = None) -> None:
        self._send(Failed(delivery, failure, None, done))

    def release(self, delivery: Delivery, done: Done[bool] | None = None) -> None:
        self._send(Release(delivery, done))

    # --- inspecting and mending --------------------------------------------------------------------------------------

    def list(self, queue: str, state: JobState, offset: int, limit: int, done: Done[Sequence[Listed]]) -> None:
        self._run(self._desk.list, queue, state, offset, limit, done=done)

    def find(self, queue: str, id: str, done: Done[Listed]) -> None:  # noqa: A002 - the protocol's word
        self._run(self._desk.find, queue, id, done=done)

    def redrive(self, queue: str, id: str | None, done: Done[Outcome]) -> None:  # noqa: A002
        self._run(self._desk.redrive, queue, id, done=done)

    def remove(self, queue: str, selection: Selection, done: Done[Outcome]) -> None:
        self._run(self._desk.remove, queue, selection, done=done)

    def edit(self, queue: str, id: str, data: bytes | None, max_retries: int | None, done: Done[bool]) -> None:  # noqa: A002
        self._run(self._desk.edit, queue, id, data, max_retries, done=done)
