"""What can go wrong with a broker; each error carries its wire code (queue.md §3, §7)."""

from __future__ import annotations

from iii_actors.errors import EngineError

__all__ = ["BrokerClosed", "BrokerUnavailable", "QueueFull", "QueueNotFound", "Unsupported"]


class QueueNotFound(EngineError):
    """There is no queue of that key."""

    code = "queue_not_found"

    def __init__(self, queue: str) -> None:
        super().__init__(f"Queue '{queue}' not found")


class QueueFull(EngineError):
    """A queue holds as many jobs as it may."""

    code = "queue_full"

    def __init__(self, queue: str, limit: int) -> None:
        super().__init__(
            f"Queue '{queue}' holds {limit} jobs, its max_jobs: nothing was stored; consume, purge or raise the limit"
        )


class BrokerUnavailable(EngineError):
    """The disk or the server that keeps the jobs cannot be reached; nothing is known to be stored."""

    code = "queue_unavailable"


class BrokerClosed(BrokerUnavailable):
    """The engine is stopping."""

    def __init__(self) -> None:
        super().__init__("the queues are closed: the engine is stopping; nothing was stored")


class Unsupported(EngineError):
    """The configured adapter cannot do that."""

    code = "unsupported"
