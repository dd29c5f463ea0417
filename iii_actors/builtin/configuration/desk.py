"""The desk: owns the entries, keeps what is set, and tells whoever wants to know (config-and-cli.md §5)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Struct
from pykka import ActorDeadError

from iii_actors.actor import handles
from iii_actors.builtin.base import Call, Desk
from iii_actors.builtin.calls import Calls
from iii_actors.builtin.configuration.entries import UNKNOWN, Entry, checked_id, expanded
from iii_actors.builtin.configuration.errors import (
    AdapterFailed,
    NotFound,
    NotRegistered,
    SchemaUnavailable,
    TooMany,
)
from iii_actors.builtin.configuration.folder import Folder
from iii_actors.builtin.configuration.schemas import check_schema, check_value
from iii_actors.builtin.configuration.subscribers import DELETED, REGISTERED, UPDATED, Event, Subscribers
from iii_actors.clock import Timer
from iii_actors.config.persisted import Saved
from iii_actors.core.refs import Core
from iii_actors.core.triggers import Trigger
from iii_actors.errors import EngineError
from iii_actors.limits import CONFIGURATION_BYTES, CONFIGURATION_ENTRIES, CONFIGURATION_SWEEP_S
from iii_actors.wire.codec import raw

__all__ = ["ConfigurationDesk", "Edited", "Own", "Reseed"]

logger = logging.getLogger(__name__)


class Register(Struct, frozen=True):
    """Input of ``configuration::register``."""

    id: str
    name: str
    description: str
    schema: Any
    initial_value: Any = UNSET
    metadata: Any = None


class SetValue(Struct, frozen=True):
    """Input of ``configuration::set``."""

    id: str
    value: Any


class GetValue(Struct, frozen=True):
    """Input of ``configuration::get``."""

    id: str
    raw: bool = False


class ById(Struct, frozen=True):
    """Input of ``configuration::schema``."""

    id: str


class Edited(NamedTuple):
    """Told: files of the folder have been edited or removed."""


class Reseed(NamedTuple):
    """Told: the engine goes by other settings now; these are the entries of its own workers."""

    entries: list[Entry]


class _Sweep(NamedTuple):
    """Told by the clock: delete what nobody has followed for too long."""


Own = Callable[[str, Any], None]
"""Have one of the engine's own workers go by a value. Raises ``EngineError``, and then nothing has changed."""


class ConfigurationDesk(Desk):
    """A thread of its own: it writes files, and has workers changed.

    :param folder: where values are kept; None: nowhere.
    :param kept: called when the folder has been written to.
    """

    def __init__(
        self, core: Core, worker_id: str, calls: Calls, folder: Folder | None, kept: Callable[[], object], ttl_s: float
    ) -> None:
        super().__init__(core)
        self.provider_id = worker_id
        self._calls = calls
        self._folder = folder
        self._kept = kept
        self._ttl_s = ttl_s
        self._entries: dict[str, Entry] = {}
        self._own: dict[str, Own] = {}
        self._subscribers = Subscribers()
        self._left: dict[str, float] = {}
        """Entries whose last subscriber has gone, and when, by the monotonic clock."""
        self._timer: Timer | None = None
        self.offer("configuration::register", Register, self._register)
        self.offer("configuration::set", SetValue, self._set)
        self.offer("configuration::get", GetValue, self._get)
        self.offer("configuration::list", Any, self._list)
        self.offer("configuration::schema", ById, self._schema)

    def begin(self, own: list[Entry], change: Own) -> None:
        """Take in what there is, before the first message: the workers' own entries, then the files."""
        for entry in own:
            self._entries[entry.id] = entry
            self._own[entry.id] = change
        if self._folder is not None:
            for saved in self._folder.load():
                if saved.id not in self._own:
                    self._entries[saved.id] = Entry(*saved[:4], saved.metadata)

    # --- functions ---------------------------------------------------------------------------------------------------

    def _register(self, given: Register, _: Call) -> dict[str, Any]:
        checked_id(given.id)
        if given.id in self._own:
            raise AdapterFailed(f"configuration '{given.id}' belongs to a worker of the engine; it is there already")
        check_schema(given.schema)
        known = self._entries.get(given.id)
        if known is None and len(self._entries) - len(self._own) >= CONFIGURATION_ENTRIES:
            raise TooMany(f"there are {CONFIGURATION_ENTRIES} configurations already, which is the limit")
        value = given.initial_value
        if value is UNSET:
            value = known.value if known is not None else None
        if given.initial_value is not UNSET:
            check_value(given.schema, expanded(value))
        entry = Entry(given.id, given.name, given.description, value, given.metadata, partial(_same, given.schema))
        if given.initial_value is not UNSET and (known is None or known.value != value):
            self._keep(entry)
        self._entries[entry.id] = entry
        if known is None or not known.registered:
            self._tell(REGISTERED, entry, None, value)
        elif known.value != value:
            self._tell(UPDATED, entry, known.value, value)
        return {**entry.described(), "value": entry.value}

    def _set(self, given: SetValue, _: Call) -> dict[str, Any]:
        entry = self._entries.get(checked_id(given.id))
        if entry is None or not entry.registered:
            raise NotRegistered(given.id)
        old = entry.value
        self._change(entry, given.value)
        return {"old_value": old, "new_value": given.value}

    def _get(self, given: GetValue, _: Call) -> dict[str, Any]:
        entry = self._found(given.id)
        return {"id": entry.id, "value": entry.value if given.raw else expanded(entry.value)}

    def _list(self, _given: Any, _: Call) -> dict[str, Any]:
        return {"configurations": [self._entries[one].described() for one in sorted(self._entries)]}

    def _schema(self, given: ById, _: Call) -> dict[str, Any]:
        entry = self._found(given.id)
        if not entry.registered:
            raise SchemaUnavailable(given.id)
        return entry.described()

    def _found(self, entry_id: str) -> Entry:
        entry = self._entries.get(checked_id(entry_id))
        if entry is None:
            raise NotFound(entry_id)
        return entry

    # --- changes -----------------------------------------------------------------------------------------------------

    def _change(self, entry: Entry, value: Any) -> None:
        """Have an entry hold another value: checked, gone by, kept, told, in this order. Raises ``EngineError``."""
        wanted = expanded(value)
        check_value(entry.get_schema(), wanted)
        old = entry.value
        go_by = self._own.get(entry.id)
        if go_by is not None:
            go_by(entry.id, wanted)
        try:
            self._keep(Entry(entry.id, entry.name, entry.description, value, entry.metadata, seed=entry.seed))
        except EngineError:
            if go_by is not None:
                go_by(entry.id, expanded(old))
            raise
        entry.value = value
        if old != value:
            self._tell(UPDATED, entry, old, value)

    def _keep(self, entry: Entry) -> None:
        size = len(raw(entry.value))
        if size > CONFIGURATION_BYTES:
            raise TooMany(f"the value has {size} bytes; a configuration may have {CONFIGURATION_BYTES}")
        if self._folder is not None:
            saved = Saved(entry.id, entry.name, entry.description, entry.value, entry.metadata, entry.seed)
            self._folder.write(saved)
            self._kept()

    @handles(Edited)
    def edited(self, _: Edited) -> None:
        """Go by what somebody has written into the folder; what is wrong is logged, and the old value stays."""
        if self._folder is None:
            return
        for entry_id, saved in self._folder.changed():
            entry = self._entries.get(entry_id)
            try:
                if saved is None:
                    self._gone(entry_id)
                elif entry is None:
                    self._entries[entry_id] = Entry(*saved[:4], saved.metadata)
                elif not entry.registered:
                    entry.value = saved.value
                elif entry.value != saved.value:
                    self._edit(entry, saved)
            except EngineError as error:
                logger.warning("configuration '%s' stays as it was: the edited file is wrong: %s", entry_id, error)

    def _edit(self, entry: Entry, saved: Saved) -> None:
        """As :meth:`_change`, but it is in the file already."""
        wanted = expanded(saved.value)
        check_value(entry.get_schema(), wanted)
        go_by = self._own.get(entry.id)
        if go_by is not None:
            go_by(entry.id, wanted)
        old, entry.value = entry.value, saved.value
        self._tell(UPDATED, entry, old, saved.value)

    def _gone(self, entry_id: str) -> None:
        """A file has been removed; the engine's own workers go on by what they have until the next start."""
        if entry_id not in self._own:
            self._delete(entry_id)

    def _delete(self, entry_id: str) -> None:
        entry = self._entries.pop(entry_id, None)
        if entry is None:
            return
        if self._folder is not None:
            self._folder.remove(entry_id)
        self._tell(DELETED, entry, entry.value, None)

    @handles(Reseed)
    def reseed(self, message: Reseed) -> None:
        """Take over what the engine's own workers go by now."""
        change = next(iter(self._own.values()), None)
        for entry in message.entries:
            known = self._entries.get(entry.id)
            if known is None and change is not None:
                self._own[entry.id] = change
            if known is not None and _told(known.value) == entry.value:
                entry.value = known.value  # the same, as it was written
            self._entries[entry.id] = entry
            if known is not None and known.value != entry.value:
                self._tell(UPDATED, entry, known.value, entry.value)
        there = {entry.id for entry in message.entries}
        for entry_id in [one for one in self._own if one not in there]:
            del self._own[entry_id]
            self._tell(DELETED, self._entries[entry_id], self._entries.pop(entry_id).value, None)

    def _tell(self, event_type: str, entry: Entry, old: Any, new: Any) -> None:
        bound = list(self._subscribers.of(entry.id, event_type))
        if not bound:
            return
        schema = entry.get_schema()
        event = Event(
            "configuration",
            event_type,
            entry.id,
            entry.name,
            entry.description,
            None if schema is UNKNOWN else schema,
            _told(old),
            _told(new),
            entry.metadata,
        )
        payload = msgspec.Raw(msgspec.json.encode(event))
        for trigger, condition in bound:
            self._calls.fire(trigger, payload, condition)

    # --- subscribers -------------------------------------------------------------------------------------------------

    def bind(self, trigger: Trigger) -> None:
        entry_id = self._subscribers.add(trigger)
        if entry_id is not None:
            self._left.pop(entry_id, None)

    def unbind(self, trigger: Trigger) -> None:
        entry_id = self._subscribers.drop(trigger.id)
        if entry_id is not None and self._ttl_s:
            self._left[entry_id] = self.core.clock.monotonic()
            self._wind()

    def _wind(self) -> None:
        if self._timer is None and self._left:
            self._timer = self.core.clock.call_later(CONFIGURATION_SWEEP_S, partial(self._remind, _Sweep()))

    def _remind(self, message: object) -> None:
        try:
            self.actor_ref.tell(message)
        except ActorDeadError:
            logger.debug("The engine is stopping")

    @handles(_Sweep)
    def sweep(self, _: _Sweep) -> None:
        """Delete what nobody has followed for too long; what nobody has ever followed stays."""
        self._timer = None
        now = self.core.clock.monotonic()
        for entry_id in [one for one, since in self._left.items() if now - since >= self._ttl_s]:
            del self._left[entry_id]
            if entry_id not in self._own:
                self._delete(entry_id)
        self._wind()

    def on_stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def _same(value: Any) -> Any:
    return value


def _told(value: Any) -> Any:
    """Return a value as subscribers see it; one whose variables have gone meanwhile as it was written."""
    try:
        return expanded(value)
    except EngineError:
        return value
