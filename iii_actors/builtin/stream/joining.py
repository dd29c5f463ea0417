"""The conversations on the subscription socket: joining, leaving, going away (stream.md §5.2, §6.2, §6.4).

One light actor for all connections, and the host of their sockets. The messages of one connection are dealt with one
after the other, however long the functions take that are bound to ``stream:join`` and ``stream:leave``; connections do
not wait for each other. What is to be done about a message is written as a generator: each ``yield`` is a wait.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

from iii_actors.actor import LightActor, Ref, handles
from iii_actors.builtin.calls import Calls
from iii_actors.builtin.stored import NULL
from iii_actors.builtin.stream import socket_messages
from iii_actors.builtin.stream.audience import Follow, Forget, Tell, Unfollow
from iii_actors.builtin.stream.events import Event
from iii_actors.builtin.stream.reading import Read
from iii_actors.builtin.stream.socket_messages import Join, Leave, Subscription, Undecodable
from iii_actors.clock import Clock, Timer
from iii_actors.core.conversation import Client, ClientCame, ClientLeft, ClientSaid
from iii_actors.core.messages import BindTrigger, UnbindTrigger
from iii_actors.core.triggers import Trigger
from iii_actors.limits import STREAM_HANDLER_S, STREAM_SUBSCRIPTIONS, STREAM_UNDECODABLE_LOG_PER_S
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw

__all__ = ["JOIN", "LEAVE", "Joining"]

logger = logging.getLogger(__name__)

JOIN: Final = "stream:join"
LEAVE: Final = "stream:leave"
_UNAUTHORIZED: Final = b'{"type":"unauthorized"}'

Result = tuple[Raw, wire.ErrorBody | None]
"""Of a call or a read; ``wire.ABSENT`` without either."""
_Start = Callable[[Callable[[Raw, wire.ErrorBody | None], None]], None]
"""Begins something that takes a while, and is given what to call with its outcome."""
_Flow = Generator[_Start, Result | None, None]
"""Yields what is to be begun; is sent its outcome, or None: there was none in time."""


class _Outcome(NamedTuple):
    """To the actor itself: what a conversation waited for has come, or will not come in time."""

    conversation: _Conversation
    turn: int
    result: Result | None


class _Verdict(Struct):
    unauthorized: Any = None


_verdict: Final = msgspec.json.Decoder(_Verdict).decode


class _Conversation:
    """What is known of one connection."""

    __slots__ = ("client", "context", "flow", "subscriptions", "timer", "turn", "waiting")

    def __init__(self, client: Client, context: Raw) -> None:
        self.client = client
        self.context = context
        self.subscriptions: dict[str, Subscription] = {}
        self.waiting: deque[Join | Leave] = deque()
        self.flow: _Flow | None = None
        """What is being done now."""
        self.turn = 0
        """Tells the outcome that is waited for from those that come too late."""
        self.timer: Timer | None = None


class Joining(LightActor):
    """Talks with the clients of the subscription socket.

    :param audience: is told who follows what.
    :param reader: the actor of the streams, which reads what a new subscriber is to see first.
    """

    def __init__(self, clock: Clock, calls: Calls, audience: Ref, reader: Ref) -> None:
        super().__init__()
        self._clock = clock
        self._calls = calls
        self._audience = audience
        self._reader = reader
        self._conversations: dict[Client, _Conversation] = {}
        self._bound: dict[str, dict[str, Trigger]] = {JOIN: {}, LEAVE: {}}
        self._muted_until = 0.0
        self._logged = 0

    # --- bindings ----------------------------------------------------------------------------------------------------

    @handles(BindTrigger)
    def bind(self, request: BindTrigger) -> None:
        self._bound[request.trigger.trigger_type][request.trigger.id] = request.trigger

    @handles(UnbindTrigger)
    def unbind(self, request: UnbindTrigger) -> None:
        self._bound[request.trigger.trigger_type].pop(request.trigger.id, None)

    # --- what clients do ---------------------------------------------------------------------------------------------

    @handles(ClientCame)
    def came(self, came: ClientCame) -> None:
        self._conversations[came.client] = _Conversation(came.client, came.admitted)

    @handles(ClientSaid)
    def said(self, message: ClientSaid) -> None:
        conversation = self._conversations.get(message.client)
        try:
            request = socket_messages.decode(message.payload)
        except Undecodable as error:
            self._undecodable(message, error)
            request = None
        if conversation is None or request is None:
            message.client.dealt_with()
            return
        conversation.waiting.append(request)
        if conversation.flow is None:
            self._next(conversation)

    @handles(ClientLeft)
    def left(self, left: ClientLeft) -> None:
        """What is being done is still done, what has not begun is not; then it takes leave of its subscriptions."""
        self._audience.tell(Forget(left.client.writer))
        conversation = self._conversations.pop(left.client, None)
        if conversation is not None:
            conversation.waiting.clear()
            if conversation.flow is None:
                self._next(conversation)

    # --- one thing after the other -----------------------------------------------------------------------------------

    def _next(self, conversation: _Conversation) -> None:
        """Begin with what comes next, until there is something to wait for."""
        while conversation.flow is None:
            if conversation.waiting:
                request = conversation.waiting.popleft()
                act = self._join if isinstance(request, Join) else self._leave
                conversation.flow = act(conversation, request.data)
                self._advance(conversation, None)
            elif conversation.client not in self._conversations and conversation.subscriptions:
                conversation.flow = self._depart(conversation)
                self._advance(conversation, None)
            else:
                return

    def _advance(self, conversation: _Conversation, result: Result | None) -> None:
        """Go on with what is being done, up to its next wait or its end."""
        flow = conversation.flow
        assert flow is not None  # noqa: S101 - the callers have looked
        try:
            start = flow.send(result)
        except StopIteration:
            conversation.flow = None
            conversation.client.dealt_with()
            return
        except Exception:
            logger.exception("A message of the stream client at %s cannot be dealt with", conversation.client.address)
            conversation.flow = None
            conversation.client.dealt_with()
            return
        conversation.turn += 1
        turn, tell = conversation.turn, self.actor_inbox.put
        conversation.timer = self._clock.call_later(STREAM_HANDLER_S, lambda: tell(_Outcome(conversation, turn, None)))
        start(lambda result, error: tell(_Outcome(conversation, turn, (result, error))))

    @handles(_Outcome)
    def outcome(self, outcome: _Outcome) -> None:
        conversation, turn, result = outcome
        if turn == conversation.turn and conversation.flow is not None:
            if conversation.timer is not None:
                conversation.timer.cancel()
            self._advance(conversation, result)
            self._next(conversation)

    # --- what is done ------------------------------------------------------------------------------------------------

    def _join(self, conversation: _Conversation, wanted: Subscription) -> _Flow:
        subscriptions = conversation.subscriptions
        allowed = wanted.subscription_id in subscriptions or len(subscriptions) < STREAM_SUBSCRIPTIONS
        if not allowed:
            address = conversation.client.address
            logger.warning("The stream client at %s has %d subscriptions, the limit", address, STREAM_SUBSCRIPTIONS)
        else:
            for trigger in list(self._bound[JOIN].values()):
                result = yield partial(self._call, trigger, self._told(conversation, wanted))
                allowed &= not self._refused(trigger, result)
        writer = conversation.client.writer
        if not allowed:
            self._tell(writer, wanted, _UNAUTHORIZED)
            return
        subscriptions[wanted.subscription_id] = wanted
        if conversation.client not in self._conversations:
            return
        place = wanted.stream_name, wanted.group_id, wanted.id
        self._audience.tell(Follow(writer, wanted.subscription_id, place))
        found = yield partial(self._synchronise, writer, wanted)
        if found is None or found[1] is not None:
            reason = found[1].message if found is not None and found[1] is not None else "it takes too long"
            logger.warning("No sync of %s/%s, for it cannot be read: %s", wanted.stream_name, wanted.group_id, reason)

    def _synchronise(
        self, writer: Ref, wanted: Subscription, done: Callable[[Raw, wire.ErrorBody | None], None]
    ) -> None:
        """Read, and tell the subscriber, from where it is read: no later event overtakes it."""

        def read(result: Raw, error: wire.ErrorBody | None) -> None:
            if error is None:
                empty = b"[]" if wanted.id is None else NULL
                data = bytes(result) if wire.present(result) else empty
                self._tell(writer, wanted, b'{"type":"sync","data":%b}' % data)
            done(result, error)

        self._reader.tell(Read(wanted.stream_name, wanted.group_id, wanted.id, read))

    def _leave(self, conversation: _Conversation, left: Subscription) -> _Flow:
        yield from self._take_leave(conversation, left)
        if conversation.subscriptions.pop(left.subscription_id, None) is not None:
            self._audience.tell(Unfollow(conversation.client.writer, left.subscription_id))

    def _depart(self, conversation: _Conversation) -> _Flow:
        """The connection has ended: take leave of all that it followed.

        The first that takes too long is the last to be waited for, or connections that come and go would pile up.
        """
        in_time = True
        while conversation.subscriptions:
            _, left = conversation.subscriptions.popitem()
            if in_time:
                in_time = yield from self._take_leave(conversation, left)
            else:
                for trigger in self._bound[LEAVE].values():
                    self._call(trigger, self._told(conversation, left), _forgotten)

    def _take_leave(self, conversation: _Conversation, left: Subscription) -> Generator[_Start, Result | None, bool]:
        """Call the functions bound to leaving, one after the other; returns whether each has answered in time."""
        in_time = True
        for trigger in list(self._bound[LEAVE].values()):
            result = yield partial(self._call, trigger, self._told(conversation, left))
            if result is None:
                _log_failure(trigger, "it takes too long")
                in_time = False
            elif result[1] is not None:
                _log_failure(trigger, f"{result[1].code}: {result[1].message}")
        return in_time

    @staticmethod
    def _refused(trigger: Trigger, result: Result | None) -> bool:
        """Return whether a join function refuses: exactly ``unauthorized: true`` does, and no answer in time."""
        if result is None:
            _log_failure(trigger, "it takes too long, and the subscription is refused")
            return True
        answer, error = result
        if error is not None:
            _log_failure(trigger, f"{error.code}: {error.message}")
            return False
        try:
            return wire.present(answer) and _verdict(answer).unauthorized is True
        except (msgspec.MsgspecError, RecursionError):
            return False

    # --- telling -----------------------------------------------------------------------------------------------------

    def _call(self, trigger: Trigger, payload: Raw, done: Callable[[Raw, wire.ErrorBody | None], None]) -> None:
        metadata = trigger.metadata if wire.present(trigger.metadata) else wire.ABSENT
        self._calls.call(trigger.function_id, payload, done, namespace=trigger.namespace, metadata=metadata)

    @staticmethod
    def _told(conversation: _Conversation, about: Subscription) -> Raw:
        """Return what join and leave functions are given."""
        return raw(
            {
                "subscription_id": about.subscription_id,
                "stream_name": about.stream_name,
                "group_id": about.group_id,
                "id": about.id,
                "context": conversation.context,
            }
        )

    def _tell(self, writer: Ref, about: Subscription, body: bytes) -> None:
        at_ms = int(self._clock.now() * 1000)
        self._audience.tell(Tell(writer, Event(about.stream_name, about.group_id, about.id, body, at_ms)))

    def _undecodable(self, message: ClientSaid, error: Undecodable) -> None:
        """Log a message that is ignored; those who send many are not allowed to fill the log."""
        now = self._clock.monotonic()
        if now >= self._muted_until:
            if self._logged > STREAM_UNDECODABLE_LOG_PER_S:
                logger.warning("Stream clients: %d more", self._logged - STREAM_UNDECODABLE_LOG_PER_S)
            self._muted_until, self._logged = now + 1.0, 0
        self._logged += 1
        if self._logged <= STREAM_UNDECODABLE_LOG_PER_S:
            logger.warning(
                "The stream client at %s sent what is no join or leave; ignored. %s: %.200r",
                message.client.address,
                error,
                message.payload[:200],
            )


def _log_failure(trigger: Trigger, why: str) -> None:
    logger.warning("Trigger %s (%s): %s failed: %s", trigger.id, trigger.trigger_type, trigger.function_id, why)


def _forgotten(_: Raw, __: wire.ErrorBody | None) -> None:
    """Nobody waits for this outcome."""
