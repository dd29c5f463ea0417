"""Who follows what on the subscription socket, and telling them (stream.md §6.3).

A light actor that owns the subscriptions. An event becomes a frame once, however many follow it, and only if anybody
does. On one Redis the events of all engines come through it, this one's own too, so that all see them in one order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw, Struct
from pykka import ActorDeadError

from iii_actors.actor import LightActor, Ref, handles
from iii_actors.builtin.pubsub.bus import Bus
from iii_actors.builtin.pubsub.messages import Arrived
from iii_actors.builtin.stream.events import Event
from iii_actors.core.conversation import Deliver

__all__ = ["CHANNEL", "Audience", "CountSubscriptions", "Follow", "Forget", "Publish", "Share", "Tell", "Unfollow"]

logger = logging.getLogger(__name__)

CHANNEL: Final = "stream::events"
"""On a shared Redis: where each event is published, as its envelope (stream.md §8)."""

Place = tuple[str, str, str | None]
"""``(stream, group, item)``; None: the whole group, events of no item as well."""


class Follow(NamedTuple):
    """From now on deliver the events of a place to a subscriber; a subscription of the same id is replaced."""

    writer: Ref
    subscription_id: str
    place: Place


class Unfollow(NamedTuple):
    """End one subscription; an unknown one is no mistake."""

    writer: Ref
    subscription_id: str


class Forget(NamedTuple):
    """End all subscriptions of one connection."""

    writer: Ref


class Publish(NamedTuple):
    """Deliver an event to everybody who follows its place, once per subscription."""

    event: Event


class Tell(NamedTuple):
    """Deliver one envelope to one subscriber, behind what was published before."""

    writer: Ref
    event: Event


class Share(NamedTuple):
    """Asked: from now on publish through this bus, and deliver what it brings."""

    bus: Bus


class CountSubscriptions(NamedTuple):
    """Asked: how many subscriptions there are."""


class _Envelope(Struct):
    """What must be known of an envelope that another engine has made."""

    stream_name: str = msgspec.field(name="streamName")
    group_id: str = msgspec.field(name="groupId")
    event: Raw
    id: str | None = None


_envelope: Final = msgspec.json.Decoder(_Envelope).decode
_Subscriber = tuple[Ref, str]


class Audience(LightActor):
    """Owns the subscriptions.

    :param text_frame: makes a whole text frame of a text.
    """

    def __init__(self, text_frame: Callable[[bytes], bytes]) -> None:
        super().__init__()
        self._text_frame = text_frame
        self._bus: Bus | None = None
        self._followers: dict[Place, dict[_Subscriber, Ref]] = {}
        self._places: dict[Ref, dict[str, Place]] = {}

    # --- subscriptions -----------------------------------------------------------------------------------------------

    @handles(Follow)
    def follow(self, follow: Follow) -> None:
        writer, subscription_id, place = follow
        places = self._places.setdefault(writer, {})
        before = places.get(subscription_id)
        if before is not None:
            self._leave(before, (writer, subscription_id))
        places[subscription_id] = place
        self._followers.setdefault(place, {})[writer, subscription_id] = writer

    @handles(Unfollow)
    def unfollow(self, unfollow: Unfollow) -> None:
        writer, subscription_id = unfollow
        places = self._places.get(writer, {})
        place = places.pop(subscription_id, None)
        if place is not None:
            self._leave(place, (writer, subscription_id))
            if not places:
                del self._places[writer]

    @handles(Forget)
    def forget(self, forget: Forget) -> None:
        for subscription_id, place in self._places.pop(forget.writer, {}).items():
            self._leave(place, (forget.writer, subscription_id))

    def _leave(self, place: Place, subscriber: _Subscriber) -> None:
        beside = self._followers[place]
        del beside[subscriber]
        if not beside:
            del self._followers[place]

    @handles(CountSubscriptions)
    def count(self, _: CountSubscriptions) -> int:
        return sum(map(len, self._followers.values()))

    # --- events ------------------------------------------------------------------------------------------------------

    @handles(Publish)
    def publish(self, publish: Publish) -> None:
        event = publish.event
        if self._bus is not None:
            self._bus.publish(CHANNEL, event.envelope())
        else:
            writers = self._who_follow(event.stream_name, event.group_id, event.item_id)
            if writers:
                self._deliver(writers, event.text())

    @handles(Arrived)
    def arrived(self, arrived: Arrived) -> None:
        """An event of one of the engines on this Redis."""
        try:
            told = _envelope(arrived.data)
        except (msgspec.MsgspecError, RecursionError) as error:
            logger.warning("What is published on %s is no event of a stream, and is dropped: %s", CHANNEL, error)
            return
        writers = self._who_follow(told.stream_name, told.group_id, told.id)
        if writers:
            self._deliver(writers, bytes(arrived.data))

    @handles(Tell)
    def tell_one(self, tell: Tell) -> None:
        self._deliver([tell.writer], tell.event.text())

    @handles(Share)
    def share(self, share: Share) -> None:
        self._bus = share.bus

    def _who_follow(self, stream_name: str, group_id: str, item_id: str | None) -> list[Ref]:
        followers = self._followers
        if not followers:
            return []
        found = list(followers.get((stream_name, group_id, None), {}).values())
        if item_id is not None:
            found += followers.get((stream_name, group_id, item_id), {}).values()
        return found

    def _deliver(self, writers: list[Ref], text: bytes) -> None:
        deliver = Deliver(self._text_frame(text))
        for writer in writers:
            try:
                writer.tell(deliver)
            except ActorDeadError:
                logger.debug("A subscriber has gone, and is about to be forgotten")
