r"""What queues are called: a key from what a queue is for, and back (queue.md §7, §8).

- a named queue: ``__fn_queue::<name>``;
- a subscription to a topic: ``<topic>::<function id>@<namespace>``;
- a topic that nobody has subscribed to: ``<topic>``;
- a note that a subscription has ended while it still holds jobs: ``__ended::<its key>``, of a queue that stays empty;
- a note which field of the data names the group of a subscription's messages: ``__group::<field>@<its key>``, likewise.

In each part ``\`` is written ``\\`` and ``@`` is written ``\@``, so that the last bare ``@`` ends the function's id.
That alone does not tell where a topic ends, so in topics a colon that follows another, or is the last character, is
written ``\:``: the first bare ``::`` ends the topic. Topics called like these prefixes begin with a ``\``. Pure.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = [
    "ENDED",
    "GROUP",
    "NAMED",
    "Subscribed",
    "ended_key",
    "ended_of",
    "group_key",
    "group_of",
    "named_key",
    "named_of",
    "protocol_key",
    "subscribed",
    "subscription_key",
    "topic_key",
]

NAMED: Final = "__fn_queue::"
ENDED: Final = "__ended::"
GROUP: Final = "__group::"
_TAKEN: Final = tuple(prefix.removesuffix("::") for prefix in (NAMED, ENDED, GROUP))
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_BARE: Final = re.compile(r"\\.|::|@|[^\\:@]+|:", re.DOTALL)


class Subscribed(NamedTuple):
    """Who has subscribed to what."""

    topic: str
    function_id: str
    namespace: str


def named_key(name: str) -> str:
    """Return the key of a named queue."""
    return NAMED + name


def named_of(key: str) -> str | None:
    """Return the name of a named queue; None if the key is another's."""
    return key[len(NAMED) :] if key.startswith(NAMED) else None


def ended_key(key: str) -> str:
    """Return the key of the note that a subscription has ended."""
    return ENDED + key


def ended_of(key: str) -> str | None:
    """Return the key of the subscription that such a note is about; None if the key is another's."""
    return key[len(ENDED) :] if key.startswith(ENDED) else None


def group_key(field: str, key: str) -> str:
    """Return the key of the note that a subscription's groups are named by that field."""
    return f"{GROUP}{_escaped(field)}@{key}"


def group_of(key: str) -> tuple[str, str] | None:
    """Return the subscription's key and the field that such a note is about; None if the key is another's."""
    if not key.startswith(GROUP):
        return None
    end = next((part.start() for part in _BARE.finditer(key) if part[0] == "@"), len(key))
    return key[end + 1 :], _plain(key[len(GROUP) : end])


def topic_key(topic: str) -> str:
    """Return the key under which a topic's messages wait for the first subscriber."""
    text = re.sub(r":(?=\Z)|(?<=:):", r"\\:", _escaped(topic))
    return "\\" + text if topic in _TAKEN else text


def subscription_key(topic: str, function_id: str, namespace: str) -> str:
    """Return the key of a subscription."""
    return f"{topic_key(topic)}::{_escaped(function_id)}@{_escaped(namespace)}"


def protocol_key(topic: str, function_id: str, namespace: str) -> str:
    """Return a subscription's key as other engines spell it: another one only for topics with colons."""
    return f"{_escaped(topic)}::{_escaped(function_id)}@{_escaped(namespace)}"


def subscribed(key: str) -> Subscribed | str | None:
    """Return the subscription that a key is of, or the bare topic; None for any other key."""
    if key.startswith((NAMED, ENDED, GROUP)):
        return None
    topic_end = function_end = -1
    for part in _BARE.finditer(key):
        if part[0] == "::" and topic_end < 0:
            topic_end = part.start()
        elif part[0] == "@":
            function_end = part.start()
    if 0 <= topic_end < function_end:
        return Subscribed(
            _plain(key[:topic_end]), _plain(key[topic_end + 2 : function_end]), _plain(key[function_end + 1 :])
        )
    return _plain(key)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("@", "\\@")


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)
