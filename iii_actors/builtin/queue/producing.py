"""Taking jobs in: ``engine::queue::enqueue``, ``iii::durable::publish`` and ``engine::queue::publish`` (§2, §3, §7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Raw
from pykka import ActorDeadError

from iii_actors.brokers.errors import QueueFull, QueueNotFound, Unsupported
from iii_actors.brokers.job import Job, Put
from iii_actors.builtin.inputs import Input
from iii_actors.builtin.queue.catalogue import Catalogue
from iii_actors.builtin.queue.errors import QueueError, no_group, null_group
from iii_actors.builtin.queue.inputs import READERS, EnqueueInput, Extras, PublishInput
from iii_actors.builtin.queue.places import Named, Subscription, Topic
from iii_actors.core.ids import new_id
from iii_actors.core.messages import DEFAULT_NAMESPACE, Answer, Forward
from iii_actors.core.outcome import wire_error
from iii_actors.core.refs import Core
from iii_actors.errors import EngineError, TopicNotSet
from iii_actors.limits import QUEUE_LONGEST_MS, QUEUE_PRIORITY_MOST
from iii_actors.wire import messages as wire

__all__ = ["ENQUEUE", "PUBLISH", "PUBLISH_FOR_RECEIPT", "Producer"]

ENQUEUE: Final = "engine::queue::enqueue"
PUBLISH: Final = "iii::durable::publish"
PUBLISH_FOR_RECEIPT: Final = "engine::queue::publish"

_enqueue: Final[Input[EnqueueInput]] = READERS[ENQUEUE]
_publish: Final[dict[str, Input[PublishInput]]] = {one: READERS[one] for one in (PUBLISH, PUBLISH_FOR_RECEIPT)}
_encode: Final = msgspec.json.Encoder().encode
_TAGS: Final = ("iii.tag.kind", "iii.tag.display_name", "iii.tag.hidden")
"""Of the call that enqueued, and of no meaning for the one that is made later (queue.md §8)."""


class Producer:
    """Makes jobs of calls and has them stored; the call is answered when they are. Used by one actor."""

    def __init__(self, core: Core, catalogue: Catalogue) -> None:
        self._invocations = core.invocations
        self._clock = core.clock
        self.catalogue = catalogue

    # --- named queues ------------------------------------------------------------------------------------------------

    def enqueue(self, forward: Forward) -> None:
        """Store one job of a named queue."""
        invoke = forward.invoke
        given = _enqueue.read(invoke.call.data)
        named = self.catalogue.find_named(given.queue)
        if not given.function_id:
            raise _enqueue.refused('invalid value: string "", expected the id of a function for `function_id`')
        now_ms = int(self._clock.now() * 1000)
        data = bytes(given.data)
        due_at_ms = self._due_at(given, now_ms, _enqueue)
        baggage = given.baggage
        if baggage is not None and "iii.tag." in baggage:
            baggage = _untagged(baggage)
        job = Job(
            id=new_id(),
            receipt=given.messageReceiptId or new_id(),
            queue=named.key,
            function_id=given.function_id,
            namespace=given.namespace or DEFAULT_NAMESPACE,
            data=data,
            created_at_ms=now_ms,
            due_at_ms=due_at_ms,
            group=self._group_of(named, given, data),
            priority=_priority(named, given, data),
            max_retries=given.max_retries,
            idempotency_key=given.idempotency_key,
            traceparent=given.traceparent,
            baggage=baggage,
        )
        self._store([job], invoke.invocation_id, _receipt, named.name)

    @staticmethod
    def _group_of(named: Named, given: EnqueueInput, data: bytes) -> str | None:
        """Return a job's group; a FIFO queue's jobs name one (queue.md §3)."""
        field = named.group_field
        if field is None or given.group is not None:
            return given.group
        group = field.group(data)
        if group is None:
            raise (no_group if field.text(data) is None else null_group)(named.name, field.name)
        return group

    # --- topics ------------------------------------------------------------------------------------------------------

    @staticmethod
    def topic_of(forward: Forward) -> str | None:
        """Return the topic that a call publishes to; None if it is not as it should be."""
        call = forward.invoke.call
        try:
            return _publish[call.function_id].read(call.data).topic
        except EngineError:
            return None

    def publish(self, forward: Forward, again: Callable[[], None] | None = None) -> None:
        """Store one copy for each subscription, or one for the first subscriber to come.

        :param again: called instead of answering when another engine has dropped one of the queues meanwhile.
        """
        invoke = forward.invoke
        call = invoke.call
        reader = _publish[call.function_id]
        given = reader.read(call.data)
        if not given.topic:
            raise TopicNotSet
        topic = self.catalogue.topic_to_publish(given.topic)
        now_ms = int(self._clock.now() * 1000)
        due_at_ms = self._due_at(given, now_ms, reader)
        receipt = new_id()
        answer = _nothing if call.function_id == PUBLISH else _receipt
        jobs = self._copies(topic, given, receipt, now_ms, due_at_ms, call.traceparent, call.baggage)
        self._store(jobs, invoke.invocation_id, answer, given.topic, again)

    @staticmethod
    def _copies(
        topic: Topic,
        given: PublishInput,
        receipt: str,
        now_ms: int,
        due_at_ms: int,
        traceparent: str | None,
        baggage: str | None,
    ) -> list[Job]:
        data = bytes(given.data)

        def copy(to: Subscription | None) -> Job:
            group = given.group
            if group is None and to is not None and to.group_field is not None:
                group = to.group_field.group(data)
            return Job(
                id=new_id(),
                receipt=receipt,
                queue=topic.key if to is None else to.key,
                function_id="" if to is None else to.function_id,
                namespace=DEFAULT_NAMESPACE if to is None else to.namespace,
                data=data,
                created_at_ms=now_ms,
                due_at_ms=due_at_ms,
                group=group,
                priority=_priority(to, given, data),
                max_retries=given.max_retries,
                idempotency_key=given.idempotency_key,
                traceparent=traceparent,
                baggage=baggage,
            )

        return [copy(to) for to in topic.targets or (None,)]

    # --- both --------------------------------------------------------------------------------------------------------

    def _due_at(self, given: Extras, now_ms: int, reader: Input[Any]) -> int:
        """Return when a job may be delivered first; 0: at once. Refuses what the broker cannot do."""
        can = self.catalogue.broker.abilities
        if given.idempotency_key is not None and not can.idempotency:
            raise Unsupported("this adapter cannot remember idempotency keys: leave out `idempotency_key`")
        if given.priority is not None and not can.priorities:
            raise Unsupported("this adapter has no priorities: leave out `priority`")
        if given.delay_ms is None and given.run_at is None:
            return 0
        if not can.delays:
            raise Unsupported("this adapter cannot delay jobs: leave out `delay_ms` and `run_at`")
        if given.delay_ms is not None and given.run_at is not None:
            raise reader.refused("both `delay_ms` and `run_at`: give one of them")
        if given.delay_ms is not None:
            return now_ms + given.delay_ms if given.delay_ms else 0
        return _moment(given.run_at, reader)

    def _store(
        self,
        jobs: list[Job],
        invocation_id: str,
        answer: Callable[[Sequence[Put]], Raw],
        name: str,
        again: Callable[[], None] | None = None,
    ) -> None:
        tell = self._invocations.tell

        def stored(puts: Sequence[Put] | None, error: EngineError | None) -> None:
            try:
                if again is not None and isinstance(error, QueueNotFound):
                    again()
                elif puts is None:
                    tell(Answer(invocation_id, wire.ABSENT, wire_error(_named_in(error, jobs, name))))
                else:
                    tell(Answer(invocation_id, answer(puts)))
            except ActorDeadError:
                return

        self.catalogue.broker.put(jobs, stored)


def _nothing(_: Sequence[Put]) -> Raw:
    return wire.ABSENT


def _receipt(puts: Sequence[Put]) -> Raw:
    first = puts[0]
    duplicate = b"true" if first.duplicate else b"false"
    return Raw(b'{"messageReceiptId":%b,"duplicate":%b}' % (_encode(first.receipt), duplicate))


def _named_in(error: EngineError | None, jobs: list[Job], name: str) -> EngineError:
    """Return an error in which a full queue has the name that its producer knows it by."""
    if error is None:
        return QueueError("queue_unavailable", "the broker gave no answer; the job may not be stored")
    if isinstance(error, QueueFull):
        for job in jobs:
            error = QueueError(error.code, error.message.replace(f"'{job.queue}'", f"'{name}'"))
    return error


def _priority(queue: Named | Subscription | None, given: Extras, data: bytes) -> int:
    if given.priority is not None:
        found = given.priority
    elif queue is not None and queue.priority_field is not None:
        found = queue.priority_field.priority(data)
    else:
        return 0
    most = queue.treatment.spec.max_priority if queue is not None else None
    return min(found, QUEUE_PRIORITY_MOST if most is None else most)


def _moment(run_at: int | str | None, reader: Input[Any]) -> int:
    """Return a time in ms since 1970; one that has passed is a time as good as any."""
    if isinstance(run_at, int):
        moment_ms = run_at
    else:
        try:
            moment = datetime.fromisoformat(run_at or "")
        except ValueError:
            raise reader.refused(
                f"`run_at`: {run_at!r} is neither a number of ms since 1970 nor an RFC 3339 time"
            ) from None
        if moment.tzinfo is None:
            raise reader.refused(f"`run_at`: {run_at!r} has no time zone; add Z or an offset such as +01:00")
        moment_ms = round(moment.timestamp() * 1000)
    if not 0 <= moment_ms <= 1000 * QUEUE_LONGEST_MS:
        raise reader.refused(f"`run_at`: {run_at!r} is no time of these days; it is in ms since 1970")
    return moment_ms


def _untagged(baggage: str) -> str:
    return ",".join(one for one in baggage.split(",") if one.partition("=")[0].strip() not in _TAGS)
