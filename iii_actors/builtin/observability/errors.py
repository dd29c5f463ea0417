"""What can be wrong with observing."""

from __future__ import annotations

from iii_actors.errors import EngineError

__all__ = ["NoSpanStore"]


class NoSpanStore(EngineError):
    """Spans are not kept by this engine."""

    code = "memory_exporter_not_enabled"

    def __init__(self) -> None:
        super().__init__("In-memory span storage is not available. Set exporter: memory or both in config.")
