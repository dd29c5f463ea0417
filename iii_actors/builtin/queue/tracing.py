"""The engine's spans around jobs (observability.md §4). The handler's own span is beside them, in the same trace."""

from __future__ import annotations

from iii_actors.brokers.contract import Delivery
from iii_actors.brokers.names import Subscribed, named_of, subscribed
from iii_actors.core.tracing import CONSUMER, Span, Tracer
from iii_actors.wire import messages as wire

__all__ = ["begin", "end"]


def begin(tracer: Tracer, key: str, delivery: Delivery) -> Span:
    """Begin the span of one attempt at a job, within the trace that was stored with it."""
    job = delivery.job
    name = named_of(key)
    found = subscribed(key)
    topic = found.topic if isinstance(found, Subscribed) else found
    title = f"fn_queue {name}" if name is not None else f"queue {topic}"
    return tracer.begin(title, CONSUMER, traceparent=job.traceparent, baggage=job.baggage)


def end(span: Span, key: str, delivery: Delivery, error: wire.ErrorBody | None) -> None:
    """End it with what came of the attempt."""
    if not span.sampled:
        return
    job = delivery.job
    name = named_of(key)
    queue = name if name is not None else key
    own = (
        (
            ("function_id", job.function_id),
            ("attempt", str(job.attempts + 1)),
            ("delivery_id", job.id),
            ("iii.tag.kind", "queue.process"),
            ("iii.tag.display_name", f"queue({queue}) {job.function_id}"),
        )
        if name is not None
        else (("job_id", job.id),)
    )
    messaging = (
        ("queue", queue),
        ("messaging.system", "iii"),
        ("messaging.operation.type", "process"),
        ("messaging.destination.name", queue),
        ("messaging.message.id", job.id),
    )
    span.end((*own, *messaging), error)
