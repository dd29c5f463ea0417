"""The actor of ``iii-state``: carries out the calls of its functions in the order in which they come (state.md §2).

A light actor: with the store in memory a call is answered on the thread that brings it. Another kind of store answers
on a thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET

from iii_actors.actor import LightActor, handles
from iii_actors.builtin.base import Call
from iii_actors.builtin.calls import Calls
from iii_actors.builtin.pubsub.messages import Arrived
from iii_actors.builtin.state import inputs
from iii_actors.builtin.state.sharing import Sharing
from iii_actors.builtin.state.watching import Watching, event
from iii_actors.builtin.stored import Applying, StoredValueError, change_text, failure
from iii_actors.builtin.updates import operations
from iii_actors.builtin.updates.operations import MalformedOperation
from iii_actors.builtin.wording import missing_field
from iii_actors.config.state import StateSettings
from iii_actors.core.messages import BindTrigger, Forward, UnbindTrigger
from iii_actors.core.refs import Core
from iii_actors.errors import EngineError, InvocationError
from iii_actors.storage import Change, Entry, Scope, Store
from iii_actors.wire import messages as wire

__all__ = ["ApplySettings", "Share", "StateActor"]

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


class ApplySettings(NamedTuple):
    """Asked of the actor: from now on work by these settings; the store stays (state.md §6)."""

    settings: StateSettings


class Share(NamedTuple):
    """Asked of the actor: from now on tell the other engines on the same store of each change, and hear of theirs."""

    sharing: Sharing


class _Changed(NamedTuple):
    """To the actor itself: a value was written; whoever watches it is to be told."""

    scope: str
    key: str
    change: Change
    call: wire.InvokeFunction


_SPAN: Final = "state_triggers"
"""Around the functions that a change calls (observability.md §4)."""


class StateActor(LightActor):
    """Owns the store and the bindings.

    :param calls: makes the calls of the bindings' functions.
    """

    def __init__(self, core: Core, store: Store, calls: Calls, settings: StateSettings) -> None:
        super().__init__()
        self._invocations = core.invocations
        self._store = store
        self._calls = calls
        self._settings = settings
        self._watching = Watching()
        self._sharing: Sharing | None = None
        self._functions: dict[str, Callable[[Call], None]] = {
            "state::get": self._get,
            "state::set": self._set,
            "state::delete": self._delete,
            "state::update": self._update,
            "state::list": self._list,
            "state::list_groups": self._list_groups,
            "state::list_keys": self._list_keys,
            "state::get_many": self._get_many,
        }

    @handles(Forward)
    def execute(self, forward: Forward) -> None:
        call = Call(forward, self._invocations)
        try:
            self._functions[call.function_id](call)
        except EngineError as error:
            call.fail(error)
        except Exception:
            call.fail(InvocationError(f"{call.function_id} failed; the engine's log says why"))
            raise

    @handles(ApplySettings)
    def apply_settings(self, request: ApplySettings) -> None:
        self._settings = request.settings

    # --- bindings ----------------------------------------------------------------------------------------------------

    @handles(BindTrigger)
    def bind(self, request: BindTrigger) -> None:
        self._watching.add(request.trigger)

    @handles(UnbindTrigger)
    def unbind(self, request: UnbindTrigger) -> None:
        self._watching.remove(request.trigger.id)

    @handles(_Changed)
    def tell_watchers(self, changed: _Changed) -> None:
        scope, key, change, call = changed
        bound = self._watching.concerned(scope, key)
        if bound or self._sharing is not None:
            payload = event(scope, key, change)
            if self._sharing is not None:
                self._sharing.publish(scope, key, payload, call)
            self._calls.fire_in_turn(bound, payload, call.traceparent, call.baggage, _SPAN)

    @handles(Share)
    def share(self, request: Share) -> None:
        self._sharing = request.sharing

    @handles(Arrived)
    def tell_watchers_of_another_s(self, arrived: Arrived) -> None:
        """Another engine on the same store has changed a value; its own watchers know already."""
        shared = self._sharing.read(arrived.data) if self._sharing is not None else None
        if shared is not None and self._settings.triggers_enabled:
            bound = self._watching.concerned(shared.scope, shared.key)
            self._calls.fire_in_turn(bound, shared.event, shared.traceparent, shared.baggage, _SPAN)

    def _check_versions(self, code: str, wanted: bool) -> None:
        if wanted and not self._store.versioned:
            raise StoredValueError(code, "the values of this store have no versions (adapter bridge)")

    # --- reading -----------------------------------------------------------------------------------------------------

    def _get(self, call: Call) -> None:
        given = inputs.GET.read(call.data)
        self._check_versions("GET_ERROR", given.with_version)

        def done(entry: Entry | None, error: EngineError | None) -> None:
            if error is not None:
                call.fail(failure("GET_ERROR", "Failed to get value: ", error))
            elif entry is None:
                call.answer_text(None)
            elif given.with_version:
                call.answer_text(b'{"value":%b,"version":%d}' % (entry.text, entry.version))
            else:
                call.answer_text(entry.text)

        self._store.get((given.scope,), given.key, done)

    def _get_many(self, call: Call) -> None:
        given = inputs.GET_MANY.read(call.data)

        def done(entries: Sequence[Entry | None] | None, error: EngineError | None) -> None:
            if entries is None:
                call.fail(failure("GET_ERROR", "Failed to get values: ", error))
            else:
                found = dict(zip(given.keys, entries, strict=True))
                call.answer_text(_object((key, entry.text) for key, entry in found.items() if entry is not None))

        self._store.get_many((given.scope,), given.keys, done)

    def _list(self, call: Call) -> None:
        given = inputs.LIST.read(call.data)

        def done(entries: Sequence[tuple[str, Entry]] | None, error: EngineError | None) -> None:
            if entries is None:
                call.fail(failure("LIST_ERROR", "Failed to list values: ", error))
            else:
                call.answer_text(b"[%b]" % b",".join([entry.text for _, entry in entries]))

        self._store.list((given.scope,), done)

    def _list_keys(self, call: Call) -> None:
        given = inputs.LIST_KEYS.read(call.data)

        def done(keys: Sequence[str] | None, error: EngineError | None) -> None:
            if keys is None:
                call.fail(failure("LIST_ERROR", "Failed to list keys: ", error))
            else:
                call.answer_text(_encode(keys))

        self._store.list_keys((given.scope,), done)

    def _list_groups(self, call: Call) -> None:
        inputs.LIST_GROUPS.read(call.data)

        def done(scopes: Sequence[Scope] | None, error: EngineError | None) -> None:
            if scopes is None:
                call.fail(failure("LIST_GROUPS_ERROR", "Failed to list groups: ", error))
            else:
                call.answer_text(b'{"groups":%b}' % _encode([scope for (scope,) in scopes]))

        self._store.scopes((), done)

    # --- writing -----------------------------------------------------------------------------------------------------

    def _set(self, call: Call) -> None:
        given = inputs.SET.read(call.data)
        self._check_versions("SET_ERROR", given.with_version)
        text = self._value(given)
        versioned = given.with_version or given.if_version is not None

        def done(change: Change | None, error: EngineError | None) -> None:
            if change is None:
                call.fail(failure("SET_ERROR", "Failed to set value: ", error))
            else:
                call.answer_text(change_text(change, versioned=versioned))
                self._changed(given.scope, given.key, change, call)

        scope = (given.scope,)
        self._store.set(scope, given.key, text, done, ttl_ms=given.ttl_ms, if_version=given.if_version)

    def _value(self, given: inputs.StateSetInput) -> bytes:
        """Return the text to store: one of ``value`` and ``data``, not larger than allowed."""
        if given.value is not UNSET and given.data is not UNSET:
            raise inputs.SET.refused("duplicate field `value`")
        value = given.data if given.value is UNSET else given.value
        if value is UNSET:
            raise inputs.SET.refused(missing_field("value"))
        if given.ttl_ms is not None and given.ttl_ms < 1:
            raise inputs.SET.refused(f"invalid value: integer `{given.ttl_ms}`, expected at least 1 for `ttl_ms`")
        text, limit = bytes(value), self._settings.max_value_bytes
        if limit is not None and len(text) > limit:
            size = _compact_size(text)
            if size > limit:
                raise StoredValueError(
                    "VALUE_TOO_LARGE",
                    f"value of {size} bytes exceeds the configured max_value_bytes limit of {limit}",
                )
        return text

    def _delete(self, call: Call) -> None:
        given = inputs.DELETE.read(call.data)

        def done(change: Change | None, error: EngineError | None) -> None:
            if change is None:
                call.fail(failure("DELETE_ERROR", "Failed to delete value: ", error))
            else:
                call.answer_text(change.old.text if change.old is not None else None)
                self._changed(given.scope, given.key, change, call)

        self._store.delete((given.scope,), given.key, done, if_version=given.if_version)

    def _update(self, call: Call) -> None:
        given = inputs.UPDATE.read(call.data)
        self._check_versions("UPDATE_ERROR", given.with_version)
        try:
            asked = operations(given.ops)
        except MalformedOperation as error:
            raise inputs.UPDATE.refused(str(error)) from None
        versioned = given.with_version or given.if_version is not None

        def done(change: Change | None, error: EngineError | None) -> None:
            if change is None:
                call.fail(failure("UPDATE_ERROR", "Failed to update value: ", error))
            else:
                call.answer_text(change_text(change, versioned=versioned))
                self._changed(given.scope, given.key, change, call)

        self._store.update((given.scope,), given.key, Applying(asked, given.ops), done, if_version=given.if_version)

    def _changed(self, scope: str, key: str, change: Change, call: Call) -> None:
        """Have the watchers told, by this actor, whatever thread the store has answered on."""
        if (len(self._watching) or self._sharing is not None) and self._settings.triggers_enabled:
            self.actor_inbox.put(_Changed(scope, key, change, call.call))


def _compact_size(text: bytes) -> int:
    """Return the bytes of a value without spaces and with no character escaped that need not be."""
    try:
        return len(_encode(_decode(text)))
    except (msgspec.MsgspecError, RecursionError):  # a number that no double holds, a nesting without end
        return len(text)


def _object(members: Iterable[tuple[str, bytes]]) -> bytes:
    return b"{%b}" % b",".join(b"%b:%b" % (_encode(key), text) for key, text in members)
