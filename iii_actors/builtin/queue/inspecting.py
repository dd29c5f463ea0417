"""The protocol's functions for looking into queues and for their dead letters (queue.md §7)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from msgspec import UNSET, Raw, UnsetType

from iii_actors.brokers.contract import Broker, Done
from iii_actors.brokers.job import Counts, JobState, Listed, Outcome, Selection
from iii_actors.builtin.base import Call
from iii_actors.builtin.queue import schemas
from iii_actors.builtin.queue.catalogue import Catalogue
from iii_actors.builtin.queue.consumer import CONDITION_FAILED
from iii_actors.builtin.queue.errors import MESSAGE_ID_NOT_SET, QUEUE_NOT_SET, TOPIC_REQUIRED, QueueError, failed
from iii_actors.builtin.queue.gathering import gather, or_nothing
from iii_actors.builtin.queue.inputs import READERS, MessageInput, PageInput, QueueInput, StatsInput
from iii_actors.builtin.queue.places import Place
from iii_actors.builtin.wording import missing_field
from iii_actors.errors import EngineError
from iii_actors.limits import QUEUE_OFFSET_MOST, QUEUE_PAGE_MOST

__all__ = ["Inspecting", "counts_of", "listed_in", "name_in"]

_DEAD: Final = frozenset({JobState.DEAD})

Method = Callable[[Call], None]


def name_in(given: QueueInput | StatsInput, function_id: str, empty: tuple[str, str]) -> str:
    """Return the name that an input gives as ``queue`` or as ``topic``.

    :param empty: code and message of the error for an empty one.
    """
    named: list[str] = [name for name in (given.queue, given.topic) if not isinstance(name, UnsetType)]
    if len(named) == 2:  # noqa: PLR2004 - both of them
        raise READERS[function_id].refused("duplicate field `queue`")
    if not named:
        field = "topic" if empty is TOPIC_REQUIRED else "queue"
        raise READERS[function_id].refused(missing_field(field))
    if not named[0]:
        raise QueueError(*empty)
    return named[0]


def counts_of(broker: Broker, place: Place, done: Done[list[Counts]]) -> None:
    """Count the queues of a place, in the order of its keys."""
    gather([or_nothing(partial(broker.counts, key), Counts()) for key in place.keys], done)


def listed_in(
    broker: Broker, place: Place, state: JobState, offset: int, limit: int, done: Done[Sequence[Listed]]
) -> None:
    """List a page of one or several queues' jobs; those of several are merged by time, the dead ones newest first."""
    limit = min(limit, QUEUE_PAGE_MOST)
    if len(place.keys) == 1:
        or_nothing(partial(broker.list, place.keys[0], state, offset, limit), ())(done)
        return
    if offset > QUEUE_OFFSET_MOST:
        message = (
            f"`offset` is {offset}; over several subscriptions it is at most {QUEUE_OFFSET_MOST}: name one of them"
        )
        raise QueueError("offset_too_large", message)

    def merge(pages: list[Sequence[Listed]] | None, error: EngineError | None) -> None:
        if pages is None:
            done(None, error)
            return
        found = [one for page in pages for one in page]
        found.sort(key=_died_at if state is JobState.DEAD else _due_at, reverse=state is JobState.DEAD)
        done(found[offset : offset + limit], None)

    gather([or_nothing(partial(broker.list, key, state, 0, offset + limit), ()) for key in place.keys], merge)


def _died_at(listed: Listed) -> int:
    failures = listed.job.failures
    return failures[-1].at_ms if failures else listed.job.created_at_ms


def _due_at(listed: Listed) -> int:
    return listed.job.due_at_ms or listed.job.created_at_ms


class Inspecting:
    """Carries out the calls; every method answers its call, now or when the broker has answered."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.functions: dict[str, Method] = {
            "iii::queue::redrive": self._redrive,
            "iii::queue::redrive_message": self._redrive_message,
            "iii::queue::discard_message": self._discard_message,
            "engine::queue::list_topics": self._list_topics,
            "engine::queue::topic_stats": self._topic_stats,
            "engine::queue::dlq_topics": self._dlq_topics,
            "engine::queue::dlq_messages": self._dlq_messages,
        }

    # --- what there is -----------------------------------------------------------------------------------------------

    def _list_topics(self, call: Call) -> None:
        kind = self.catalogue.broker.kind
        call.answer([schemas.TopicRow(one.name, kind, one.consumers) for one in self.catalogue.lookup.places()])

    def _topic_stats(self, call: Call) -> None:
        given: QueueInput = READERS[call.function_id].read(call.data)
        place = self.catalogue.lookup.place(name_in(given, call.function_id, TOPIC_REQUIRED))

        def counted(counts: list[Counts] | None, error: EngineError | None) -> None:
            if counts is None:
                call.fail(failed("topic_stats_failed", error))
                return
            depth = sum(one.waiting + one.in_flight for one in counts)
            call.answer(schemas.TopicStats(depth, place.consumers, sum(one.dead for one in counts)))

        counts_of(self.catalogue.broker, place, counted)

    def _dlq_topics(self, call: Call) -> None:
        broker = self.catalogue.broker
        places = list(self.catalogue.lookup.places())

        def counted(counts: list[list[Counts]] | None, error: EngineError | None) -> None:
            if counts is None:
                call.fail(failed("dlq_topics_failed", error))
                return
            call.answer(
                [
                    schemas.DeadLetterTopic(place.name, broker.kind, sum(one.dead for one in each))
                    for place, each in zip(places, counts, strict=True)
                ]
            )

        gather([partial(counts_of, broker, place) for place in places], counted)

    def _dlq_messages(self, call: Call) -> None:
        given: PageInput = READERS[call.function_id].read(call.data)
        place = self.catalogue.lookup.place(name_in(given, call.function_id, TOPIC_REQUIRED))

        def listed(found: Sequence[Listed] | None, error: EngineError | None) -> None:
            if found is None:
                call.fail(failed("dlq_messages_failed", error))
            else:
                call.answer([_letter(one) for one in found])

        listed_in(self.catalogue.broker, place, JobState.DEAD, given.offset, given.limit, listed)

    # --- dead letters ------------------------------------------------------------------------------------------------

    def _redrive(self, call: Call) -> None:
        given: QueueInput = READERS[call.function_id].read(call.data)
        place = self.catalogue.lookup.place(name_in(given, call.function_id, QUEUE_NOT_SET))
        broker = self.catalogue.broker

        def redriven(outcomes: list[Outcome] | None, error: EngineError | None) -> None:
            if outcomes is None:
                call.fail(failed("redrive_failed", error))
            else:
                call.answer(schemas.RedriveResult(place.name, sum(one.count for one in outcomes)))

        gather([or_nothing(partial(broker.redrive, key, None), Outcome(0)) for key in place.keys], redriven)

    def _redrive_message(self, call: Call) -> None:
        broker = self.catalogue.broker
        self._one(call, "redrive_message_failed", broker.redrive)

    def _discard_message(self, call: Call) -> None:
        broker = self.catalogue.broker
        self._one(
            call, "discard_message_failed", lambda key, one, done: broker.remove(key, Selection(_DEAD, one), done)
        )

    def _one(self, call: Call, code: str, act: Callable[[str, str, Done[Outcome]], None]) -> None:
        """Do something to one dead letter of a queue or a topic."""
        given: MessageInput = READERS[call.function_id].read(call.data)
        place = self.catalogue.lookup.place(name_in(given, call.function_id, QUEUE_NOT_SET))
        if not given.message_id:
            raise QueueError(*MESSAGE_ID_NOT_SET)

        def acted(outcomes: list[Outcome] | None, error: EngineError | None) -> None:
            if outcomes is None:
                call.fail(failed(code, error))
            else:
                count = sum(one.count for one in outcomes)
                call.answer(schemas.MessageResult(place.name, given.message_id, count))

        gather([partial(act, key, given.message_id) for key in place.keys], acted)


def _letter(listed: Listed) -> schemas.DeadLetter:
    job = listed.job
    last = job.failures[-1] if job.failures else None
    if last is None:
        error = "not said"
    elif last.code == CONDITION_FAILED:
        error = last.message
    else:
        stack: Any = UNSET if last.stacktrace is None else last.stacktrace
        shown = "None" if stack is UNSET else f"Some({_quoted(stack)})"
        error = f"ErrorBody {{ code: {_quoted(last.code)}, message: {_quoted(last.message)}, stacktrace: {shown} }}"
    return schemas.DeadLetter(job.id, Raw(job.data), error, _died_at(listed) // 1000, job.attempts, listed.size)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
