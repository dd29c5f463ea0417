"""Topics: the trigger type ``subscribe``, who is called for which, and ``publish`` (pubsub.md §2 to §4)."""

from __future__ import annotations

import logging
from typing import Final

import msgspec
from msgspec import Raw, Struct
from pykka import ActorDeadError

from iii_actors.actor import LightActor, Ref, handles
from iii_actors.builtin.pubsub import messages
from iii_actors.builtin.pubsub.bus import Bus
from iii_actors.builtin.pubsub.messages import Arrived, SendAskers, Subscribe, Unsubscribe, UseBus
from iii_actors.builtin.pubsub.wanted import topic_of
from iii_actors.builtin.wording import invalid_type, missing_field
from iii_actors.core.ids import invocation_id
from iii_actors.core.messages import Answer, BindTrigger, Forward, Invoke, UnbindTrigger
from iii_actors.core.outcome import wire_error
from iii_actors.core.registrations import Elsewhere
from iii_actors.core.triggers import Trigger
from iii_actors.errors import DeserializationError, EngineError, InvocationError, TopicNotSet
from iii_actors.wire import messages as wire

__all__ = ["PUBLISH", "Topics"]

logger = logging.getLogger(__name__)

PUBLISH: Final = "publish"


class _Message(Struct, frozen=True, gc=False):
    """What ``publish`` is given; the data is passed on as it is written."""

    topic: str
    data: Raw


_message: Final = msgspec.json.Decoder(_Message)
_pair: Final = msgspec.json.Decoder(tuple[str, Raw])
_anything: Final = msgspec.json.Decoder()


class Topics(LightActor):
    """Calls each subscription's function once per message, and waits for none.

    It runs on the thread that brings the publisher's call, which thus pays for the deliveries that it causes. A light
    actor: nothing here waits.

    :param functions: the function registry.
    :param invocations: the invocation tracker.
    """

    def __init__(self, functions: Ref, invocations: Ref) -> None:
        super().__init__()
        self._functions = functions
        self._invocations = invocations
        self._topics: dict[str, dict[str, Trigger]] = {}
        self._topic_of: dict[str, str] = {}
        self._bus: Bus | None = None
        self._desk: Ref | None = None
        """Makes the bindings; None: nothing has to be waited for, so they are made here."""

    # --- subscriptions -----------------------------------------------------------------------------------------------

    @handles(BindTrigger)
    def bind(self, request: BindTrigger) -> Elsewhere | None:
        """Subscribe, on the thread of whoever binds; a binding without a topic is taken, and never fires."""
        if self._desk is not None:
            return self._send_to(self._desk, request, asked=request.answer_to is None)
        topic = topic_of(request.trigger)
        if topic is None:
            self.unsubscribe(Unsubscribe(request.trigger))
        else:
            self.subscribe(Subscribe(topic, request.trigger))
        return None

    @handles(UnbindTrigger)
    def unbind(self, request: UnbindTrigger) -> Elsewhere | None:
        if self._desk is not None:
            return self._send_to(self._desk, request, asked=request.final)
        self.unsubscribe(Unsubscribe(request.trigger))
        return None

    @staticmethod
    def _send_to(desk: Ref, request: BindTrigger | UnbindTrigger, *, asked: bool) -> Elsewhere | None:
        """Send an asker to the desk; what was only told is told there."""
        if asked:
            return Elsewhere(desk)
        try:
            desk.tell(request)
        except ActorDeadError:
            logger.debug("The engine is stopping")
        return None

    @handles(SendAskers)
    def send_askers(self, request: SendAskers) -> None:
        self._desk = request.desk

    @handles(Subscribe)
    def subscribe(self, request: Subscribe) -> list[str]:
        topic, trigger = request
        before = self._topic_of.get(trigger.id)
        left = self._remove(trigger.id) if before != topic else []
        self._topics.setdefault(topic, {})[trigger.id] = trigger
        self._topic_of[trigger.id] = topic
        return left

    @handles(Unsubscribe)
    def unsubscribe(self, request: Unsubscribe) -> list[str]:
        trigger = request.trigger
        topic = self._topic_of.get(trigger.id)
        if topic is None or _owner(self._topics[topic][trigger.id]) != _owner(trigger):
            # Another worker has taken the id over meanwhile.
            return []
        return self._remove(trigger.id)

    def _remove(self, trigger_id: str) -> list[str]:
        """Take out one subscription, and its topic if it was the last one's."""
        topic = self._topic_of.pop(trigger_id, None)
        if topic is None:
            return []
        subscriptions = self._topics[topic]
        del subscriptions[trigger_id]
        if subscriptions:
            return []
        del self._topics[topic]
        return [topic]

    @handles(messages.Topics)
    def list_topics(self, _: messages.Topics) -> list[str]:
        return list(self._topics)

    @handles(UseBus)
    def use(self, request: UseBus) -> None:
        self._bus = request.bus

    # --- messages ----------------------------------------------------------------------------------------------------

    @handles(Forward)
    def publish(self, forward: Forward) -> None:
        """Deliver, or hand to the bus; then answer, with neither result nor error."""
        invoke = forward.invoke
        try:
            message = _message.decode(invoke.call.data)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            message = None
        if message is None or not message.topic:
            self._publish_odd(forward)
            return
        self._send(message.topic, message.data)
        self._invocations.tell(Answer(invoke.invocation_id, wire.ABSENT))

    def _publish_odd(self, forward: Forward) -> None:
        """The same for an input that is not what it should be: mostly a mistake to be worded."""
        error: wire.ErrorBody | None = None
        try:
            topic, data = _read(forward.invoke.call.data)
        except EngineError as wrong:
            error = wire_error(wrong)
        else:
            self._send(topic, data)
        self._invocations.tell(Answer(forward.invoke.invocation_id, wire.ABSENT, error))

    def _send(self, topic: str, data: Raw) -> None:
        if self._bus is not None:
            self._bus.publish(topic, data)
        else:
            self._deliver(topic, data)

    @handles(Arrived)
    def arrived(self, message: Arrived) -> None:
        self._deliver(message.topic, message.data)

    def _deliver(self, topic: str, data: Raw) -> None:
        """Call everybody: the call's data is the message's, without envelope, metadata or trace (pubsub.md §4)."""
        subscriptions = self._topics.get(topic)
        if subscriptions is None:
            return
        tell = self._functions.tell
        for trigger in subscriptions.values():
            own_id = invocation_id()
            call = wire.InvokeFunction(trigger.function_id, own_id, data=data)
            tell(Invoke(call, trigger.namespace, own_id, None, None))

    def on_handler_error(self, message: object, error: Exception) -> None:
        """A publisher is answered whatever happens."""
        if isinstance(message, Forward):
            failed = InvocationError("publish failed; the engine's log says why")
            self._invocations.tell(Answer(message.invoke.invocation_id, wire.ABSENT, wire_error(failed)))


def _owner(trigger: Trigger) -> str | None:
    return trigger.owner.worker_id if trigger.owner is not None else None


def _read(data: Raw) -> tuple[str, Raw]:
    """Return topic and data of an input that is an object with a mistake in it, or the list ``[topic, data]``.

    Raises :class:`TopicNotSet` or :class:`DeserializationError`, worded as in pubsub.md §2.
    """
    try:
        given = _anything.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise DeserializationError(PUBLISH, str(error)) from None
    if isinstance(given, list):
        if len(given) < 2:  # noqa: PLR2004 - topic and data
            detail = f"invalid length {len(given)}, expected struct PubSubInput with 2 elements"
            raise DeserializationError(PUBLISH, detail)
        topic = given[0]
    elif not isinstance(given, dict):
        raise DeserializationError(PUBLISH, invalid_type(given, "struct PubSubInput"))
    elif "topic" not in given:
        raise DeserializationError(PUBLISH, missing_field("topic"))
    else:
        topic = given["topic"]
    if not isinstance(topic, str):
        raise DeserializationError(PUBLISH, invalid_type(topic, "a string"))
    if isinstance(given, dict) and "data" not in given:
        raise DeserializationError(PUBLISH, missing_field("data"))
    if not topic:
        raise TopicNotSet
    try:
        if isinstance(given, list):
            return _pair.decode(data)
        whole = _message.decode(data)
    except (msgspec.MsgspecError, ValueError) as error:
        raise DeserializationError(PUBLISH, str(error)) from None
    return whole.topic, whole.data
