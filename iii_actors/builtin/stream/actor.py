"""The actor of ``iii-stream``: carries out its functions' calls in the order in which they come (stream.md §2-§4).

A light actor: with the store in memory a call is answered on the thread that brings it. Before each operation it has
looked up whether a custom provider has registered itself for that stream, which then answers in the store's place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw

from iii_actors.actor import LightActor, Ref, handles
from iii_actors.builtin.base import Call
from iii_actors.builtin.calls import Calls
from iii_actors.builtin.inputs import Input
from iii_actors.builtin.stored import Applying, change_text, failure
from iii_actors.builtin.stream import events, inputs, providers
from iii_actors.builtin.stream.audience import Publish
from iii_actors.builtin.stream.events import Event
from iii_actors.builtin.stream.reading import Read, ReadDone, Reading
from iii_actors.builtin.stream.watching import Watching
from iii_actors.builtin.updates import operations
from iii_actors.builtin.updates.operations import MalformedOperation, Operation
from iii_actors.core.messages import DEFAULT_NAMESPACE, BindTrigger, Forward, UnbindTrigger
from iii_actors.core.queries import Locate, Located
from iii_actors.core.refs import Core
from iii_actors.errors import EngineError, InvocationError
from iii_actors.storage import Change, Entry, Scope, Store
from iii_actors.wire import messages as wire

__all__ = ["StreamActor"]

_encode: Final = msgspec.json.Encoder().encode

_INPUTS: Final[dict[str, Input[Any]]] = {
    "stream::get": inputs.GET,
    "stream::set": inputs.SET,
    "stream::delete": inputs.DELETE,
    "stream::update": inputs.UPDATE,
    "stream::list": inputs.LIST,
    "stream::list_groups": inputs.LIST_GROUPS,
    "stream::list_all": inputs.LIST_ALL,
    "stream::send": inputs.SEND,
}
_NOT_PROVIDED: Final = frozenset({"stream::list_all", "stream::send"})
"""These cannot be overridden."""
_FAILURES: Final = {
    "stream::set": ("STREAM_SET_ERROR", "Failed to set value: "),
    "stream::update": ("STREAM_UPDATE_ERROR", "Failed to update value: "),
    "stream::delete": ("STREAM_DELETE_ERROR", "Failed to delete value: "),
    "stream::get": ("STREAM_GET_ERROR", "Failed to get value: "),
    "stream::list": ("STREAM_GET_GROUP_ERROR", "Failed to get group: "),
    "stream::list_groups": ("STREAM_LIST_GROUPS_ERROR", "Failed to list groups: "),
    "stream::list_all": ("STREAM_LIST_ALL_ERROR", "Failed to list stream: "),
}


class _Step(NamedTuple):
    """One operation under way."""

    function_id: str
    request: Any
    call: Call | Reading
    """Its trace context is carried on by the triggers' calls."""
    operations: Sequence[Operation] = ()


class _Happened(NamedTuple):
    """To the actor itself: it has happened; everybody is to be told."""

    event: Event
    trace: wire.InvokeFunction


_SPAN: Final = "stream_triggers"
"""Around the functions that an event calls (observability.md §4)."""
_UNTRACED: Final = "iii:devtools:"
"""Streams whose names begin so show traces themselves."""


class StreamActor(LightActor):
    """Owns the store and the bindings.

    :param calls: calls the bindings' functions and the custom providers.
    :param audience: tells those who follow on the subscription socket.
    """

    def __init__(self, core: Core, store: Store, calls: Calls, audience: Ref) -> None:
        super().__init__()
        self._audience = audience
        self._core = core
        self._store = store
        self._calls = calls
        self._watching = Watching()
        self._own: dict[str, Callable[[_Step], None]] = {
            "stream::get": self._get,
            "stream::set": self._set,
            "stream::delete": self._delete,
            "stream::update": self._update,
            "stream::list": self._list,
            "stream::list_groups": self._list_groups,
            "stream::list_all": self._list_all,
            "stream::send": self._send,
        }

    # --- calls -------------------------------------------------------------------------------------------------------

    @handles(Forward)
    def execute(self, forward: Forward) -> None:
        call = Call(forward, self._core.invocations)
        try:
            source = _INPUTS[call.function_id]
            request = source.read(call.data)
            asked: Sequence[Operation] = ()
            if source is inputs.UPDATE:
                try:
                    asked = operations(request.ops)
                except MalformedOperation as error:
                    raise source.refused(str(error)) from None
            self._begin(_Step(call.function_id, request, call, asked))
        except EngineError as error:
            call.fail(error)
        except Exception:
            call.fail(InvocationError(f"{call.function_id} failed; the engine's log says why"))
            raise

    def _begin(self, step: _Step) -> None:
        """Have the provider looked up first; the answer comes to :meth:`located`, in order.

        All steps take that way, so that none overtakes one that was asked for before it.
        """
        provider = _provider(step) or step.function_id
        self._core.functions.tell(Locate(DEFAULT_NAMESPACE, provider, self.actor_ref, step))

    @handles(Read)
    def read(self, read: Read) -> None:
        """Read for a subscriber, in order with the calls."""
        self._begin(_Step(read.function_id, read.request(), Reading(read, self.actor_inbox.put)))

    @handles(ReadDone)
    def read_done(self, outcome: ReadDone) -> None:
        """Pass it on behind what has happened before."""
        outcome.read.done(outcome.result, outcome.error)

    @handles(Located)
    def located(self, located: Located) -> None:
        step: _Step = located.context
        try:
            provider = _provider(step)
            if located.found and provider is not None:
                self._ask_provider(step, provider)
            else:
                self._own[step.function_id](step)
        except Exception:
            step.call.fail(InvocationError(f"{step.function_id} failed; the engine's log says why"))
            raise

    # --- custom providers --------------------------------------------------------------------------------------------

    def _ask_provider(self, step: _Step, provider: str) -> None:
        function_id = step.function_id

        def done(result: Raw, error: wire.ErrorBody | None) -> None:
            try:
                if function_id in ("stream::set", "stream::update"):
                    change, text = providers.written(result, error, *_FAILURES[function_id])
                elif function_id == "stream::delete":
                    change, text = providers.deleted(result, error, *_FAILURES[function_id])
                elif error is not None:
                    raise providers.passed_on(error)
                else:
                    step.call.answer_text(None if providers.is_nothing(result) else bytes(result))
                    return
            except EngineError as failed:
                step.call.fail(failed)
                return
            self._happened(step, events.changed(change))
            step.call.answer_text(text)

        self._calls.call(
            provider,
            providers.given(step.request),
            done,
            traceparent=step.call.call.traceparent,
            baggage=step.call.call.baggage,
        )

    # --- the engine's own store --------------------------------------------------------------------------------------

    def _get(self, step: _Step) -> None:
        def done(entry: Entry | None, error: EngineError | None) -> None:
            if error is not None:
                _fail(step, error)
            else:
                step.call.answer_text(None if entry is None else entry.text)

        self._store.get(_group(step), step.request.item_id, done)

    def _list(self, step: _Step) -> None:
        def done(entries: Sequence[tuple[str, Entry]] | None, error: EngineError | None) -> None:
            if entries is None:
                _fail(step, error)
            else:
                step.call.answer_text(b"[%b]" % b",".join([entry.text for _, entry in entries]))

        self._store.list(_group(step), done)

    def _list_groups(self, step: _Step) -> None:
        def done(scopes: Sequence[Scope] | None, error: EngineError | None) -> None:
            if scopes is None:
                _fail(step, error)
            else:
                step.call.answer_text(_encode([group for _, group in scopes]))

        self._store.scopes((step.request.stream_name,), done)

    def _list_all(self, step: _Step) -> None:
        def done(scopes: Sequence[Scope] | None, error: EngineError | None) -> None:
            if scopes is None:
                _fail(step, error)
                return
            groups: dict[str, list[str]] = {}
            for stream, group in scopes:
                groups.setdefault(stream, []).append(group)
            found = [{"id": stream, "groups": named} for stream, named in groups.items()]
            step.call.answer_text(_encode({"stream": found, "count": len(found)}))

        self._store.scopes((), done)

    def _set(self, step: _Step) -> None:
        self._store.set(_group(step), step.request.item_id, bytes(step.request.data), self._written(step))

    def _update(self, step: _Step) -> None:
        changing = Applying(step.operations, step.request.ops)
        self._store.update(_group(step), step.request.item_id, changing, self._written(step))

    def _written(self, step: _Step) -> Callable[[Change | None, EngineError | None], None]:
        def done(change: Change | None, error: EngineError | None) -> None:
            if change is None:
                _fail(step, error)
            else:
                self._happened(step, events.changed(change))
                step.call.answer_text(change_text(change))

        return done

    def _delete(self, step: _Step) -> None:
        def done(change: Change | None, error: EngineError | None) -> None:
            if change is None:
                _fail(step, error)
            else:
                self._happened(step, events.changed(change))
                old = change.old.text if change.old is not None else b"null"
                step.call.answer_text(b'{"old_value":%b}' % old)

        self._store.delete(_group(step), step.request.item_id, done)

    def _send(self, step: _Step) -> None:
        request: inputs.StreamSendInput = step.request
        self._happened(step, events.sent(request.type, request.data), request.id)
        step.call.answer_text(b"null")

    # --- what happens then -------------------------------------------------------------------------------------------

    def _happened(self, step: _Step, body: bytes | None, item_id: str | None = None) -> None:
        """Have everybody told, by this actor, whatever thread the outcome came on."""
        if body is not None:
            request = step.request
            item = getattr(request, "item_id", item_id)
            at_ms = int(self._core.clock.now() * 1000)
            event = Event(request.stream_name, request.group_id, item, body, at_ms)
            self.actor_inbox.put(_Happened(event, step.call.call))

    @handles(_Happened)
    def tell_everybody(self, happened: _Happened) -> None:
        event, trace = happened
        bound = self._watching.concerned(event)
        if bound:
            name = None if event.stream_name.startswith(_UNTRACED) else _SPAN
            self._calls.fire_in_turn(bound, event.envelope(), trace.traceparent, trace.baggage, name)
        self._audience.tell(Publish(event))

    # --- bindings ----------------------------------------------------------------------------------------------------

    @handles(BindTrigger)
    def bind(self, request: BindTrigger) -> None:
        self._watching.add(request.trigger)

    @handles(UnbindTrigger)
    def unbind(self, request: UnbindTrigger) -> None:
        self._watching.remove(request.trigger.id)


def _group(step: _Step) -> Scope:
    return step.request.stream_name, step.request.group_id


def _provider(step: _Step) -> str | None:
    """Return the function that a custom provider of the stream would have registered for this; None: it cannot."""
    return None if step.function_id in _NOT_PROVIDED else f"{step.function_id}({step.request.stream_name})"


def _fail(step: _Step, error: EngineError | None) -> None:
    step.call.fail(failure(*_FAILURES[step.function_id], error))
