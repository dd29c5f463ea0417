"""The route table: immutable, so that a request sees one state of it, whatever is registered meanwhile (http.md §3).

A change makes a new table that shares all but a few entries with the old one. Routes without parameters are found by
one look-up; the others stand in a tree of segments, where a literal is tried before a parameter, segment by segment
from the left, going back where a choice leads nowhere. Pure; any thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from iii_actors.builtin.http.paths import PARAMETER, REST, Path
from iii_actors.builtin.http.tracing import Traced
from iii_actors.core.triggers import Trigger

__all__ = ["METHODS", "Match", "Place", "Route", "Table"]

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""Those that can be served, in the order in which ``Allow`` names them."""

_BUCKETS: Final = 512
"""A change copies one of them: of 10,000 routes some 20."""


class Route(NamedTuple):
    """What is registered for one method and one path."""

    trigger: Trigger
    method: str
    """Upper-case."""
    path: str
    """As registered."""
    parsed: Path
    condition: str | None
    """Id of the function that may refuse a request (http.md §7)."""
    middleware: tuple[str, ...]
    """Ids of the functions asked first (http.md §6)."""
    described: bytes
    """``"path":...,"trigger":...`` of every payload, as JSON text."""
    traced: Traced
    """What the spans of all its requests have in common."""

    @property
    def title(self) -> str:
        """Method and path, as they are named in messages."""
        return f"{self.method} {self.path}"


class Place:
    """The routes of one shape, by method."""

    __slots__ = ("allow", "methods")

    def __init__(self, methods: Mapping[str, Route]) -> None:
        self.methods = MappingProxyType(dict(methods))
        allowed = [one for one in METHODS if one in methods or (one == "HEAD" and "GET" in methods)]
        self.allow = ",".join(allowed).encode()
        """Value of the ``Allow`` header."""

    def with_route(self, route: Route) -> Place:
        return Place({**self.methods, route.method: route})

    def without(self, method: str) -> Place | None:
        """Return the place without one method's route; None if that was the last."""
        rest = {name: route for name, route in self.methods.items() if name != method}
        return Place(rest) if rest else None


class Match(NamedTuple):
    """Where a request's path leads."""

    place: Place
    values: tuple[str, ...]
    """Of the parameters, in order, as they were sent."""


class _Node:
    """One segment's place in the tree; never changed once it is in a table."""

    __slots__ = ("children", "parameter", "place", "rest")

    def __init__(
        self,
        children: dict[str, _Node] | None = None,
        parameter: _Node | None = None,
        rest: _Node | None = None,
        place: Place | None = None,
    ) -> None:
        self.children = children if children is not None else {}
        self.parameter = parameter
        self.rest = rest
        self.place = place

    def child(self, segment: str) -> _Node | None:
        if segment == PARAMETER:
            return self.parameter
        if segment == REST:
            return self.rest
        return self.children.get(segment)

    def with_child(self, segment: str, child: _Node | None) -> _Node | None:
        """Return a copy with another child (None: without it); None if nothing is left of it."""
        children, parameter, rest = self.children, self.parameter, self.rest
        if segment == PARAMETER:
            parameter = child
        elif segment == REST:
            rest = child
        else:
            children = dict(children)
            if child is None:
                children.pop(segment, None)
            else:
                children[segment] = child
        return _Node(children, parameter, rest, self.place).unless_empty()

    def with_place(self, place: Place | None) -> _Node | None:
        return _Node(self.children, self.parameter, self.rest, place).unless_empty()

    def unless_empty(self) -> _Node | None:
        if self.children or self.parameter is not None or self.rest is not None or self.place is not None:
            return self
        return None

    def places(self) -> Iterator[Place]:
        """Yield every place from here down."""
        waiting: list[_Node | None] = [self]
        while waiting:
            node = waiting.pop()
            if node is None:
                continue
            if node.place is not None:
                yield node.place
            waiting += [*node.children.values(), node.parameter, node.rest]


_EMPTY: Final = _Node()


class Table:
    """All routes at one moment; :meth:`with_route` and :meth:`without` return another table and leave this as it is."""

    __slots__ = ("_root", "_static")

    def __init__(self) -> None:
        self._static: tuple[dict[str, Place], ...] = ({},) * _BUCKETS
        self._root = _EMPTY

    def match(self, path: str) -> Match | None:
        """Find where a request leads.

        :param path: percent-encoded, without query and without its one leading slash.
        """
        place = self._static[hash(path) % _BUCKETS].get(path)
        if place is not None:
            return Match(place, ())
        root = self._root
        return None if root is _EMPTY else _descend(root, path.split("/"))

    def at(self, path: Path) -> Place | None:
        """Return the place of all routes of the same shape."""
        if path.is_static:
            return self._static[hash(path.key) % _BUCKETS].get(path.key)
        node: _Node | None = self._root
        for segment in path.shape:
            if node is None:
                return None
            node = node.child(segment)
        return node.place if node is not None else None

    def routes(self) -> list[Route]:
        """Return every route, by path and then by method."""
        places = [place for bucket in self._static for place in bucket.values()]
        places += self._root.places()
        found = [route for place in places for route in place.methods.values()]
        return sorted(found, key=lambda route: (route.parsed.key, METHODS.index(route.method)))

    def with_route(self, route: Route) -> Table:
        """Return the table with this route, in place of one of the same method and shape if there is one."""
        place = self.at(route.parsed)
        return self._with(route.parsed, place.with_route(route) if place is not None else Place({route.method: route}))

    def without(self, route: Route) -> Table:
        """Return the table without the route of this one's method and shape."""
        place = self.at(route.parsed)
        return self._with(route.parsed, place.without(route.method)) if place is not None else self

    def _with(self, path: Path, place: Place | None) -> Table:
        table = Table()
        if path.is_static:
            bucket = hash(path.key) % _BUCKETS
            changed = dict(self._static[bucket])
            if place is None:
                changed.pop(path.key, None)
            else:
                changed[path.key] = place
            table._static = (*self._static[:bucket], changed, *self._static[bucket + 1 :])
            table._root = self._root
            return table
        table._static = self._static
        table._root = _replaced(self._root, path.shape, place)
        return table


def _replaced(root: _Node, shape: tuple[str, ...], place: Place | None) -> _Node:
    """Return the tree with another place at a shape: new nodes along the way, all others shared."""
    way = [root]
    for segment in shape:
        way.append(way[-1].child(segment) or _EMPTY)
    changed = way.pop().with_place(place)
    for node, segment in zip(reversed(way), reversed(shape), strict=True):
        changed = node.with_child(segment, changed)
    return changed if changed is not None else _EMPTY


def _descend(root: _Node, segments: list[str]) -> Match | None:
    """Find the first place along the segments; every node is looked at once at the most."""
    count = len(segments)
    ways: list[tuple[_Node, int, tuple[str, ...]]] = [(root, 0, ())]
    while ways:
        node, at, values = ways.pop()
        if at == count:
            if node.place is not None:
                return Match(node.place, values)
            continue
        segment = segments[at]
        # What is put down last is tried first.
        if node.rest is not None and (segment or at + 1 < count):
            ways.append((node.rest, count, values))
        if node.parameter is not None and segment:
            ways.append((node.parameter, at + 1, (*values, segment)))
        child = node.children.get(segment)
        if child is not None:
            ways.append((child, at + 1, values))
    return None
