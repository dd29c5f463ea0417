"""A route's path as it is registered, taken apart (http.md §3). Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from iii_actors.errors import TriggerRegistrationFailed
from iii_actors.limits import HTTP_URI_BYTES

__all__ = ["PARAMETER", "REST", "Path", "parse"]

PARAMETER: Final = ":"
"""In a shape: any one segment that is not empty. No literal segment is spelled so."""
REST: Final = "*"
"""In a shape: one or more segments, to the end. No literal segment is spelled so."""


class Path(NamedTuple):
    """A path without its leading slashes: two of the same :attr:`shape` match the same requests."""

    key: str
    """As registered, without leading slashes; with the method it identifies a route."""
    shape: tuple[str, ...]
    """Segment by segment: the literal, :data:`PARAMETER` or :data:`REST`."""
    names: tuple[str | None, ...]
    """Names of the parameters, in order; None for those whose value is not handed on."""

    @property
    def is_static(self) -> bool:
        """It has no parameters: one request path matches, its key."""
        return not self.names and REST not in self.shape


def parse(registered: str, route: str) -> Path:
    """Take a registered path apart; raises :class:`TriggerRegistrationFailed`.

    :param registered: the trigger's ``api_path``.
    :param route: what to call the route in errors, for example ``GET users/:id``.
    """
    key = registered.lstrip("/")
    if len(key.encode(errors="surrogatepass")) > HTTP_URI_BYTES:
        raise TriggerRegistrationFailed(
            f"Route '{route[:60]}...' is longer than any request's path may be: {HTTP_URI_BYTES} bytes"
        )
    shape: list[str] = []
    names: list[str | None] = []
    segments = key.split("/")
    for at, segment in enumerate(segments):
        if segment == ":":
            raise TriggerRegistrationFailed(
                f"Route '{route}': a parameter needs a name; write for example ':id' instead of ':'"
            )
        if segment.startswith("*"):
            raise TriggerRegistrationFailed(
                f"Route '{route}': a segment that begins with '*' is not supported; "
                "write ':name' for one segment, or '{*name}' at the end for all that follow"
            )
        if segment.startswith(":"):
            shape.append(PARAMETER)
            names.append(segment[1:])
        elif segment.startswith("{*") and segment.endswith("}"):
            if at != len(segments) - 1:
                raise TriggerRegistrationFailed(f"Route '{route}': '{segment}' may only be the last segment")
            shape.append(REST)
        elif len(segment) > len("{}") and segment.startswith("{") and segment.endswith("}"):
            shape.append(PARAMETER)
            names.append(None)
        else:
            shape.append(segment)
    return Path(key, tuple(shape), tuple(names))
