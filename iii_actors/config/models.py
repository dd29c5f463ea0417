"""The settings as models: what may be set, its type, its default and its bounds.

Every model refuses keys it does not know and values of another type (config-and-cli.md §1). A built-in worker's
settings join by one line in :data:`BUILT_IN`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, TypeVar

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from iii_actors import limits
from iii_actors.config.problems import Path, SettingsError, refused

__all__ = [
    "BUILT_IN",
    "BuiltIn",
    "EngineConfig",
    "ListenerSettings",
    "ObservabilitySettings",
    "Settings",
    "WorkerEntry",
    "WorkerInstance",
]

LISTENER = "iii-worker-manager"
OBSERVABILITY = "iii-observability"

Positive = Annotated[int, Field(ge=1)]
Port = Annotated[int, Field(ge=0, le=65535)]


class Settings(BaseModel):
    """Base of all settings: frozen, strict about types, closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def without_effect(self) -> Iterable[str]:
        """Return the keys that were set, are accepted, and do nothing in this version."""
        return ()


class NoSettings(Settings):
    """For a worker that has nothing to set (``iii-engine-functions``)."""


class IgnoredSettings(Settings):
    """For a worker that is accepted and does nothing: ``iii-telemetry``. This engine never phones home (§11)."""

    model_config = ConfigDict(extra="allow")


class LaterSettings(Settings):
    """For a worker whose settings take effect in a later version: any mapping, and a warning at the start."""

    model_config = ConfigDict(extra="allow")

    def without_effect(self) -> Iterable[str]:
        return sorted(self.model_extra or ())


class ListenerSettings(Settings):
    """A listener for workers: an entry ``iii-worker-manager``; several entries open several (core.md §1.1)."""

    port: Port = limits.PORT
    """TCP port; 0 takes a free one."""
    host: Annotated[str, Field(min_length=1)] = limits.HOST
    """Address to listen on. Ours is loopback, on purpose; the protocol's own default is 0.0.0.0, every interface."""
    handshake_timeout_ms: Positive = limits.HANDSHAKE_TIMEOUT_MS
    """A connection whose request is not complete by then is closed without an answer."""
    middleware_function_id: str | None = None
    """In a later version; anything but null is refused."""
    rbac: dict[str, Any] | None = None
    """In a later version; anything but null is refused."""
    reader: Literal["shared", "own"] = "shared"
    """``shared``: one thread reads all sockets; ``own``: each connection's thread reads its own."""
    max_connections: Positive = limits.MAX_CONNECTIONS
    """Connections open at once; further ones are closed as they come."""
    outbox_bytes: Positive = limits.OUTBOX_BYTES
    """Unsent bytes after which a peer counts as too slow and is closed."""
    ping_interval_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = limits.PING_INTERVAL_S
    """Engine pings, to find half-open peers; 0 = none: an idle worker is never disconnected."""
    ping_timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = limits.PING_TIMEOUT_S
    """With pings on: how long a peer may stay silent after one."""
    max_frame_bytes: Positive = limits.MAX_FRAME_BYTES
    """Largest payload of one frame."""
    max_message_bytes: Positive = limits.MAX_MESSAGE_BYTES
    """Largest message, put together from its frames."""

    @field_validator("middleware_function_id", "rbac", mode="before")
    @classmethod
    def _not_yet(cls, value: object) -> None:
        if value is not None:
            raise ValueError(
                "not part of this version, and refused because ignoring it would leave the listener open to everyone; "
                "remove it, and keep the listener on 127.0.0.1 or behind a proxy that checks who connects"
            )

    @field_validator("host")
    @classmethod
    def _not_blank(cls, host: str) -> str:
        if host != host.strip() or not host:
            raise ValueError("not an address; write for example 127.0.0.1, ::1, 0.0.0.0 or localhost")
        return host

    @model_validator(mode="after")
    def _message_holds_a_frame(self) -> Self:
        if self.max_message_bytes < self.max_frame_bytes:
            raise ValueError(
                f"max_message_bytes ({self.max_message_bytes}) is less than max_frame_bytes ({self.max_frame_bytes}); "
                "a message must have room for one frame: raise the one or lower the other"
            )
        return self


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class ObservabilitySettings(LaterSettings):
    """``iii-observability``: so far the engine's own log; all other keys take effect in a later version."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    level: Annotated[Literal["trace", "debug", "info", "warn", "error"], BeforeValidator(_lower)] = Field(
        default="info", validation_alias=AliasChoices("level", "log_level")
    )
    """Least severe level logged."""
    format: Annotated[Literal["default", "json"], BeforeValidator(_lower)] = "default"
    """``default``: for people; ``json``: one object per line."""


class BuiltIn(NamedTuple):
    """A worker that is part of the engine."""

    settings: type[Settings]
    always: bool = False
    """Started even if the file does not list it."""


BUILT_IN: dict[str, BuiltIn] = {
    "iii-telemetry": BuiltIn(IgnoredSettings, always=True),
    OBSERVABILITY: BuiltIn(ObservabilitySettings, always=True),
    LISTENER: BuiltIn(ListenerSettings, always=True),
    "configuration": BuiltIn(LaterSettings, always=True),
    "iii-engine-functions": BuiltIn(NoSettings, always=True),
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
    modules: _Entries = []
    """Older spelling of `workers`; these come after them."""
    workers: _Entries = []
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
            return built_in.settings.model_validate(entry.config or {})
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
