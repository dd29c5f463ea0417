"""Our own functions: a queue's book, its jobs one by one, and what can be done to them. Not in the protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from msgspec import Raw, UnsetType

from iii_actors.brokers.contract import Done
from iii_actors.brokers.errors import QueueNotFound, Unsupported
from iii_actors.brokers.job import Counts, JobState, Listed, Outcome, Selection
from iii_actors.builtin.base import Call
from iii_actors.builtin.queue import schemas
from iii_actors.builtin.queue.catalogue import Catalogue
from iii_actors.builtin.queue.errors import QUEUE_NOT_SET, QueueError
from iii_actors.builtin.queue.gathering import gather
from iii_actors.builtin.queue.inputs import (
    READERS,
    CancelInput,
    EditJobInput,
    JobInput,
    ListJobsInput,
    OptionalJobInput,
    PurgeInput,
    QueueInput,
    StatsInput,
)
from iii_actors.builtin.queue.inspecting import Method, counts_of, listed_in, name_in
from iii_actors.builtin.queue.places import Place
from iii_actors.errors import EngineError

__all__ = ["Mending"]

_CANCELLED: Final = frozenset({JobState.WAITING, JobState.DELAYED})


class Mending:
    """Carries out the calls; every method answers its call, now or when the broker has answered."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.functions: dict[str, Method] = {
            "engine::queue::stats": self._stats,
            "engine::queue::list_jobs": self._list_jobs,
            "engine::queue::get_job": self._get_job,
            "engine::queue::edit_job": self._edit_job,
            "engine::queue::cancel": self._cancel,
            "engine::queue::redrive": self._redrive,
            "engine::queue::discard": self._discard,
            "engine::queue::purge": self._purge,
            "engine::queue::pause": self._pause,
            "engine::queue::resume": self._resume,
            "engine::queue::forget": self._forget,
        }

    def _place(self, given: QueueInput, call: Call) -> Place:
        """Return what an input names; unlike the protocol's functions these refuse what there is not."""
        place = self.catalogue.lookup.place(name_in(given, call.function_id, QUEUE_NOT_SET))
        if not place.known:
            raise QueueNotFound(place.name)
        return place

    def _do(
        self, call: Call, place: Place, act: Callable[[str, Done[Any]], None], answer: Callable[[list[Any]], Any]
    ) -> None:
        """Do something in each queue of a place, and answer with what came of it."""

        def acted(outcomes: list[Any] | None, error: EngineError | None) -> None:
            if outcomes is None:
                call.fail(error or QueueError("queue_unavailable", "the broker gave no answer"))
            else:
                call.answer(answer(outcomes))

        gather([partial(act, key) for key in place.keys], acted)

    # --- the book ----------------------------------------------------------------------------------------------------

    def _stats(self, call: Call) -> None:
        given: StatsInput = READERS[call.function_id].read(call.data)
        everything = isinstance(given.queue, UnsetType) and isinstance(given.topic, UnsetType)
        if everything:
            places = list(self.catalogue.lookup.places())
        else:
            place = self.catalogue.lookup.place(name_in(given, call.function_id, QUEUE_NOT_SET))
            if not place.known:
                raise QueueNotFound(place.name)
            places = [place]
        broker = self.catalogue.broker
        about = [self._about(place.name, key) for place in places for key in place.keys]

        def counted(counts: list[list[Counts]] | None, error: EngineError | None) -> None:
            if counts is None:
                call.fail(error or QueueError("queue_unavailable", "the broker gave no answer"))
                return
            flat = [one for each in counts for one in each]
            rows = [_row(one, book) for one, book in zip(about, flat, strict=True)]
            call.answer(schemas.Statistics(broker.kind, rows))

        gather([partial(counts_of, broker, place) for place in places], counted)

    def _about(self, name: str, key: str) -> tuple[str, str, str | None, str | None, bool]:
        one = self.catalogue.lookup.subscription(key)
        if one is not None:
            return one.topic, key, one.function_id, one.namespace, bool(one.bound)
        return name, key, None, None, key not in self.catalogue.resting.values() and name not in self.catalogue.topics

    # --- jobs --------------------------------------------------------------------------------------------------------

    def _list_jobs(self, call: Call) -> None:
        given: ListJobsInput = READERS[call.function_id].read(call.data)
        place = self._place(given, call)
        if given.state is not JobState.DEAD:
            self._need_live_list()

        def listed(found: Sequence[Listed] | None, error: EngineError | None) -> None:
            if found is None:
                call.fail(error or QueueError("queue_unavailable", "the broker gave no answer"))
            else:
                call.answer(schemas.JobPage([_shown(one) for one in found]))

        listed_in(self.catalogue.broker, place, given.state, given.offset, given.limit, listed)

    def _need_live_list(self) -> None:
        if not self.catalogue.broker.abilities.list_live:
            raise Unsupported("this adapter can list dead letters only: jobs that wait cannot be looked at one by one")

    def _get_job(self, call: Call) -> None:
        given: JobInput = READERS[call.function_id].read(call.data)
        broker = self.catalogue.broker
        self._do(
            call,
            self._place(given, call),
            lambda key, done: broker.find(key, given.id, done),
            lambda found: next((_shown(one) for one in found if one is not None), None),
        )

    def _edit_job(self, call: Call) -> None:
        given: EditJobInput = READERS[call.function_id].read(call.data)
        broker = self.catalogue.broker
        place = self._place(given, call)
        if not broker.abilities.edit:
            raise Unsupported("this adapter cannot change a job: cancel it and enqueue another")
        data = None if isinstance(given.data, UnsetType) else bytes(given.data)
        if data is None and given.max_retries is None:
            raise READERS[call.function_id].refused("neither `data` nor `max_retries`: there is nothing to change")
        self._do(
            call,
            place,
            lambda key, done: broker.edit(key, given.id, data, given.max_retries, done),
            lambda edited: schemas.EditResult(place.name, given.id, any(edited)),
        )

    def _cancel(self, call: Call) -> None:
        given: CancelInput = READERS[call.function_id].read(call.data)
        broker = self.catalogue.broker
        place = self._place(given, call)
        if not broker.abilities.cancel:
            raise Unsupported("this adapter cannot take out one job: purge the queue, or let the job run")
        states = _CANCELLED | {JobState.IN_FLIGHT} if given.in_flight else _CANCELLED
        self._do(
            call,
            place,
            lambda key, done: broker.remove(key, Selection(states, given.id), done),
            lambda outcomes: schemas.CancelResult(place.name, given.id, _total(outcomes)),
        )

    def _redrive(self, call: Call) -> None:
        given: OptionalJobInput = READERS[call.function_id].read(call.data)
        broker = self.catalogue.broker
        place = self._place(given, call)
        self._do(
            call,
            place,
            lambda key, done: broker.redrive(key, given.id, done),
            lambda outcomes: schemas.RedriveResult(place.name, _total(outcomes)),
        )

    def _discard(self, call: Call) -> None:
        given: OptionalJobInput = READERS[call.function_id].read(call.data)
        self._remove(call, self._place(given, call), Selection(frozenset({JobState.DEAD}), given.id))

    def _purge(self, call: Call) -> None:
        given: PurgeInput = READERS[call.function_id].read(call.data)
        self._remove(call, self._place(given, call), Selection(frozenset(given.states)))

    def _remove(self, call: Call, place: Place, selection: Selection) -> None:
        broker = self.catalogue.broker
        self._do(
            call,
            place,
            lambda key, done: broker.remove(key, selection, done),
            lambda outcomes: schemas.PurgeResult(place.name, _total(outcomes)),
        )

    # --- delivery ----------------------------------------------------------------------------------------------------

    def _pause(self, call: Call) -> None:
        self._set_paused(call, paused=True)

    def _resume(self, call: Call) -> None:
        self._set_paused(call, paused=False)

    def _set_paused(self, call: Call, *, paused: bool) -> None:
        given: QueueInput = READERS[call.function_id].read(call.data)
        broker = self.catalogue.broker
        place = self._place(given, call)
        self._do(
            call,
            place,
            lambda key, done: broker.pause(key, paused, done),
            lambda changed: schemas.PauseResult(place.name, paused, any(changed)),
        )

    # --- subscriptions -----------------------------------------------------------------------------------------------

    def _forget(self, call: Call) -> None:
        given: QueueInput = READERS[call.function_id].read(call.data)
        place = self._place(given, call)
        count = 0
        for key in place.keys:
            subscription = self.catalogue.lookup.subscription(key)
            if subscription is not None and not subscription.bound:
                self.catalogue.end(subscription)
                count += 1
        call.answer(schemas.ForgetResult(place.name, count))


def _total(outcomes: list[Outcome]) -> int:
    return sum(one.count for one in outcomes)


def _row(about: tuple[str, str, str | None, str | None, bool], book: Counts) -> schemas.QueueCounts:
    held = book.waiting + book.delayed + book.in_flight
    return schemas.QueueCounts(
        *about,
        enqueued=book.enqueued,
        done=book.done,
        dead=book.dead,
        removed=book.removed,
        waiting=book.waiting,
        delayed=book.delayed,
        in_flight=book.in_flight,
        redriven=book.redriven,
        retried=book.retried,
        duplicates=book.duplicates,
        paused=book.paused,
        oldest_waiting_ms=book.oldest_waiting_ms,
        exact=book.exact,
        balanced=book.enqueued == book.done + book.dead + book.removed + held,
    )


def _shown(listed: Listed) -> schemas.JobShown:
    job = listed.job
    return schemas.JobShown(
        id=job.id,
        receipt=job.receipt,
        queue=job.queue,
        function_id=job.function_id,
        namespace=job.namespace,
        state=listed.state.value,
        data=Raw(job.data),
        attempts=job.attempts,
        failures=[schemas.FailureShown(one.code, one.message, one.at_ms, one.stacktrace) for one in job.failures],
        created_at_ms=job.created_at_ms,
        due_at_ms=job.due_at_ms or None,
        group=job.group,
        priority=job.priority,
        max_retries=job.max_retries,
        idempotency_key=job.idempotency_key,
        size_bytes=listed.size,
    )
