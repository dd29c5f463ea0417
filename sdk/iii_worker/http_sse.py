"""Server-sent events (WHATWG HTML, chapter "Server-sent events") over a streamed HTTP response."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from pydantic_core import to_json

from iii_worker.channel import ChannelWriter

__all__ = ["EventStream"]


class EventStream:
    """Sends events; made by :meth:`iii_worker.http.StreamResponse.sse`. Any thread may send.

    When the client has gone, sending raises :class:`iii_worker.channel.ChannelClosedError`; a handler that lets it
    through simply ends.
    """

    def __init__(self, writer: ChannelWriter) -> None:
        self._writer = writer

    def send(
        self,
        data: Any = "",
        *,
        event: str | None = None,
        id: str | None = None,  # noqa: A002  the format's own word
        retry_ms: int | None = None,
    ) -> None:
        """Send one event at once.

        :param data: text, which may have several lines; anything else is sent as JSON.
        :param event: the event's name; without one the browser calls it ``message``.
        :param id: what a client that reconnects sends as ``Last-Event-ID``.
        :param retry_ms: milliseconds the client should wait before it reconnects.

        Raises ``ValueError`` for line breaks in ``event`` or ``id`` and for NUL in ``id``.
        """
        lines: list[str] = []
        if event is not None:
            lines.append(f"event: {_one_line('event', event)}")
        if id is not None:
            if "\0" in id:
                raise ValueError("the id of an event has a NUL in it: clients ignore such an id")
            lines.append(f"id: {_one_line('id', id)}")
        if retry_ms is not None:
            lines.append(f"retry: {int(retry_ms)}")
        text = data if isinstance(data, str) else to_json(data, inf_nan_mode="null").decode()
        lines += [f"data: {line}" for line in _lines(text)]
        self._writer.write(("\n".join(lines) + "\n\n").encode())

    def comment(self, text: str = "") -> None:
        """Send a comment, which clients ignore: keeps proxies from closing a quiet stream."""
        self._writer.write(("".join(f": {line}\n" for line in _lines(text)) + "\n").encode())

    def close(self) -> None:
        """End the response. Browsers reconnect after that, unless they were told not to by an event."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._writer.__exit__(kind, error, traceback)


def _lines(text: str) -> list[str]:
    """Split at what the format takes for a line break: CR LF, LF, CR, and nothing else."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _one_line(what: str, text: str) -> str:
    if "\n" in text or "\r" in text:
        raise ValueError(f"the {what} of an event has a line break in it")
    return text
