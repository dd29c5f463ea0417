"""Calls of another engine."""

from __future__ import annotations

from typing import Final

from iii_actors.limits._row import limit

BRIDGE_URL: Final = limit(
    "BRIDGE_URL", "ws://localhost:49134", "URL", "the protocol's value (config-and-cli.md §4): one on this machine"
)
BRIDGE_TIMEOUT_S: Final = limit(
    "BRIDGE_TIMEOUT_S",
    30.0,
    "s",
    "the protocol's value (config-and-cli.md §9): a call of the other engine that gives no timeout of its own",
)
BRIDGE_LONGEST_S: Final = limit(
    "BRIDGE_LONGEST_S", 86_400.0, "s", "longest timeout that a call over a bridge may ask for: a day"
)
