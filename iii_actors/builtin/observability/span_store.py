"""The spans that are kept: newest ones, within a number and a size (observability.md §3). One thread's."""

from __future__ import annotations

import itertools
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator

from iii_actors.builtin.observability.records import size_of_ended, size_of_span
from iii_actors.core.spans import StoredSpan
from iii_actors.core.tracing import Span
from iii_actors.limits import SPAN_STORE_BYTES

__all__ = ["SpanStore"]

Key = tuple[str, str]
"""Trace and span id; a span without ids has a key that nothing else has."""


class SpanStore:
    """Spans in the order in which they first came; past the limits the oldest go.

    The engine's own are kept as they come, and made into records when somebody looks: most are never looked at.

    :param most: spans.
    :param most_bytes: of memory, estimated.
    """

    def __init__(self, most: int, most_bytes: int = SPAN_STORE_BYTES) -> None:
        self.most = most
        self._most_bytes = most_bytes
        self._spans: OrderedDict[Key, tuple[StoredSpan, int]] = OrderedDict()
        self._traces: dict[str, dict[str, StoredSpan]] = {}
        self._pending: dict[Key, float] = {}
        """When they came, on the monotonic clock; in that order."""
        self._ended: deque[Span] = deque()
        """Newer than all others; with the size of each beside it."""
        self._sizes: deque[int] = deque()
        self._nameless = itertools.count()
        self.bytes = 0
        """Their memory, estimated."""
        self.evicted = 0
        """How many had to go before their time."""

    def __len__(self) -> int:
        return len(self._spans) + len(self._ended)

    def __iter__(self) -> Iterator[StoredSpan]:
        self._settle()
        return (span for span, _ in self._spans.values())

    def put(self, spans: Iterable[Span], most_bytes: int) -> int:
        """Keep some of the engine's own spans as they came; returns how many not: of a size above ``most_bytes``."""
        add, add_size = self._ended.append, self._sizes.append
        too_large = 0
        for span in spans:
            size = size_of_ended(span)
            if size > most_bytes:
                too_large += 1
                continue
            add(span)
            add_size(size)
            self.bytes += size
        self.trim()
        return too_large

    def _settle(self) -> None:
        """Make records of what was kept as it came."""
        ended = self._ended
        while ended:
            self.bytes -= self._sizes.popleft()
            span = ended.popleft()
            record = span.stored()
            self._keep((span.trace_id, span.span_id), record, size_of_span(record))
        self.trim()

    def add(self, span: StoredSpan, now: float, size: int | None = None) -> None:
        """Keep a span; one of the same trace and id is replaced in its place, unless this one is only its beginning.

        :param size: of the span, if it has been estimated already.
        """
        self._settle()
        if span.trace_id is None or span.span_id is None:
            key = (span.trace_id or "", f"#{next(self._nameless)}")
        else:
            key = (span.trace_id, span.span_id)
        old = self._spans.get(key)
        if old is not None and span.pending and not old[0].pending:
            return
        if old is not None:
            self.bytes -= old[1]
        self._keep(key, span, size_of_span(span) if size is None else size)
        if span.pending:
            self._pending.setdefault(key, now)
        else:
            self._pending.pop(key, None)
        self.trim()

    def _keep(self, key: Key, span: StoredSpan, size: int) -> None:
        self.bytes += size
        self._spans[key] = (span, size)
        self._traces.setdefault(key[0], {})[key[1]] = span

    def trim(self) -> None:
        """Let the oldest go until the limits are kept."""
        while len(self) > self.most or (self.bytes > self._most_bytes and len(self)):
            if self._spans:
                key, (_, size) = self._spans.popitem(last=False)
                self._dropped(key, size)
            else:
                self._ended.popleft()
                self.bytes -= self._sizes.popleft()
            self.evicted += 1

    def drop_pending(self, before: float) -> None:
        """Forget the spans that began to be pending before this moment of the monotonic clock."""
        for key, since in list(self._pending.items()):
            if since >= before:
                return
            _, size = self._spans.pop(key)
            self._dropped(key, size)

    def _dropped(self, key: Key, size: int) -> None:
        self.bytes -= size
        self._pending.pop(key, None)
        trace = self._traces[key[0]]
        del trace[key[1]]
        if not trace:
            del self._traces[key[0]]

    def clear(self) -> None:
        self._spans.clear()
        self._ended.clear()
        self._sizes.clear()
        self._traces.clear()
        self._pending.clear()
        self.bytes = 0

    def trace(self, trace_id: str) -> list[StoredSpan]:
        """Return a trace's spans, as they came."""
        self._settle()
        return list(self._traces.get(trace_id, {}).values())

    def traces(self) -> Iterable[tuple[str, Iterable[StoredSpan]]]:
        """Return every trace's id and spans."""
        self._settle()
        return ((trace_id, spans.values()) for trace_id, spans in self._traces.items())

    def is_root(self, span: StoredSpan) -> bool:
        """Return whether a span has no parent, or none that is kept."""
        self._settle()
        return span.parent_span_id is None or span.parent_span_id not in self._traces.get(span.trace_id or "", {})
