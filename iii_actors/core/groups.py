"""Worker groups: several workers behind one function (ours; the protocol itself refuses the second worker).

A worker joins by registering the function with ``metadata.group``; all members name the same policy:

``round_robin``
    each call to the next member;
``least_busy``
    to the member with the fewest calls in flight: chosen by the invocation tracker, which knows;
``sticky``
    calls with the same value of the payload's top-level field ``metadata.group_key`` go to the same member
    (rendezvous hashing: a member that comes or goes moves only its own share);
``standby``
    the first member serves all calls; when it leaves, the next takes over at once.

Groups are values: a change makes a new one. Only the function registry holds them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw

from iii_actors.core.messages import Target
from iii_actors.wire import messages as wire

__all__ = ["LEAST_BUSY", "POLICIES", "Group", "Member", "found", "member"]

LEAST_BUSY: Final = "least_busy"
STICKY: Final = "sticky"
STANDBY: Final = "standby"
ROUND_ROBIN: Final = "round_robin"
POLICIES: Final = frozenset({ROUND_ROBIN, LEAST_BUSY, STICKY, STANDBY})


class _GroupMetadata(msgspec.Struct, gc=False):
    group: str | None = None
    group_key: str | None = None


_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)
"""A payload that was only skipped over may still be too deep, seen from further up the stack, to be read."""
_metadata: Final = msgspec.json.Decoder(_GroupMetadata)
_fields: Final = msgspec.json.Decoder(dict[str, Raw])


class Policy(NamedTuple):
    """What members of one group must agree on."""

    name: str
    key: str | None
    """``sticky``: the payload's field."""


class Member(NamedTuple):
    """One worker of a group."""

    policy: Policy
    definition: wire.RegisterFunction
    target: Target


class Group:
    """The members of one function, in the order in which they joined."""

    __slots__ = ("_turns", "members", "policy")

    def __init__(self, members: tuple[Member, ...], turns: Iterator[int] | None = None) -> None:
        self.members = members
        self.policy = members[0].policy
        self._turns = turns if turns is not None else itertools.count()

    def with_member(self, new: Member) -> Group:
        """Return the group with a worker added, or with its definition replaced in place."""
        worker_id = new.target.worker_id
        if any(old.target.worker_id == worker_id for old in self.members):
            return Group(tuple(new if old.target.worker_id == worker_id else old for old in self.members), self._turns)
        return Group((*self.members, new), self._turns)

    def without(self, worker_id: str) -> Group | None:
        """Return the group without a worker, or None when nobody is left."""
        rest = tuple(old for old in self.members if old.target.worker_id != worker_id)
        return Group(rest, self._turns) if rest else None

    def choose(self, data: Raw) -> Target:
        """Return who takes this call. ``least_busy`` answers with the first: the invocation tracker chooses again."""
        members = self.members
        if self.policy.name == ROUND_ROBIN:
            return members[next(self._turns) % len(members)].target
        if self.policy.name == STICKY:
            value = _field(data, self.policy.key or "")
            return max(members, key=lambda one: hash(value + one.target.worker_id.encode())).target
        return members[0].target


def member(definition: wire.RegisterFunction, target: Target) -> Member | None:
    """Return the membership that a definition's metadata asks for, or None: an ordinary, exclusive function."""
    if definition.metadata is wire.ABSENT:
        return None
    try:
        wish = _metadata.decode(definition.metadata)
    except _UNREADABLE:
        return None
    if wish.group not in POLICIES:
        return None
    return Member(Policy(wish.group, wish.group_key if wish.group == STICKY else None), definition, target)


def found(first: Member | None) -> Group | None:
    """Return a group of one, or None without a membership."""
    return Group((first,)) if first is not None else None


def _field(data: Raw, name: str) -> bytes:
    """The text of one member of an object; calls without it go together."""
    try:
        return bytes(_fields.decode(data).get(name, b""))
    except _UNREADABLE:
        return b""
