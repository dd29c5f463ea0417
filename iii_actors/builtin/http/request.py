"""From a request to the payloads of the calls made for it (http.md §4, §6). Pure text; nothing is parsed twice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote_plus

import msgspec
from msgspec import Raw

from iii_actors.builtin.http.table import Route
from iii_actors.core.messages import ChannelKey

__all__ = ["Header", "Payloads", "header_map", "query_map"]

Header = tuple[bytes, bytes]
"""Name, in lower case, and value."""

_encode: Final = msgspec.json.Encoder().encode
_TAB: Final = "\t"
_NONE: Final = b"{}"


def header_map(headers: Iterable[Header]) -> dict[str, str]:
    """Return headers by name, the last of each; a value with anything but visible ASCII, space and tab is empty."""
    found: dict[str, str] = {}
    for name, value in headers:
        text = value.decode("latin-1")
        if not (text.isascii() and (text.isprintable() or text.replace(_TAB, " ").isprintable())):
            text = ""
        found[name.decode("latin-1")] = text
    return found


def query_map(query: bytes) -> dict[str, str]:
    """Decode a query as a form is decoded: the last of each key; what is no UTF-8 becomes U+FFFD."""
    found: dict[str, str] = {}
    for pair in query.decode("latin-1").split("&"):
        if pair:
            key, _, value = pair.partition("=")
            found[_decoded(key)] = _decoded(value)
    return found


def _decoded(text: str) -> str:
    return unquote_plus(text, errors="replace") if "%" in text or "+" in text else text


class Payloads:
    """The payloads of one request, which share most of their text.

    :param route: where its path has led.
    :param values: of the route's parameters.
    :param query: as sent, without the question mark.
    :param headers: from :func:`header_map`.
    """

    __slots__ = ("_asked", "_told")

    def __init__(self, route: Route, values: tuple[str, ...], query: bytes, headers: dict[str, str]) -> None:
        names = route.parsed.names
        params = _NONE
        if names:
            params = _encode({name: value for name, value in zip(names, values, strict=True) if name is not None})
        self._asked = b'"path_params":%b,"query_params":%b,"headers":%b,"method":"%b"' % (
            params,
            _encode(query_map(query)) if query else _NONE,
            _encode(headers),
            route.method.encode(),
        )
        self._told = b"{%b,%b" % (self._asked, route.described)

    def middleware(self) -> Raw:
        """Input of every middleware: no body, no path (http.md §6)."""
        return Raw(b'{"phase":"preHandler","request":{%b},"context":{}}' % self._asked)

    def condition(self, body: bytes) -> Raw:
        """Input of the condition: the handler's, without channels (http.md §7)."""
        return Raw(b'%b,"body":%b}' % (self._told, body))

    def handler(self, body: bytes, upload: ChannelKey, response: ChannelKey) -> Raw:
        """Input of the handler (http.md §4).

        :param body: JSON text.
        :param upload: opens the reading end of the request's body.
        :param response: opens the writing end of the response.
        """
        return Raw(
            b'%b,"body":%b,"request_body":{"channel_id":"%b","access_key":"%b","direction":"read"},'
            b'"response":{"channel_id":"%b","access_key":"%b","direction":"write"}}'
            % (
                self._told,
                body,
                upload.channel_id.encode(),
                upload.access_key.encode(),
                response.channel_id.encode(),
                response.access_key.encode(),
            )
        )
