"""Routes' paths as OpenAPI writes them: ``users/:id`` becomes ``/users/{id}``. Pure.

OpenAPI knows one template for all methods of a path, while routes may name their parameters differently per method; the
first route's names are taken, and each route's own names stand beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from iii_actors.builtin.http.paths import PARAMETER, REST, Path
from iii_actors.builtin.http.table import Route

__all__ = ["PathParameter", "Template", "own_names", "templates"]

_REST_NAME: Final = "rest"
_unfit: Final = re.compile(r"[{}/?#]+")
_ESCAPES: Final = str.maketrans({"{": "%7B", "}": "%7D", "?": "%3F", "#": "%23"})


class PathParameter(NamedTuple):
    """One parameter of a template."""

    name: str
    rest: bool = False
    """It stands for one or more segments, to the end."""


class Template(NamedTuple):
    """A path with its parameters in braces."""

    path: str
    parameters: tuple[PathParameter, ...]


def templates(routes: Iterable[Route]) -> dict[tuple[str, ...], Template]:
    """Return a template for every shape, no two alike. A shape that cannot have one has none."""
    found: dict[tuple[str, ...], Template] = {}
    taken: set[str] = set()
    for route in routes:
        shape = route.parsed.shape
        if shape in found:
            continue
        template = _template(route.parsed)
        while template.path in taken and template.parameters:
            template = _renamed(template)
        if template.path not in taken:
            taken.add(template.path)
            found[shape] = template
    return found


def own_names(path: Path) -> list[str]:
    """Return a path's parameters as it names them itself, in order."""
    pairs = zip(path.key.split("/"), path.shape, strict=True)
    return [_name(segment, kind) for segment, kind in pairs if kind in (PARAMETER, REST)]


def _name(segment: str, kind: str) -> str:
    if kind == REST:
        return segment[2:-1] or _REST_NAME
    return segment[1:] if segment.startswith(":") else segment[1:-1]


def _template(path: Path) -> Template:
    parameters: list[PathParameter] = []
    written: list[str] = []
    for segment, kind in zip(path.key.split("/"), path.shape, strict=True):
        if kind not in (PARAMETER, REST):
            written.append(segment.translate(_ESCAPES))
            continue
        name = _unfit.sub("_", _name(segment, kind))
        taken = {one.name for one in parameters}
        free, number = name, 2
        while free in taken:
            free, number = f"{name}_{number}", number + 1
        parameters.append(PathParameter(free, kind == REST))
        written.append(f"{{{free}}}")
    return Template("/" + "/".join(written), tuple(parameters))


def _renamed(template: Template) -> Template:
    """Return the same template with another name for its last parameter."""
    *others, last = template.parameters
    taken = {one.name for one in others}
    name = f"{last.name}_"
    while name in taken:
        name += "_"
    head, _, tail = template.path.rpartition(f"{{{last.name}}}")
    return Template(f"{head}{{{name}}}{tail}", (*others, PathParameter(name, last.rest)))
