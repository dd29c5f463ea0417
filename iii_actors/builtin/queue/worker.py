"""The built-in worker ``iii-queue``: opens the broker, registers what the actor carries out (queue.md §1, §7)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Final

import pykka

from iii_actors.actor import Ref, ask, launch
from iii_actors.brokers.contract import Broker
from iii_actors.brokers.opening import open_broker
from iii_actors.builtin.base import Builtin, BuiltinContext, FunctionSpec
from iii_actors.builtin.queue import inputs, schemas
from iii_actors.builtin.queue.actor import QueueActor
from iii_actors.builtin.queue.messages import ApplySettings, Begin, Halt, UseBroker
from iii_actors.builtin.schemas import schema_of
from iii_actors.config.queue import QueueSettings
from iii_actors.config.settings import Settings
from iii_actors.errors import ConfigError, EngineError
from iii_actors.limits import ASK_TIMEOUT_S
from iii_actors.wire import messages as wire

__all__ = ["Queue"]

_FUNCTIONS: Final[Sequence[tuple[str, str, Any, Any]]] = (
    (
        "engine::queue::enqueue",
        "Puts a call into a named queue, to be made when its turn comes.",
        inputs.EnqueueInput,
        schemas.Receipt,
    ),
    ("iii::durable::publish", "Publishes a message to a durable topic.", inputs.PublishInput, None),
    (
        "engine::queue::publish",
        "Publishes a message to a durable topic, and answers with a receipt.",
        inputs.PublishInput,
        schemas.Receipt,
    ),
    ("iii::queue::redrive", "Puts all dead letters back.", inputs.QueueInput, schemas.RedriveResult),
    ("iii::queue::redrive_message", "Puts one dead letter back.", inputs.MessageInput, schemas.MessageResult),
    ("iii::queue::discard_message", "Throws one dead letter away.", inputs.MessageInput, schemas.MessageResult),
    ("engine::queue::list_topics", "Lists topics and named queues.", inputs.NothingInput, list[schemas.TopicRow]),
    ("engine::queue::topic_stats", "Counts a topic's jobs.", inputs.QueueInput, schemas.TopicStats),
    ("engine::queue::dlq_topics", "Counts dead letters.", inputs.NothingInput, list[schemas.DeadLetterTopic]),
    ("engine::queue::dlq_messages", "Lists dead letters, newest first.", inputs.PageInput, list[schemas.DeadLetter]),
    ("engine::queue::stats", "Shows the books: what became of every job.", inputs.StatsInput, schemas.Statistics),
    ("engine::queue::list_jobs", "Lists jobs of one state.", inputs.ListJobsInput, schemas.JobPage),
    ("engine::queue::get_job", "Shows one job, by id or receipt.", inputs.JobInput, schemas.JobShown),
    ("engine::queue::edit_job", "Changes a job that is not in flight.", inputs.EditJobInput, schemas.EditResult),
    ("engine::queue::cancel", "Cancels a job, by id or receipt.", inputs.CancelInput, schemas.CancelResult),
    ("engine::queue::redrive", "Puts dead letters back: one, or all.", inputs.OptionalJobInput, schemas.RedriveResult),
    ("engine::queue::discard", "Throws dead letters away: one, or all.", inputs.OptionalJobInput, schemas.PurgeResult),
    ("engine::queue::purge", "Throws jobs away.", inputs.PurgeInput, schemas.PurgeResult),
    ("engine::queue::pause", "Stops delivering; jobs are still taken in.", inputs.QueueInput, schemas.PauseResult),
    ("engine::queue::resume", "Delivers again.", inputs.QueueInput, schemas.PauseResult),
    (
        "engine::queue::forget",
        "Ends the subscriptions that have no trigger, without waiting for somebody to come back.",
        inputs.QueueInput,
        schemas.ForgetResult,
    ),
)
"""Id, description, input, result; None: none."""


class Queue(Builtin):
    """Durable queues."""

    description = "Named queues and durable topics: jobs that are tried until they are done, or kept as dead letters."

    def __init__(self, context: BuiltinContext) -> None:
        super().__init__(context)
        settings = context.instance.settings
        assert isinstance(settings, QueueSettings)  # noqa: S101 - the registry of built-in workers says so
        self._settings = settings
        self._broker: Broker | None = None
        self._actor: Ref | None = None

    def set_up(self) -> None:
        broker, keys = self._opened(self._settings)
        self._broker = broker
        actor = self._actor = launch(QueueActor(self.core, broker, self._settings))
        ask(actor, Begin(keys))
        for function_id, description, takes, returns in _FUNCTIONS:
            answer = schema_of(returns) if returns is not None else wire.ABSENT
            self.register_function(actor, FunctionSpec(function_id, description, schema_of(takes), answer))
        self.register_trigger_type(
            actor,
            "durable:subscriber",
            "Calls a function for each message of a durable topic, until it has succeeded",
            schema_of(schemas.SubscriberConfig),
        )

    def _opened(self, settings: QueueSettings) -> tuple[Broker, Sequence[str]]:
        """Open the broker that settings choose, and see which queues it has. Raises ``ConfigError``."""
        broker = open_broker(settings.adapter, self.id, self.core.clock)
        try:
            broker.open()
            return broker, _queues_of(broker)
        except BaseException:
            broker.close()
            raise

    def change(self, settings: Settings) -> bool:
        if not isinstance(settings, QueueSettings):
            return False
        self.apply(settings)
        return True

    def apply(self, settings: QueueSettings) -> None:
        """Work by other settings from now on: all of them, or none and an ``EngineError`` (queue.md §3).

        With another adapter its broker is opened first; jobs stay in the old one. May wait, so not from a light actor.
        """
        if self._actor is None:
            return
        if settings.adapter.store == self._settings.adapter.store:
            ask(self._actor, ApplySettings(settings))
        else:
            broker, keys = self._opened(settings)
            try:
                old: Broker = ask(self._actor, UseBroker(broker, keys, settings))
            except BaseException:
                broker.close()
                raise
            self._broker = broker
            old.close()
        self._settings = settings

    def drain(self) -> None:
        self.stop_accepting()

    def stop_accepting(self) -> None:
        """Deliver no more; a job whose worker is sent away from now on is delivered again after the next start."""
        if self._actor is not None:
            try:
                ask(self._actor, Halt())
            except pykka.ActorDeadError:
                return

    def tear_down(self) -> None:
        if self._actor is not None:
            self._actor.stop()
        if self._broker is not None:
            self._broker.close()

    def actors(self) -> list[Ref]:
        own = [self._actor] if self._actor is not None else []
        return [*own, *(self._broker.actors() if self._broker is not None else ())]


def _queues_of(broker: Broker) -> Sequence[str]:
    """Ask a broker for its queues, and wait for the answer."""
    answered = threading.Event()
    found: list[Sequence[str]] = []
    problems: list[EngineError] = []

    def done(queues: Sequence[str] | None, error: EngineError | None) -> None:
        if queues is not None:
            found.append(queues)
        if error is not None:
            problems.append(error)
        answered.set()

    broker.queues(done)
    if not answered.wait(ASK_TIMEOUT_S):
        raise ConfigError("iii-queue", "the broker does not say which queues it has", "look at its own log")
    if problems:
        raise ConfigError("iii-queue", f"the broker does not say which queues it has: {problems[0]}")
    return found[0]
