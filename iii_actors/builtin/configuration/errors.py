"""What ``configuration::*`` answers with; each error carries its wire code (config-and-cli.md §5)."""

from __future__ import annotations

from collections.abc import Sequence

from iii_actors.errors import EngineError

__all__ = [
    "AdapterFailed",
    "ExpandFailed",
    "InvalidId",
    "NotFound",
    "NotRegistered",
    "SchemaInvalid",
    "SchemaUnavailable",
    "TooMany",
]


class InvalidId(EngineError):
    """An id that no entry can have."""

    code = "INVALID_ID"

    def __init__(self, entry_id: str) -> None:
        super().__init__(f"invalid configuration id '{entry_id}': must match [a-z0-9_-]{{1,64}}")


class NotRegistered(EngineError):
    """Only what is registered is set."""

    code = "NOT_REGISTERED"

    def __init__(self, entry_id: str) -> None:
        super().__init__(f"configuration '{entry_id}' is not registered; call configuration::register first")


class NotFound(EngineError):
    """There is no such entry."""

    code = "NOT_FOUND"

    def __init__(self, entry_id: str) -> None:
        super().__init__(f"configuration '{entry_id}' not found")


class SchemaInvalid(EngineError):
    """A value that its schema refuses, or a schema that is none."""

    code = "SCHEMA_INVALID"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(f"schema validation failed: {'; '.join(problems)}")


class SchemaUnavailable(EngineError):
    """The entry was read from its file, and nobody has registered it since the engine has started."""

    code = "SCHEMA_UNAVAILABLE"

    def __init__(self, entry_id: str) -> None:
        super().__init__(f"the schema of configuration '{entry_id}' is not known before it is registered")


class ExpandFailed(EngineError):
    """A placeholder names a variable that is not set."""

    code = "EXPAND_FAILED"


class AdapterFailed(EngineError):
    """The value cannot be kept, or the worker cannot go by it; nothing has changed."""

    code = "ADAPTER_ERROR"


class TooMany(EngineError):
    """There is no room for another entry, or for so large a one."""

    code = "LIMIT_EXCEEDED"
