"""What one session may do: the decisions, in their order (core.md §10.3, §10.4, §10.5)."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

from msgspec import Raw

from iii_actors.access.grants import Grants
from iii_actors.access.patterns import Pattern, grant
from iii_actors.access.rules import Rules
from iii_actors.errors import Forbidden
from iii_actors.limits import DECISIONS_REMEMBERED, REMEMBERED_ID_CHARS

__all__ = ["INFRASTRUCTURE", "Permission", "Verdict"]

INFRASTRUCTURE: Final = frozenset(
    {
        "engine::channels::create",
        "engine::workers::register",
        *(f"engine::log::{level}" for level in ("info", "warn", "error", "debug", "trace")),
        *(f"engine::baggage::{what}" for what in ("get", "set", "get_all")),
    }
)
"""What every session may call that is not forbidden it: SDKs do so by themselves."""


class Verdict(Enum):
    """About a call."""

    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"
    """Among the session's forbidden functions."""
    NOT_EXPOSED = "not exposed"
    """Nothing allows it."""
    BY_METADATA = "by metadata"
    """The function's metadata decides: :meth:`Permission.exposes`."""

    def refusal(self, function_id: str) -> Forbidden:
        """Return what the caller is told, of a verdict that is not :attr:`ALLOWED`."""
        if self is Verdict.FORBIDDEN:
            return Forbidden.explicitly(function_id)
        return Forbidden.not_exposed(function_id)


class Permission:
    """Decides for one session. Any thread.

    :param rules: of the listener; None: it has none, and what is not forbidden is allowed.
    """

    def __init__(self, grants: Grants, rules: Rules | None) -> None:
        self._forbidden = frozenset(grants.forbidden_functions)
        self._namespaces: dict[str, list[Pattern]] = {
            namespace: [grant(text) for text in texts] for namespace, texts in grants.namespaces.items()
        }
        self._allowed = frozenset(grants.allowed_functions)
        self._types = None if grants.allowed_trigger_types is None else frozenset(grants.allowed_trigger_types)
        self._rules = rules
        self._verdicts: dict[tuple[str, str], Verdict] = {}
        self._exposed: dict[tuple[str, str], tuple[object, bool]] = {}
        """With the definition that the decision was made about: another one may have other metadata."""

    def verdict(self, function_id: str, namespace: str) -> Verdict:
        """Decide about a call of a function, as far as its name goes; the first rule that applies decides."""
        key = (function_id, namespace)
        known = self._verdicts.get(key)
        if known is None:
            known = self._decide(function_id, namespace)
            _remember(self._verdicts, key, known)
        return known

    def _decide(self, function_id: str, namespace: str) -> Verdict:
        if function_id in self._forbidden:
            return Verdict.FORBIDDEN
        if (
            any(pattern.matches(function_id) for pattern in self._namespaces.get(namespace, ()))
            or (namespace == "default" and function_id in self._allowed)
            or function_id in INFRASTRUCTURE
            or self._rules is None
            or self._rules.expose_id(function_id, namespace)
        ):
            return Verdict.ALLOWED
        return Verdict.BY_METADATA if self._rules.ask_for_metadata(namespace) else Verdict.NOT_EXPOSED

    def exposes(self, function_id: str, namespace: str, definition: object, metadata: Raw) -> bool:
        """Decide by a function's metadata; ``definition`` is whatever stands for its present registration."""
        key = (function_id, namespace)
        known = self._exposed.get(key)
        if known is None or known[0] is not definition:
            known = (definition, self._rules is not None and self._rules.expose_metadata(namespace, metadata))
            _remember(self._exposed, key, known)
        return known[1]

    def allows(self, function_id: str, namespace: str, definition: object, metadata: Raw) -> bool:
        """Decide about a function that is registered."""
        verdict = self.verdict(function_id, namespace)
        return verdict is Verdict.ALLOWED or (
            verdict is Verdict.BY_METADATA and self.exposes(function_id, namespace, definition, metadata)
        )

    def may_bind(self, trigger_type: str) -> bool:
        """Return whether the session's triggers may be of this type."""
        return self._types is None or trigger_type in self._types

    def check_namespace(self, namespace: str) -> None:
        """Raise :class:`Forbidden` for a namespace that the session may not declare (core.md §10.4)."""
        if self._namespaces and namespace not in self._namespaces:
            raise Forbidden.namespace(namespace, list(self._namespaces))


def _remember(decisions: dict[tuple[str, str], Any], key: tuple[str, str], decision: object) -> None:
    """Keep a decision; ids are what clients say, so neither their number nor their length may be without bound."""
    if len(key[0]) + len(key[1]) <= REMEMBERED_ID_CHARS:
        if len(decisions) >= DECISIONS_REMEMBERED:
            decisions.clear()
        decisions[key] = decision
