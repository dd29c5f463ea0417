"""Which built-in workers there are, and the settings of a whole engine.

Every model refuses keys it does not know and values of another type (config-and-cli.md §1). A built-in worker's
settings stand in a file of their own and join by one line in :data:`BUILT_IN`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationError

from iii_actors import limits
from iii_actors.config.bridge import BridgeWorkerSettings
from iii_actors.config.configuration import ConfigurationSettings
from iii_actors.config.cron import CronSettings
from iii_actors.config.exec import ExecSettings
from iii_actors.config.http import HttpSettings
from iii_actors.config.http_functions import HttpFunctionsSettings
from iii_actors.config.listener import ListenerSettings
from iii_actors.config.observability import ObservabilitySettings
from iii_actors.config.problems import Path, SettingsError, refused
from iii_actors.config.pubsub import PubSubSettings
from iii_actors.config.queue import QueueSettings
from iii_actors.config.settings import IgnoredSettings, NoSettings, Settings
from iii_actors.config.state import StateSettings
from iii_actors.config.stream import StreamSettings

__all__ = ["BUILT_IN", "BuiltIn", "EngineConfig", "WorkerEntry", "WorkerInstance"]

LISTENER = "iii-worker-manager"
OBSERVABILITY = "iii-observability"


class BuiltIn(NamedTuple):
    """A worker that is part of the engine."""

    settings: type[Settings]
    always: bool = False
    """Started even if the file does not list it."""
    default: bool = False
    """Started where there is no file (config-and-cli.md §3)."""


BUILT_IN: dict[str, BuiltIn] = {
    "iii-telemetry": BuiltIn(IgnoredSettings, always=True),
    OBSERVABILITY: BuiltIn(ObservabilitySettings, always=True),
    LISTENER: BuiltIn(ListenerSettings, always=True),
    "configuration": BuiltIn(ConfigurationSettings, always=True),
    "iii-engine-functions": BuiltIn(NoSettings, always=True),
    "iii-pubsub": BuiltIn(PubSubSettings, default=True),
    "iii-cron": BuiltIn(CronSettings, default=True),
    "iii-http": BuiltIn(HttpSettings, default=True),
    "iii-http-functions": BuiltIn(HttpFunctionsSettings),
    "iii-bridge": BuiltIn(BridgeWorkerSettings),
    "iii-exec": BuiltIn(ExecSettings),
    "iii-state": BuiltIn(StateSettings, default=True),
    "iii-stream": BuiltIn(StreamSettings, default=True),
    "iii-queue": BuiltIn(QueueSettings, default=True),
}
"""The built-in workers by name, in the order in which the unlisted ones start (config-and-cli.md §2)."""

NEWER_NAMES = {name: f"iii-{name}" for name in ("http", "cron", "queue", "state", "pubsub")}
"""Newer spelling to the older one, which is the one used in :data:`BUILT_IN`."""


class WorkerEntry(Settings):
    """One entry of the file: ``{name, config?, image?}``."""

    name: Annotated[str, Field(min_length=1)]
    """Which worker; either spelling."""
    config: dict[str, Any] | None = None
    """Its settings, as written; :class:`WorkerInstance` holds them checked."""
    image: str | None = None
    """Accepted for older files; built-in workers have no image."""

    @property
    def kind(self) -> str:
        """The worker's name in :data:`BUILT_IN`'s spelling."""
        return NEWER_NAMES.get(self.name, self.name)


class WorkerInstance(NamedTuple):
    """A built-in worker that is to run."""

    id: str
    """The entry's name; the second of a name is ``name#1``, the third ``name#2``."""
    kind: str
    """Its name in :data:`BUILT_IN`."""
    settings: Settings
    """Its checked settings."""


_S = TypeVar("_S", bound=Settings)
_Entries = Annotated[list[WorkerEntry], BeforeValidator(lambda value: [] if value is None else value)]


class EngineConfig(Settings):
    """All settings of an engine. Every mistake raises :class:`~iii_actors.errors.ConfigError`, also in code."""

    registration_namespace_grace_ms: Annotated[int, Field(ge=0)] = limits.NAMESPACE_GRACE_MS
    """How long a worker's registrations wait for it to name its namespace (core.md §3.2)."""
    modules: _Entries = Field(default_factory=list)
    """Older spelling of `workers`; these come after them."""
    workers: _Entries = Field(default_factory=list)
    """The workers to run. The always-on ones are added where they are not listed."""

    _instances: tuple[WorkerInstance, ...] = PrivateAttr(default=())
    _ENV_GRACE: ClassVar[str] = "III_NAMESPACE_GRACE_MS"

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise refused(error, EngineConfig) from None
        self._instances = tuple(self._resolved())

    @classmethod
    def listening(cls, port: int = 0, host: str = limits.HOST, **listener: Any) -> EngineConfig:
        """Return settings with one listener and nothing else: the form for tests, notebooks and demos.

        :param port: 0 takes a free one.
        :param listener: further fields of :class:`ListenerSettings`.
        """
        return cls(workers=[{"name": LISTENER, "config": {"port": port, "host": host, **listener}}])

    @property
    def instances(self) -> tuple[WorkerInstance, ...]:
        """Every worker to run, in starting order: as listed, then the always-on ones not listed."""
        return self._instances

    def settings_of(self, model: type[_S]) -> Iterator[_S]:
        """Yield the settings of every instance whose settings are of this model."""
        return (one.settings for one in self._instances if isinstance(one.settings, model))

    def listeners(self) -> list[ListenerSettings]:
        """Return the listeners in the order listed; the first is the primary one. Never empty."""
        return list(self.settings_of(ListenerSettings))

    def observability(self) -> ObservabilitySettings:
        """Return the settings of the engine's own log."""
        return next(self.settings_of(ObservabilitySettings))

    def without_effect(self) -> list[str]:
        """Return a sentence for each worker some of whose settings do nothing in this version."""
        keys = {one.id: ", ".join(one.settings.without_effect()) for one in self._instances}
        return [
            f"{name}: accepted, but without effect in this version: {listed}" for name, listed in keys.items() if listed
        ]

    def block(self, worker_id: str) -> dict[str, Any] | None:
        """Return the `config` of a worker's entry, as written; None if it is not listed, or has none."""
        at = self._entry_of(worker_id)
        return None if at is None else [*self.workers, *self.modules][at].config

    def with_worker(self, worker_id: str, block: object) -> EngineConfig:
        """Return these settings with one worker's `config` replaced. Raises ``ConfigError`` if it is wrong."""
        if not isinstance(block, dict):
            raise SettingsError((), "the settings of a worker are not a mapping", "write keys and values")
        entries = [*self.workers, *self.modules]
        at = self._entry_of(worker_id)
        if at is None:
            entries.append(WorkerEntry(name=worker_id, config=block))
        else:
            entries[at] = WorkerEntry(name=entries[at].name, config=block, image=entries[at].image)
        return EngineConfig(
            registration_namespace_grace_ms=self.registration_namespace_grace_ms,
            workers=[entry.model_dump() for entry in entries],
        )

    def _entry_of(self, worker_id: str) -> int | None:
        """Return the place of a worker's entry among all; instances that are listed stand in the entries' order."""
        listed = len(self.workers) + len(self.modules)
        ids = [one.id for one in self._instances[:listed]]
        return ids.index(worker_id) if worker_id in ids else None

    def changed(self, **primary: Any) -> EngineConfig:
        """Return these settings with some fields of the primary listener replaced (the command line's options)."""
        entries = [*self.workers, *self.modules]
        at = next((i for i, entry in enumerate(entries) if entry.kind == LISTENER), len(entries))
        given = entries[at].config or {} if at < len(entries) else {}
        entries[at : at + 1] = [WorkerEntry(name=LISTENER, config={**given, **primary})]
        return EngineConfig(
            registration_namespace_grace_ms=self.registration_namespace_grace_ms,
            workers=[entry.model_dump() for entry in entries],
        )

    def _resolved(self) -> Iterator[WorkerInstance]:
        """Check each entry's settings against its worker's model and give it its id."""
        listed = [(("workers", i), entry) for i, entry in enumerate(self.workers)]
        listed += [(("modules", i), entry) for i, entry in enumerate(self.modules)]
        self._refuse_both_spellings({entry.name: path for path, entry in listed})
        counts: dict[str, int] = {}
        addresses: dict[tuple[str, int], Path] = {}
        for path, entry in listed:
            settings = self._checked(entry, path)
            if isinstance(settings, ListenerSettings) and settings.port:
                first = addresses.setdefault((settings.host, settings.port), path)
                if first is not path:
                    raise SettingsError(
                        (*path, "config"),
                        f"{settings.host}:{settings.port} is taken by {first[0]}[{first[1]}]",
                        "give each listener its own port",
                    )
            nth = counts[entry.kind] = counts.get(entry.kind, -1) + 1
            yield WorkerInstance(f"{entry.name}#{nth}" if nth else entry.name, entry.kind, settings)
        for name, built_in in BUILT_IN.items():
            if built_in.always and name not in counts:
                yield WorkerInstance(name, name, built_in.settings())

    @staticmethod
    def _checked(entry: WorkerEntry, path: Path) -> Settings:
        built_in = BUILT_IN.get(entry.kind)
        if built_in is None:
            raise SettingsError(
                (*path, "name"),
                f"failed to create worker '{entry.name}': it is not part of this version "
                f"(built in: {', '.join(sorted(BUILT_IN))})",
                "remove the entry",
            )
        try:
            return built_in.settings.model_validate(built_in.settings.with_environment(entry.config or {}))
        except ValidationError as error:
            raise refused(error, built_in.settings, (*path, "config")) from None

    @staticmethod
    def _refuse_both_spellings(names: Mapping[str, Path]) -> None:
        for newer, older in NEWER_NAMES.items():
            if newer in names and older in names:
                raise SettingsError(
                    names[older],
                    f"Duplicate worker configurations: '{older}' is the deprecated name for '{newer}', "
                    f"but both are present. Remove '{older}' from your configuration.",
                )
