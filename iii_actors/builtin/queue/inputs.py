"""What the functions of ``iii-queue`` take (queue.md §2, §7). Members that are not named here are ignored."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from iii_actors.brokers.job import JobState
from iii_actors.builtin.inputs import Input
from iii_actors.limits import QUEUE_KEY_CHARS, QUEUE_LONGEST_MS, QUEUE_PAGE, QUEUE_PRIORITY_MOST

__all__ = [
    "READERS",
    "CancelInput",
    "EditJobInput",
    "EnqueueInput",
    "Extras",
    "JobInput",
    "ListJobsInput",
    "MessageInput",
    "NothingInput",
    "OptionalJobInput",
    "PageInput",
    "PublishInput",
    "PurgeInput",
    "QueueInput",
    "StatsInput",
]

_Data = Annotated[Raw, Meta(description="Any JSON; what the function is called with.")]
_Queue = Annotated[
    str | UnsetType, Meta(description="A named queue, a topic, or one subscription: <topic>::<function>@<namespace>.")
]
_Topic = Annotated[str | UnsetType, Meta(description="The same as `queue`; one of both must be there.")]
_Id = Annotated[str, Meta(description="The job's id, or the receipt that its producer was given.")]
_Offset = Annotated[int, Meta(description="How many to skip.", ge=0)]
_Limit = Annotated[int, Meta(description="How many to list.", ge=0)]


_State = Annotated[JobState, Meta(description="Which of the queue's jobs.")]
_Retries = Annotated[int, Meta(ge=0, description="Retries after the first try; go before the queue's.")]


class Extras(Struct, frozen=True, kw_only=True, gc=False):
    """What a producer may say of one job. None of it is in the protocol."""

    delay_ms: Annotated[int, Meta(ge=0, le=QUEUE_LONGEST_MS, description="Deliver it after so long.")] | None = None
    run_at: Annotated[
        int | str | None, Meta(description="Deliver it at this Unix time in ms, or at this RFC 3339 time.")
    ] = None
    idempotency_key: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=QUEUE_KEY_CHARS,
                description="A second job with this key is not stored; the first one's receipt is answered.",
            ),
        ]
        | None
    ) = None
    max_retries: _Retries | None = None
    priority: (
        Annotated[
            int,
            Meta(ge=0, le=QUEUE_PRIORITY_MOST, description="The higher the sooner; goes before the one in the data."),
        ]
        | None
    ) = None
    group: (
        Annotated[str, Meta(max_length=QUEUE_KEY_CHARS, description="FIFO group; goes before the one in the data.")]
        | None
    ) = None


class EnqueueInput(Extras, frozen=True, kw_only=True, gc=False):
    """A call to be made when its turn comes."""

    queue: Annotated[str, Meta(description="A named queue.")]
    function_id: Annotated[str, Meta(description="The function to call; it need not be there yet.")]
    data: _Data
    messageReceiptId: Annotated[str | None, Meta(description="The receipt to give; none: a new one.")] = None  # noqa: N815
    traceparent: str | None = None
    baggage: str | None = None
    namespace: Annotated[str | None, Meta(description="The function's; none: default.")] = None


class PublishInput(Extras, frozen=True, kw_only=True, gc=False):
    """A message for everybody who has subscribed to a topic."""

    topic: Annotated[str, Meta(description="Its name, byte for byte; there are no wildcards.")]
    data: _Data


class NothingInput(Struct):
    """Anything: it is not looked at."""


class QueueInput(Struct, kw_only=True):
    """A queue or a topic."""

    queue: _Queue = UNSET
    topic: _Topic = UNSET


class StatsInput(Struct, kw_only=True):
    """A queue or a topic; neither: all of them."""

    queue: _Queue = UNSET
    topic: _Topic = UNSET


class MessageInput(QueueInput, kw_only=True):
    """A dead letter."""

    message_id: _Id


class PageInput(QueueInput, kw_only=True):
    """A page of a list."""

    offset: _Offset = 0
    limit: _Limit = QUEUE_PAGE


class ListJobsInput(PageInput, kw_only=True):
    """A page of the jobs that are in one state."""

    state: _State = JobState.WAITING


class JobInput(QueueInput, kw_only=True):
    """One job."""

    id: _Id


class OptionalJobInput(QueueInput, kw_only=True):
    """One dead letter, or all."""

    id: Annotated[str | None, Meta(description="The job's id or receipt; none: all of them.")] = None


class EditJobInput(JobInput, kw_only=True):
    """One job, and what to change of it."""

    data: Annotated[Raw | UnsetType, Meta(description="Its data from now on.")] = UNSET
    max_retries: _Retries | None = None


class CancelInput(JobInput, kw_only=True):
    """One job that is not to run."""

    in_flight: Annotated[bool, Meta(description="Even if its function runs: its answer then counts for nothing.")] = (
        False
    )


class PurgeInput(QueueInput, kw_only=True):
    """Jobs to throw away."""

    states: Annotated[tuple[_State, ...], Meta(description="By itself those that wait and those that are delayed.")] = (
        JobState.WAITING,
        JobState.DELAYED,
    )


_KINDS: Final[dict[str, tuple[type[Struct], str]]] = {
    "engine::queue::enqueue": (EnqueueInput, "EnqueueInput"),
    "iii::durable::publish": (PublishInput, "PublishInput"),
    "engine::queue::publish": (PublishInput, "PublishInput"),
    "iii::queue::redrive": (QueueInput, "RedriveInput"),
    "iii::queue::redrive_message": (MessageInput, "RedriveMessageInput"),
    "iii::queue::discard_message": (MessageInput, "DiscardMessageInput"),
    "engine::queue::topic_stats": (QueueInput, "TopicStatsInput"),
    "engine::queue::dlq_messages": (PageInput, "DlqMessagesInput"),
    "engine::queue::stats": (StatsInput, "StatsInput"),
    "engine::queue::list_jobs": (ListJobsInput, "ListJobsInput"),
    "engine::queue::get_job": (JobInput, "GetJobInput"),
    "engine::queue::edit_job": (EditJobInput, "EditJobInput"),
    "engine::queue::cancel": (CancelInput, "CancelInput"),
    "engine::queue::redrive": (OptionalJobInput, "RedriveInput"),
    "engine::queue::discard": (OptionalJobInput, "DiscardInput"),
    "engine::queue::purge": (PurgeInput, "PurgeInput"),
    "engine::queue::pause": (QueueInput, "PauseInput"),
    "engine::queue::resume": (QueueInput, "ResumeInput"),
    "engine::queue::forget": (QueueInput, "ForgetInput"),
}

READERS: Final[dict[str, Input[Any]]] = {
    function_id: Input(function_id, kind, title) for function_id, (kind, title) in _KINDS.items()
}
"""The reader of each function's input; the two that take anything have none."""
