"""A request's body on its way from the client to whoever wants it (http.md §5). All on the loop's thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Protocol

from iii_actors.builtin.http.bell import Bell
from iii_actors.core.pipe import Item, Pipe
from iii_actors.limits import HTTP_DISCARD_BYTES, HTTP_UPLOAD_HELD_BYTES, HTTP_UPLOAD_ITEM_BYTES

__all__ = ["Room", "Source", "Upload"]


class Room:
    """How many bytes all bodies together may hold that are read as a whole.

    :param limit: bytes.
    """

    __slots__ = ("_left",)

    def __init__(self, limit: int) -> None:
        self._left = limit

    def take(self, size: int) -> bool:
        """Take some; False: there is not so much left."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give(self, size: int) -> None:
        """Give some back."""
        self._left += size


class Source(Protocol):
    """The connection that a body comes from."""

    def pause(self) -> None:
        """Read no more for now: the client waits."""

    def resume(self) -> None:
        """Read on."""

    def go_on(self) -> None:
        """Somebody wants the body: a client that has asked first may send it (``100 Continue``)."""

    def enough(self) -> None:
        """Nobody wants the rest, and it is too much to throw away."""


class _For(Enum):
    """Whom the body is for."""

    NOBODY_YET = 0
    WHOLE = 1
    PIPE = 2
    NOBODY = 3


class Upload:
    """One request's body.

    At first a little of it is held and then the client waits. From there it is read as a whole, or poured into a pipe
    as fast as that has room, or thrown away.

    :param source: None for a request without a body.
    """

    __slots__ = (
        "_arrived",
        "_bell",
        "_discarded",
        "_for",
        "_limit",
        "_parts",
        "_pipe",
        "_room",
        "_size",
        "_source",
        "_taken",
        "complete",
    )

    def __init__(self, source: Source | None) -> None:
        self._source = source
        self.complete = source is None
        """All of it has come, or nothing more will."""
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._for = _For.NOBODY_YET
        self._limit = HTTP_UPLOAD_HELD_BYTES
        self._room: Room | None = None
        self._taken = 0
        self._discarded = 0
        self._arrived: Callable[[], None] = _nobody
        self._pipe: Pipe | None = None
        self._bell: Bell | None = None

    # --- from the connection -----------------------------------------------------------------------------------------

    def data(self, part: bytes) -> None:
        """Take what has come."""
        if self._for is _For.NOBODY:
            self._discarded += len(part)
            if self._discarded > HTTP_DISCARD_BYTES and self._source is not None:
                self._source.enough()
            return
        self._parts.append(part)
        self._size += len(part)
        if self._for is _For.PIPE:
            self._pour()
        elif self._size > self._limit or not self._has_room(len(part)):
            self._for = _For.NOBODY_YET
            self._pause()
            self._arrived()

    def end(self) -> None:
        """All has come; or the connection has ended, and nothing more will."""
        if not self.complete:
            self.complete = True
            if self._for is _For.PIPE:
                self._pour()
            self._arrived()

    # --- as a whole --------------------------------------------------------------------------------------------------

    def gather(self, limit: int, room: Room, arrived: Callable[[], None]) -> None:
        """Collect up to ``limit`` bytes; ``arrived`` is called when :attr:`gathered`."""
        self._for, self._limit, self._room, self._arrived = _For.WHOLE, limit, room, arrived
        if self._size > limit or not self._has_room(self._size):
            self._for = _For.NOBODY_YET
            return
        self._go_on()

    @property
    def gathered(self) -> bool:
        """All of it has come; or it is too large to be read as a whole, and waits to be poured."""
        return self.complete or self._for is not _For.WHOLE

    @property
    def whole(self) -> bool:
        """All of it was gathered."""
        return self.complete and self._for is _For.WHOLE

    def content(self) -> bytes:
        """Return what is held, and go on holding it."""
        parts = self._parts
        if len(parts) > 1:
            whole = b"".join(parts)
            parts.clear()
            parts.append(whole)
        return parts[0] if parts else b""

    def _has_room(self, size: int) -> bool:
        if self._room is None:
            return True
        if not self._room.take(size):
            return False
        self._taken += size
        return True

    def leave_room(self) -> None:
        """Others may gather as much as this one has."""
        if self._room is not None:
            self._room.give(self._taken)
            self._room, self._taken = None, 0

    # --- into a pipe -------------------------------------------------------------------------------------------------

    def pour_into(self, pipe: Pipe, bell: Bell) -> None:
        """Put all of it into a pipe, and then end that; wait where it is full."""
        self._for, self._pipe, self._bell, self._arrived = _For.PIPE, pipe, bell, _nobody
        pipe.attach_writer(self._pipe_has_room)
        self._go_on()
        self._pour()

    def _pipe_has_room(self) -> None:
        """Runs on the reading end's thread: it has taken something, or has left."""
        if self._bell is not None:
            self._bell.ring(self._pour)

    def _pour(self) -> None:
        pipe, parts = self._pipe, self._parts
        if pipe is None:
            return
        while parts:
            part = parts[0]
            if len(part) > HTTP_UPLOAD_ITEM_BYTES:
                parts.popleft()
                view = memoryview(part)
                cuts = range(0, len(part), HTTP_UPLOAD_ITEM_BYTES)
                parts.extendleft(bytes(view[at : at + HTTP_UPLOAD_ITEM_BYTES]) for at in reversed(cuts))
                continue
            if not pipe.offer(Item(False, part)):
                if pipe.left:
                    self.discard()
                else:
                    self._pause()
                return
            parts.popleft()
            self._size -= len(part)
        if self.complete:
            pipe.finish()
            self._pipe = None
        elif self._source is not None:
            self._source.resume()

    @property
    def poured(self) -> bool:
        """Somebody is being given the body, or has been."""
        return self._for is _For.PIPE

    # --- to nobody ---------------------------------------------------------------------------------------------------

    def discard(self) -> None:
        """Nobody wants what has not been taken yet: throw it away."""
        if self._pipe is not None:
            self._pipe.finish()
            self._pipe = None
        self._for, self._arrived, self._discarded = _For.NOBODY, _nobody, self._size
        self._parts.clear()
        self._size = 0
        if self._source is not None and not self.complete:
            self._source.resume()

    # -----------------------------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        if self._source is not None and not self.complete:
            self._source.go_on()
            self._source.resume()

    def _pause(self) -> None:
        if self._source is not None and not self.complete:
            self._source.pause()


def _nobody() -> None:
    """Whom an arrival is told while nobody waits for it."""
