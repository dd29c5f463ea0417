"""Named queues and durable topics: publishing, looking inside, dead letters (spec queue.md).

Subscribing to a durable topic is a trigger, see ``worker.queue``. What a named queue delivers to is any function: it is
named when a call is enqueued.

::

    DurableTopic(worker, "orders").publish({"id": 7})
    letters = NamedQueue(worker, "emails").dead_letters()
    NamedQueue(worker, "emails").redrive_message(letters[0].id)

Every function here raises :class:`iii_worker.InvocationError` as a call does; ``function_not_found`` means that the
engine runs without a queue worker.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from iii_worker._types import Caller
from iii_worker.actions import EXTRAS, extras
from iii_worker.limits import DEAD_LETTERS_PAGE
from iii_worker.queue_jobs import Job, JobFailure, JobsOf, QueueBook

__all__ = [
    "DeadLetter",
    "DeadLetterTopic",
    "DurableTopic",
    "Job",
    "JobFailure",
    "NamedQueue",
    "QueueBook",
    "QueueStats",
    "QueueTopic",
    "RedriveMessageResult",
    "RedriveResult",
    "list_dead_letter_topics",
    "list_topics",
    "publish_durable",
]

_HOME: Final = "default"
"""The queue worker's functions live here (spec queue.md §7)."""


class QueueTopic(BaseModel):
    """A topic or a named queue, as ``engine::queue::list_topics`` lists it."""

    name: str
    broker_type: str
    """``builtin``, ``redis``, ``rabbitmq``, ..."""
    subscriber_count: int
    """Of a named queue its ``concurrency``."""


class DeadLetterTopic(BaseModel):
    """A queue of dead letters, as ``engine::queue::dlq_topics`` lists it."""

    topic: str
    broker_type: str
    message_count: int


class QueueStats(BaseModel):
    """How a queue or a topic is doing."""

    depth: int
    """Messages that wait or are under way; those that wait for a retry are not counted."""
    consumer_count: int
    dlq_depth: int
    """Dead letters."""
    config: Any = None


class DeadLetter(BaseModel):
    """A message whose last attempt has failed."""

    id: str
    """For :meth:`NamedQueue.redrive_message`; it is not the receipt of the enqueuing."""
    payload: Any = None
    error: str | None = None
    """What the last attempt failed with."""
    failed_at: int
    """Unix time in seconds."""
    retries: int
    """Attempts made."""
    size_bytes: int


class RedriveResult(BaseModel):
    """How many dead letters went back into their queue."""

    queue: str
    redriven: int


class RedriveMessageResult(BaseModel):
    """What became of one dead letter."""

    queue: str
    message_id: str
    redriven: int
    """1, or 0 if there is no such dead letter; also counts one that was discarded."""


class _Inspected(JobsOf):
    """What can be asked of a named queue and of a topic alike."""

    _kind = ""

    def __init__(self, client: Caller, name: str, *, timeout: float | None = None) -> None:
        if not isinstance(name, str) or not name:
            raise ValueError(f"the {self._kind} is {name!r}: it must be a str that is not empty")
        self.name = name
        self._client = client
        self._timeout = timeout

    def _call(self, function_id: str, **members: Any) -> Any:
        payload = {self._kind: self.name, **members}
        return self._client.call(function_id, payload, timeout=self._timeout, namespace=_HOME)

    def stats(self) -> QueueStats:
        """Count what is inside; all 0 for one the engine does not know."""
        return QueueStats.model_validate(self._call("engine::queue::topic_stats"))

    def dead_letters(self, offset: int = 0, limit: int = DEAD_LETTERS_PAGE) -> list[DeadLetter]:
        """List dead letters, the newest first."""
        found = self._call("engine::queue::dlq_messages", offset=offset, limit=limit)
        return [DeadLetter.model_validate(letter) for letter in found or []]

    def redrive(self) -> int:
        """Put all dead letters back to be tried anew; returns how many there were."""
        return RedriveResult.model_validate(self._call("iii::queue::redrive")).redriven

    def redrive_message(self, message_id: str) -> bool:
        """Put one dead letter back to be tried anew; False if there is none of that id."""
        return self._one("iii::queue::redrive_message", message_id)

    def discard_message(self, message_id: str) -> bool:
        """Throw one dead letter away; False if there is none of that id."""
        return self._one("iii::queue::discard_message", message_id)

    def _one(self, function_id: str, message_id: str) -> bool:
        return RedriveMessageResult.model_validate(self._call(function_id, message_id=message_id)).redriven > 0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"


class NamedQueue(_Inspected):
    """A named queue of the engine's configuration. Holds nothing: every method is one call. Any thread.

    Put something in with ``worker.enqueue(function_id, payload, queue)``.

    :param client: calls the engine.
    :param name: the queue's, as in ``queue_configs``; ``default`` is always there.
    :param timeout: seconds each call may take; None: the client's default.
    """

    _kind = "queue"


class DurableTopic(_Inspected):
    """A durable topic: each function that subscribes gets its own copy of every message. Parameters as
    :class:`NamedQueue`.
    """

    _kind = "topic"

    def publish(self, data: Any = None, **options: Any) -> None:
        """Publish a message; returns when the engine has stored it.

        Without a subscriber it waits for the first one (of this engine; others' engines never deliver it).

        :param options: ``delay_ms``, ``run_at``, ``idempotency_key``, ``max_retries``, ``priority`` and ``group``, as
            for :class:`iii_worker.TriggerActionEnqueue`; this engine's own.
        """
        publish_durable(self._client, self.name, data, timeout=self._timeout, **options)

    def publish_for_receipt(self, data: Any = None, **options: Any) -> str:
        """Publish a message and return the receipt by which its copies can be found and cancelled. Our own."""
        answer = self._call("engine::queue::publish", data=data, **_checked(options))
        receipt: str = answer["messageReceiptId"]
        return receipt


def _checked(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options as they stand in a call. Raises ``TypeError`` for those that are none."""
    unknown = [name for name in options if name not in EXTRAS]
    if unknown:
        raise TypeError(f"publish(): there is no option {unknown[0]!r}; there are {', '.join(EXTRAS)}")
    return extras(options)


def publish_durable(
    client: Caller, topic: str, data: Any = None, *, timeout: float | None = None, **options: Any
) -> None:
    """Publish a message to a durable topic (``iii::durable::publish``). Raises ``ValueError`` for an empty topic.

    :param options: as for :meth:`DurableTopic.publish`.
    """
    if not isinstance(topic, str) or not topic:
        raise ValueError(f"the topic is {topic!r}: it must be a str that is not empty")
    client.call(
        "iii::durable::publish", {"topic": topic, "data": data, **_checked(options)}, timeout=timeout, namespace=_HOME
    )


def list_topics(client: Caller, *, timeout: float | None = None) -> list[QueueTopic]:
    """List topics and named queues."""
    found = client.call("engine::queue::list_topics", {}, timeout=timeout, namespace=_HOME)
    return [QueueTopic.model_validate(topic) for topic in found or []]


def list_dead_letter_topics(client: Caller, *, timeout: float | None = None) -> list[DeadLetterTopic]:
    """List the queues of dead letters, empty ones too."""
    found = client.call("engine::queue::dlq_topics", {}, timeout=timeout, namespace=_HOME)
    return [DeadLetterTopic.model_validate(topic) for topic in found or []]
