"""What a request for a channel's end asks for (core.md §9.2): pure, no sockets."""

from __future__ import annotations

from urllib.parse import parse_qsl

from iii_actors.core.ends import Direction
from iii_actors.core.messages import ChannelKey
from iii_actors.transport.handshake import Refused, Request

__all__ = ["asked_for"]


def asked_for(request: Request) -> tuple[ChannelKey, Direction]:
    """Return which channel, with which key, and which end the request is for; raises :class:`Refused`."""
    values: dict[str, str] = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True):
        if name in values and name in ("key", "dir"):
            raise _bad_query(f"duplicate field `{name}`")
        values[name] = value
    for name in ("key", "dir"):
        if name not in values:
            raise _bad_query(f"missing field `{name}`")
    key = ChannelKey(request.path.rpartition("/")[2], values["key"])
    direction = values["dir"]
    if direction == "read":
        return key, "read"
    if direction == "write":
        return key, "write"
    raise _bad_query(f"dir: unknown variant `{direction}`, expected `read` or `write`")


def _bad_query(detail: str) -> Refused:
    return Refused(400, f"Failed to deserialize query string: {detail}")
