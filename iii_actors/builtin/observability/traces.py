"""``engine::traces::{list,tree,group_by}``: what they take, and the spans they find (observability.md §5). Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from iii_actors.builtin.observability.span_store import SpanStore
from iii_actors.builtin.observability.wildcards import fits
from iii_actors.core.spans import StoredSpan
from iii_actors.limits import TRACE_PAGE, TREE_DEPTH, TREE_SPANS

__all__ = [
    "GroupQuery",
    "GroupsFound",
    "ListedSpan",
    "Storage",
    "TraceQuery",
    "TracesFound",
    "TreeFound",
    "TreeQuery",
    "TreeSpan",
    "find",
    "group",
    "is_internal",
    "tree",
]

Count = Annotated[int, Meta(ge=0)]
_TAGS: Final = ("iii.session.id", "iii.session.name", "iii.message.id")
_TAG_PREFIX: Final = "iii.tag."
_CHILDLESS: Final = frozenset({"state_triggers", "stream_triggers"})
_MS: Final = 1_000_000


class TraceQuery(Struct, frozen=True):
    """Input of ``engine::traces::list``; all conditions must hold. Times are milliseconds since the epoch."""

    trace_id: str | None = None
    trace_ids: list[str] | None = None
    service_name: str | None = None
    """Part of it, in any case; likewise the next two."""
    name: str | None = None
    status: str | None = None
    min_duration_ms: float | None = None
    max_duration_ms: float | None = None
    start_time: float | None = None
    """The span was not over before it."""
    end_time: float | None = None
    """The span had begun by then."""
    attributes: list[tuple[str, str]] | None = None
    """Has all of these."""
    exclude_attributes: list[tuple[str, str]] | None = None
    """Has none of these."""
    sort_by: Literal["start_time", "duration", "duration_ms", "service_name", "name"] | None = None
    sort_order: Literal["asc", "desc"] | None = None
    include_internal: bool | None = None
    search_all_spans: bool | None = None
    """Children too; name and attributes then select whole traces in which any span has them."""
    offset: Count | None = None
    limit: Count | None = None
    """100 if null."""


class Storage(Struct, frozen=True):
    """What the protocol says of an archive on disk, of which there is none."""

    archive: str = "disabled"
    completeness: str = "complete"
    known_dropped_spans: int = 0
    """Spans that were dropped, or driven out by newer ones, since the start."""
    physical_bytes: int = 0
    max_disk_bytes: int = 0
    last_error: None = None


class ListedSpan(StoredSpan, frozen=True, omit_defaults=True, gc=True):
    """A span, and the tags of its trace if it has any."""

    trace_tags: dict[str, str] | UnsetType = UNSET


class TracesFound(Struct, frozen=True):
    """Output of ``engine::traces::list``."""

    spans: list[ListedSpan]
    total: int
    """Before paging."""
    offset: int
    limit: int
    storage: Storage


class TreeQuery(Struct, frozen=True):
    """Input of ``engine::traces::tree``."""

    trace_id: str


class TreeSpan(StoredSpan, frozen=True, omit_defaults=True, kw_only=True, gc=True):
    """A span and what was done within it, in the order of beginning."""

    children: list[TreeSpan]


class TreeFound(Struct, frozen=True):
    """Output of ``engine::traces::tree``."""

    roots: list[TreeSpan]
    storage: Storage


class GroupQuery(Struct, frozen=True):
    """Input of ``engine::traces::group_by``."""

    attribute: str
    since_ms: float | None = None
    """Spans that were not over before it, in milliseconds since the epoch."""
    limit: Count | None = None
    """100 if null."""
    include_internal: bool | None = None
    label_attribute: str | None = None
    """Whose newest value stands beside each group's."""


class Group(Struct, frozen=True):
    """The spans that have one value of an attribute."""

    value: str
    label: str | None
    trace_ids: list[str]
    span_count: int
    first_seen_ms: int
    last_seen_ms: int
    duration_ms: float
    """From the first one's beginning to the last one's end."""
    error_count: int


class GroupsFound(Struct, frozen=True):
    """Output of ``engine::traces::group_by``, newest first."""

    groups: list[Group]
    storage: Storage


_PAGE: Final = 100


def is_internal(span: StoredSpan) -> bool:
    """Return whether a span is the engine's own business, hidden by default."""
    return any(
        (key == "iii.function.kind" and value == "internal") or (key == "function_id" and value.startswith("engine::"))
        for key, value in span.attributes
    )


def find(store: SpanStore, query: TraceQuery, storage: Storage) -> TracesFound:
    """Return a page of spans."""
    offset, limit = query.offset or 0, min(_PAGE if query.limit is None else query.limit, TRACE_PAGE)
    wanted = _condition(query)
    if query.search_all_spans:
        found = [span for spans in _selected(store, query) for span in spans if wanted(span)]
    else:
        found = [span for span in _candidates(store, query) if wanted(span) and store.is_root(span)]
    found.sort(key=_ORDERS[query.sort_by or "start_time"], reverse=query.sort_order == "desc")
    page = [_listed(store, span) for span in found[offset : offset + limit]]
    return TracesFound(page, len(found), offset, limit, storage)


def _candidates(store: SpanStore, query: TraceQuery) -> Iterable[StoredSpan]:
    wanted = _trace_ids(query)
    return store if wanted is None else (span for trace_id in wanted for span in store.trace(trace_id))


def _trace_ids(query: TraceQuery) -> list[str] | None:
    """Return which traces are asked for; None: all."""
    if query.trace_id is None:
        return list(dict.fromkeys(query.trace_ids)) if query.trace_ids is not None else None
    if query.trace_ids is not None and query.trace_id not in query.trace_ids:
        return []
    return [query.trace_id]


def _selected(store: SpanStore, query: TraceQuery) -> Iterator[Iterable[StoredSpan]]:
    """Yield the spans of every trace in which some span has the name and the attributes."""
    wanted = _trace_ids(query)
    traces = store.traces() if wanted is None else ((trace_id, store.trace(trace_id)) for trace_id in wanted)
    name, attributes = (query.name or "").lower(), query.attributes or ()
    for _, spans in traces:
        if any(name in span.name.lower() and _has_all(span, attributes) for span in spans):
            yield spans


def _has_all(span: StoredSpan, attributes: Iterable[tuple[str, str]]) -> bool:
    return all(pair in span.attributes for pair in attributes)


def _condition(query: TraceQuery) -> Callable[[StoredSpan], bool]:
    """Return what each span must fulfil by itself."""
    service, status = (query.service_name or "").lower(), (query.status or "").lower()
    whole = bool(query.search_all_spans)
    name = "" if whole else (query.name or "").lower()
    attributes = () if whole else query.attributes or ()
    excluded = query.exclude_attributes or ()
    start_ns = query.start_time * _MS if query.start_time is not None else None
    end_ns = query.end_time * _MS if query.end_time is not None else None
    shortest, longest = query.min_duration_ms, query.max_duration_ms

    def fulfils(span: StoredSpan) -> bool:
        return (
            (not service or service in span.service_name.lower())
            and (not name or name in span.name.lower())
            and (not status or status in span.status)
            and (shortest is None or span.duration_ms >= shortest)
            and (longest is None or span.duration_ms <= longest)
            and (start_ns is None or span.pending or span.end_time_unix_nano >= start_ns)
            and (end_ns is None or span.start_time_unix_nano <= end_ns)
            and _has_all(span, attributes)
            and not any(pair in span.attributes for pair in excluded)
            and (bool(query.include_internal) or not is_internal(span))
        )

    return fulfils


def _by_start(span: StoredSpan) -> int:
    return span.start_time_unix_nano


def _by_duration(span: StoredSpan) -> float:
    return span.duration_ms


_ORDERS: Final[dict[str, Callable[[StoredSpan], Any]]] = {
    "start_time": _by_start,
    "duration": _by_duration,
    "duration_ms": _by_duration,
    "service_name": lambda span: span.service_name,
    "name": lambda span: span.name,
}


def _listed(store: SpanStore, span: StoredSpan) -> ListedSpan:
    tags: dict[str, str] = {}
    for one in sorted(store.trace(span.trace_id or ""), key=_by_start):
        tags.update((key, value) for key, value in one.attributes if key in _TAGS or key.startswith(_TAG_PREFIX))
    return ListedSpan(**structs.asdict(span), trace_tags=tags or UNSET)


# --- trees -----------------------------------------------------------------------------------------------------------


def tree(store: SpanStore, trace_id: str, collapsed: Iterable[str], storage: Storage) -> TreeFound:
    """Return a trace as a tree; what is too deep is shown at the greatest depth there is.

    :param collapsed: wildcards; spans of these names are left out, and their children move up.
    """
    spans = sorted(store.trace(trace_id), key=_by_start)[:TREE_SPANS]
    names = tuple(collapsed)
    parents = {span.parent_span_id for span in spans}
    left_out = {
        span.span_id: span.parent_span_id
        for span in spans
        if (span.name in _CHILDLESS and span.span_id not in parents) or any(fits(span.name, n) for n in names)
    }
    nodes = {
        span.span_id: TreeSpan(**structs.asdict(span), children=[]) for span in spans if span.span_id not in left_out
    }
    children: dict[str | None, list[TreeSpan]] = {}
    for node in nodes.values():
        parent = node.parent_span_id
        seen = {node.span_id}
        while parent in left_out and parent not in seen:
            seen.add(parent)
            parent = left_out[parent]
        children.setdefault(parent if parent in nodes and parent != node.span_id else None, []).append(node)
    roots = children.get(None, [])
    _hang(roots, children)
    return TreeFound(roots, storage)


def _hang(roots: list[TreeSpan], children: dict[str | None, list[TreeSpan]]) -> None:
    """Give every span its children, from the roots down."""
    waiting = [(node, 1, node) for node in reversed(roots)]
    while waiting:
        node, depth, holder = waiting.pop()
        beneath = children.get(node.span_id, ()) if node.span_id is not None else ()
        for child in beneath:
            holder.children.append(child)
        deeper = depth + 1
        waiting += [(child, deeper, child if deeper < TREE_DEPTH else holder) for child in reversed(beneath)]


# --- groups ----------------------------------------------------------------------------------------------------------


def group(store: SpanStore, query: GroupQuery, storage: Storage) -> GroupsFound:
    """Return the spans that have an attribute, by its value."""
    since_ns = (query.since_ms or 0) * _MS
    found: dict[str, list[StoredSpan]] = {}
    for span in store:
        value = span.attribute(query.attribute)
        if value is None or (not span.pending and span.end_time_unix_nano < since_ns):
            continue
        if query.include_internal or not is_internal(span):
            found.setdefault(value, []).append(span)
    groups = [_group(value, spans, query.label_attribute) for value, spans in found.items()]
    groups.sort(key=lambda one: one.last_seen_ms, reverse=True)
    limit = _PAGE if query.limit is None else query.limit
    return GroupsFound(groups[: min(limit, TRACE_PAGE)], storage)


def _group(value: str, spans: list[StoredSpan], label_attribute: str | None) -> Group:
    spans.sort(key=_by_start)
    first = spans[0].start_time_unix_nano
    last = max(max(span.start_time_unix_nano, span.end_time_unix_nano) for span in spans)
    labels = (span.attribute(label_attribute) for span in reversed(spans)) if label_attribute is not None else ()
    return Group(
        value,
        next((label for label in labels if label is not None), None),
        list(dict.fromkeys(span.trace_id for span in spans if span.trace_id is not None)),
        len(spans),
        first // _MS,
        last // _MS,
        (last - first) / _MS,
        sum(span.status == "error" for span in spans),
    )
