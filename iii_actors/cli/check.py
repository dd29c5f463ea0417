"""``iii-actors check``: is this settings file right, and what would the engine do with it? Nothing is started."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from iii_actors import config
from iii_actors.cli.arguments import Parser
from iii_actors.cli.output import plain, table
from iii_actors.cli.reach import loopback, place
from iii_actors.config.settings import Settings

__all__ = ["run"]

_DESCRIPTION = "Check a settings file and say what the engine would run. Nothing is started, connected or written."
_EPILOG = """\
Exit code 0: the file is right; there may be warnings. 1: it is not; stderr says where, why, and what to do."""
_PASSWORD = re.compile(r"(?<=://)([^/@:]*):[^/@]*@")


def run(_command: str, arguments: list[str]) -> int:
    """Check; return 0.

    :raises ConfigError: the settings are wrong.
    """
    options = _parser().parse_args(arguments)
    settings = config.load(options.config)
    print(f"{options.config} is right. The engine would run, in this order:")
    print()
    rows = [[one.id, *_told(one.settings, options.all)] for one in settings.instances]
    print(
        table(["worker", "listens on", "settings" if options.all else "settings that differ from the defaults"], rows)
    )
    warnings = list(_warnings(settings))
    if warnings:
        print()
    for warning in warnings:
        print(f"Warning: {plain(warning)}")
    return 0


def _told(settings: Settings, everything: bool) -> tuple[str, str]:
    """Return where a worker listens and what it is set to."""
    host, port = getattr(settings, "host", None), getattr(settings, "port", None)
    address = place(host, port) if isinstance(host, str) and isinstance(port, int) else ""
    texts = [f"{name}={_redacted(value)}" for name, value in _values(settings, everything)]
    return address, ", ".join(texts)


def _values(settings: BaseModel, everything: bool, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values under their dotted names; those of the address are told elsewhere."""
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if not prefix and name in ("host", "port"):
            continue
        if not everything and value == field.get_default(call_default_factory=True, validated_data={}):
            continue
        if isinstance(value, BaseModel):
            yield from _values(value, everything, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
    for name, value in (settings.model_extra or {}).items():
        yield f"{prefix}{name}", value


def _redacted(value: Any) -> str:
    """Return a value in one line, passwords in URLs replaced."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_redacted(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_redacted(one) for one in value) + "]"
    if isinstance(value, BaseModel):
        return "{" + ", ".join(f"{name}: {_redacted(one)}" for name, one in _values(value, False)) + "}"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return _PASSWORD.sub(r"\1:***@", str(value))


def _warnings(settings: config.EngineConfig) -> Iterator[str]:
    """Yield what is allowed and should be meant."""
    yield from settings.without_effect()
    for one in settings.instances:
        host = getattr(one.settings, "host", None)
        if isinstance(host, str) and not loopback(host):
            missing = [name for name in ("rbac", "tokens") if getattr(one.settings, name, None) is None]
            if hasattr(one.settings, "rbac") and len(missing) == 2:  # noqa: PLR2004 - both of them
                open_to_all = "is open to the network, and whoever reaches it may call everything: set tokens or rbac"
                yield f"{one.id}: {host} {open_to_all}"
            if getattr(one.settings, "tls", None) is None:
                yield f"{one.id}: {host} is open to the network without encryption: set tls, or put a proxy before it"


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="iii-actors check", usage="iii-actors check -c FILE [--all]", description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.add_argument("-c", "--config", metavar="FILE", default="config.yaml", help="the settings (./config.yaml)")
    parser.add_argument("--all", action="store_true", help="show every setting, those at their defaults too")
    return parser
