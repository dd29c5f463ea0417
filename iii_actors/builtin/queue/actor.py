"""The actor of ``iii-queue``: carries out the calls of its functions, and serves its trigger type (queue.md §2 to §7).

A light actor: it never waits. A call is answered when the broker has answered, on whichever thread that is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from pykka import ActorDeadError

from iii_actors.actor import LightActor, handles
from iii_actors.brokers.contract import Broker
from iii_actors.builtin.base import Call
from iii_actors.builtin.queue.catalogue import Catalogue
from iii_actors.builtin.queue.inspecting import Inspecting
from iii_actors.builtin.queue.mending import Mending
from iii_actors.builtin.queue.messages import (
    ApplySettings,
    Begin,
    Forgotten,
    Found,
    Halt,
    LookAround,
    Sweep,
    UseBroker,
)
from iii_actors.builtin.queue.producing import ENQUEUE, PUBLISH, PUBLISH_FOR_RECEIPT, Producer
from iii_actors.clock import Timer
from iii_actors.config.queue import QueueSettings
from iii_actors.core.messages import BindTrigger, Forward, UnbindTrigger
from iii_actors.core.refs import Core
from iii_actors.errors import EngineError, InvocationError
from iii_actors.limits import QUEUE_LOOK_AROUND_S

__all__ = ["QueueActor"]

_SWEEPS: Final = 10
"""In the time after which a subscription is forgotten."""


class _Look(NamedTuple):
    """To the actor itself: see which subscriptions there are now, then publish this."""

    forward: Forward
    first: bool = False
    """It has not been tried; if another engine drops a queue just now, it is tried once more."""


class _Publish(NamedTuple):
    """To the actor itself: publish this, now that is known who has subscribed."""

    forward: Forward
    again: Callable[[], None] | None


class QueueActor(LightActor):
    """Owns the catalogue of queues; their consumers are actors of their own.

    :param broker: open.
    """

    def __init__(self, core: Core, broker: Broker, settings: QueueSettings) -> None:
        super().__init__()
        self._core = core
        self._use(Catalogue(core, broker, settings, self.actor_ref))
        self._sweep: Timer | None = None
        self._look: Timer | None = None

    def _use(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._producer = Producer(self._core, catalogue)
        shared = catalogue.broker.abilities.shared
        self._produce: dict[str, Callable[[Forward], None]] = {
            ENQUEUE: self._producer.enqueue,
            PUBLISH: self._publish_shared if shared else self._producer.publish,
            PUBLISH_FOR_RECEIPT: self._publish_shared if shared else self._producer.publish,
        }
        self._functions = {**Inspecting(catalogue).functions, **Mending(catalogue).functions}

    # --- calls -------------------------------------------------------------------------------------------------------

    @handles(Forward)
    def execute(self, forward: Forward) -> None:
        produce = self._produce.get(forward.function.function_id)
        self._guarded(forward, self._operate if produce is None else produce)

    def _operate(self, forward: Forward) -> None:
        call = Call(forward, self._core.invocations)
        self._functions[call.function_id](call)

    def _guarded(self, forward: Forward, act: Callable[[Forward], None]) -> None:
        """Carry out a call; whatever goes wrong, its caller is answered."""
        try:
            act(forward)
        except EngineError as error:
            Call(forward, self._core.invocations).fail(error)
        except Exception:
            failure = InvocationError(f"{forward.function.function_id} failed; the engine's log says why")
            Call(forward, self._core.invocations).fail(failure)
            raise

    # --- subscriptions -----------------------------------------------------------------------------------------------

    @handles(BindTrigger)
    def bind(self, request: BindTrigger) -> None:
        self._catalogue.bind(request.trigger)

    @handles(UnbindTrigger)
    def unbind(self, request: UnbindTrigger) -> None:
        self._catalogue.unbind(request.trigger, request.final)

    @handles(Forgotten)
    def forgotten(self, message: Forgotten) -> None:
        self._catalogue.forgotten(message)

    # --- a broker that others use too --------------------------------------------------------------------------------

    @handles(LookAround)
    def look_around(self, _: LookAround) -> None:
        broker, tell = self._catalogue.broker, self._tell_self

        def found(keys: Sequence[str] | None, _: EngineError | None) -> None:
            if keys is not None:
                tell(Found(broker, keys))

        if broker.abilities.shared:
            broker.queues(found)
            self._look = self._core.clock.call_later(QUEUE_LOOK_AROUND_S, lambda: tell(LookAround()))

    @handles(Found)
    def found(self, message: Found) -> None:
        if message.broker is self._catalogue.broker:
            self._catalogue.found(message.keys)

    def _publish_shared(self, forward: Forward) -> None:
        """Publish; if nobody here knows a subscriber, look first whether another engine has one."""
        topic = self._producer.topic_of(forward)
        if topic is None or self._catalogue.has_subscriber(topic):
            self._producer.publish(forward, lambda: self._tell_self(_Look(forward)))
        else:
            self.look_first(_Look(forward, first=True))

    @handles(_Look)
    def look_first(self, message: _Look) -> None:
        broker, tell = self._catalogue.broker, self._tell_self
        again = (lambda: tell(_Look(message.forward))) if message.first else None

        def found(keys: Sequence[str] | None, _: EngineError | None) -> None:
            if keys is not None:
                tell(Found(broker, keys))
            tell(_Publish(message.forward, again))

        broker.queues(found)

    @handles(_Publish)
    def publish(self, message: _Publish) -> None:
        self._guarded(message.forward, lambda forward: self._producer.publish(forward, message.again))

    def _tell_self(self, message: object) -> None:
        try:
            self.actor_ref.tell(message)
        except ActorDeadError:
            return

    # --- what nobody comes back to -----------------------------------------------------------------------------------

    @handles(Sweep)
    def sweep(self, _: Sweep) -> None:
        self._catalogue.sweep()
        self._sweep_later()

    def _sweep_later(self) -> None:
        delay_s = self._catalogue.settings.forget_subscription_after_s / _SWEEPS
        self._sweep = self._core.clock.call_later(delay_s, lambda: self._tell_self(Sweep()))

    # --- beginning, changing, ending ---------------------------------------------------------------------------------

    @handles(Begin)
    def begin(self, request: Begin) -> None:
        self._catalogue.begin(request.keys)
        self._sweep_later()
        self.look_around(LookAround())

    @handles(ApplySettings)
    def apply_settings(self, request: ApplySettings) -> None:
        self._catalogue.apply(request.settings)

    @handles(UseBroker)
    def use_broker(self, request: UseBroker) -> Broker:
        old = self._catalogue.broker
        self._use(self._catalogue.moved(request.broker, request.keys, request.settings))
        self._cancel(self._look)
        self.look_around(LookAround())
        return old

    @handles(Halt)
    def halt(self, _: Halt) -> None:
        self._catalogue.cease(stopping=True)

    def on_stop(self) -> None:
        self._cancel(self._sweep)
        self._cancel(self._look)
        for consumer in self._catalogue.consumers():
            consumer.stop(block=False)

    @staticmethod
    def _cancel(timer: Timer | None) -> None:
        if timer is not None:
            timer.cancel()
