"""The one shape of all built-in workers.

A built-in worker is a package of its own. It owns its actors and registers its functions and trigger types with the
same messages as a remote worker; the engine starts the workers in the order of the configuration and stops them in
reverse. An engine with none of them is still a complete engine.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw

from iii_actors import __version__
from iii_actors.access.policy import Access
from iii_actors.actor import Ref, ThreadedActor, ask, handles
from iii_actors.config import EngineConfig, WorkerInstance
from iii_actors.config.settings import Settings
from iii_actors.core.conversation import Sockets
from iii_actors.core.messages import (
    DEFAULT_NAMESPACE,
    AcknowledgeTrigger,
    AddBuiltin,
    Answer,
    BindTrigger,
    Forward,
    RegisterFunction,
    RegisterTriggerType,
    RemoveBuiltin,
    RemoveFunctionsOf,
    RemoveTriggersOf,
    Target,
    UnbindTrigger,
)
from iii_actors.core.outcome import wire_error
from iii_actors.core.refs import Core
from iii_actors.core.workers import WorkerRecord
from iii_actors.errors import DeserializationError, EngineError, InvocationError, SerializationError
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw

__all__ = ["DEFERRED", "Builtin", "BuiltinContext", "Call", "Desk", "FunctionSpec", "Opened", "is_builtin"]


@dataclass(frozen=True, slots=True)
class BuiltinContext:
    """What a built-in worker is given."""

    core: Core
    instance: WorkerInstance
    config: EngineConfig
    sockets: Sockets
    """For a port of its own whose clients talk over WebSocket."""
    go_down: Callable[[float | None], int] = lambda _: 0
    """Have the engine drained, within so many seconds (None: as configured), and stopped; answers how many calls are in
    flight. Any thread; does not wait for the end."""
    url: Callable[[], str] = lambda: ""
    """Where workers connect; known when the ports have been bound, which is before :meth:`Builtin.open`."""
    written: EngineConfig = field(default_factory=EngineConfig)
    """The settings as they were given, before what was changed while an engine ran (config-and-cli.md §3)."""
    change_worker: Callable[[str, Any], None] = lambda _worker_id, _block: None
    """Have a built-in worker go by another `config`. Waits; an actor's own thread may. Raises ``EngineError``, and
    then nothing has changed."""


class Builtin(ABC):
    """A built-in worker as the engine sees it. All methods run on the thread that starts or stops the engine."""

    description: str = ""
    always_on: bool = False

    def __init__(self, context: BuiltinContext) -> None:
        self.context = context
        self.core = context.core
        self.id = context.instance.id

    def start(self) -> None:
        """Appear in the worker list, then start the actors, functions and trigger types."""
        record = WorkerRecord(
            worker_id=self.id,
            connected_at=self.core.clock.now(),
            name=self.context.instance.kind,
            description=self.description or None,
            version=__version__,
            runtime="engine",
            isolation="in-process",
            status="available",
            in_process=True,
            always_on=self.always_on,
        )
        ask(self.core.workers, AddBuiltin(record))
        self.set_up()

    @abstractmethod
    def set_up(self) -> None:
        """Start actors, register functions and trigger types. Raises ``EngineError`` when it cannot work."""

    def open(self) -> None:  # noqa: B027 - a hook, not a duty
        """Begin to accept connections, if it has a port: every built-in worker has started, the listeners open next."""

    def change(self, settings: Settings) -> bool:
        """Go by other settings while it runs; False: it cannot, and is to be stopped and started with them.

        On the thread that changes the engine. Raises ``EngineError`` if they cannot be had: then all is as before.
        """
        return False

    def settings_changed(self, config: EngineConfig, written: EngineConfig) -> None:  # noqa: B027
        """Learn that the engine goes by other settings; ``written``: as given, ``config``: as they are gone by."""

    def drain(self) -> None:  # noqa: B027 - a hook, not a duty
        """Begin nothing of its own accord any more: the engine finishes what runs, and stops then. Does not wait."""

    def drained(self, timeout_s: float) -> bool:
        """Wait until what it has begun, beside calls in flight, is through; returns whether that came in time."""
        return True

    def stop_accepting(self) -> None:  # noqa: B027 - a hook, not a duty
        """Close its ports, if it has any, as the engine begins to stop: the workers that would answer go next.

        Called also when it has not started.
        """

    def stop(self) -> None:
        """Take everything back, in reverse."""
        ask(self.core.triggers, RemoveTriggersOf(self.id))
        ask(self.core.functions, RemoveFunctionsOf(self.id))
        self.tear_down()
        ask(self.core.workers, RemoveBuiltin(self.id))

    @abstractmethod
    def tear_down(self) -> None:
        """Stop the actors; flush what must last."""

    def actors(self) -> list[Ref]:
        """Its actors, for the figures."""
        return []

    def opened(self) -> list[Opened]:
        """Return the ports it listens on now."""
        return []

    def register_function(self, ref: Ref, spec: FunctionSpec) -> None:
        """Register a function that ``ref`` executes: it is told a :class:`Forward` per call."""
        definition = wire.RegisterFunction(
            spec.function_id,
            spec.description,
            spec.request_schema,
            spec.response_schema,
            raw({"internal": True}) if spec.internal else wire.ABSENT,
        )
        ask(self.core.functions, RegisterFunction(DEFAULT_NAMESPACE, definition, Target(self.id, ref, True)))

    def register_trigger_type(
        self, ref: Ref, type_id: str, description: str, config_schema: Raw = wire.ABSENT, call_schema: Raw = wire.ABSENT
    ) -> None:
        """Register a trigger type that ``ref`` serves: it is asked or told ``BindTrigger`` and ``UnbindTrigger``."""
        definition = wire.RegisterTriggerType(type_id, description, config_schema, call_schema)
        ask(self.core.triggers, RegisterTriggerType(DEFAULT_NAMESPACE, definition, Target(self.id, ref, True)))


class Opened(NamedTuple):
    """A port that a built-in worker listens on, beside the engine's own."""

    name: str
    """In one word: ``http``."""
    scheme: str
    host: str
    port: int


class FunctionSpec(msgspec.Struct, frozen=True):
    """A built-in function as it is registered."""

    function_id: str
    description: str
    request_schema: Raw = wire.ABSENT
    response_schema: Raw = wire.ABSENT
    internal: bool = False
    """Hidden from default listings (engine-functions.md §6)."""


_BUILT_IN: Final = ("engine::", "state::", "stream::", "configuration::", "iii::", "iii-", "bridge.")


def is_builtin(function_id: str) -> bool:
    """Return whether a function is one of the engine's own (observability.md §4)."""
    return function_id == "publish" or function_id.startswith(_BUILT_IN)


class Call:
    """One call of a built-in function."""

    __slots__ = ("_forward", "_invocations")

    def __init__(self, forward: Forward, invocations: Ref) -> None:
        self._forward = forward
        self._invocations = invocations

    @property
    def function_id(self) -> str:
        return self._forward.function.function_id

    @property
    def data(self) -> Raw:
        """The payload as sent; the caller's id is not spliced in, see :attr:`caller_id`."""
        return self._forward.invoke.call.data

    @property
    def caller_id(self) -> str | None:
        """The calling worker; None for calls the engine makes itself."""
        caller = self._forward.invoke.caller
        return caller.worker_id if caller is not None else None

    @property
    def access(self) -> Access | None:
        """What the calling session may do; None: everything (core.md §10)."""
        caller = self._forward.invoke.caller
        return caller.access if caller is not None else None

    @property
    def call(self) -> wire.InvokeFunction:
        """The call's envelope: trace context, metadata."""
        return self._forward.invoke.call

    def answer(self, result: object) -> None:
        """End the call: None answers with neither result nor error (engine-functions.md §1)."""
        try:
            body = wire.ABSENT if result is None else raw(result)
        except (TypeError, ValueError, RecursionError) as error:
            self.fail(SerializationError(str(error)))
            return
        self._invocations.tell(Answer(self._forward.invoke.invocation_id, body))

    def answer_text(self, text: bytes | None) -> None:
        """End the call with a result that is JSON text already; None: with neither result nor error."""
        self._invocations.tell(Answer(self._forward.invoke.invocation_id, wire.ABSENT if text is None else Raw(text)))

    def fail(self, error: EngineError) -> None:
        """End the call with an error."""
        self._invocations.tell(Answer(self._forward.invoke.invocation_id, wire.ABSENT, wire_error(error)))


DEFERRED: Final = object()
"""What a function returns that will answer its :class:`Call` later."""

Handler = Callable[[Any, Call], object]


class Desk(ThreadedActor):
    """An actor that executes built-in functions on a thread of its own, one call after the other; they may ask.

    Each function has an input type (a ``msgspec.Struct``, or ``Any``); wrong input is answered with
    ``deserialization_error``, an ``EngineError`` with its code, anything else with ``invocation_error`` and a log line.
    """

    def __init__(self, core: Core) -> None:
        super().__init__()
        self.core = core
        self._functions: dict[str, tuple[msgspec.json.Decoder[Any], Handler]] = {}

    def offer(self, function_id: str, input_type: Any, handler: Handler) -> None:
        """Name the handler of one function: ``(input, call) -> result``, or :data:`DEFERRED`. Before the first call."""
        self._functions[function_id] = (msgspec.json.Decoder(input_type), handler)

    @handles(Forward)
    def execute(self, forward: Forward) -> None:
        call = Call(forward, self.core.invocations)
        decoder, handler = self._functions[call.function_id]
        try:
            try:
                given = decoder.decode(call.data)
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                raise DeserializationError(call.function_id, _detail(error)) from None
            result = handler(given, call)
            if result is not DEFERRED:
                call.answer(result)
        except EngineError as error:
            call.fail(error)
        except Exception:
            call.fail(InvocationError(f"{call.function_id} failed; the engine's log says why"))
            raise

    @handles(BindTrigger)
    def _bind(self, request: BindTrigger) -> None:
        try:
            self.bind(request.trigger)
        except EngineError as error:
            if request.answer_to is None:
                raise
            trigger = request.trigger
            refusal = wire.TriggerRegistrationResult(
                trigger.id, trigger.trigger_type, trigger.function_id, wire_error(error)
            )
            request.answer_to.tell(AcknowledgeTrigger(self.provider_id, refusal))

    @handles(UnbindTrigger)
    def _unbind(self, request: UnbindTrigger) -> None:
        self.unbind(request.trigger)

    provider_id: str = ""
    """The built-in worker's id, for refusals."""

    def bind(self, trigger: Any) -> None:
        """Serve a binding of one of this worker's trigger types, or replace the one of the same id."""
        raise InvocationError(f"{type(self).__name__} serves no trigger types")

    def unbind(self, trigger: Any) -> None:
        """Stop serving a binding; unknown ones are no mistake."""


def _detail(error: Exception) -> str:
    """Word a wrong input as the protocol does: ``missing field `name```."""
    text = str(error)
    prefix = "Object missing required field `"
    if text.startswith(prefix):
        return "missing field `" + text[len(prefix) :]
    return text
