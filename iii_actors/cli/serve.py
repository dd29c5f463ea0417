"""``iii-actors [serve]``: run an engine until a signal asks it to stop (config-and-cli.md §2, §7)."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import platform
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

import iii_actors
from iii_actors import __version__, config, limits, logs
from iii_actors.cli.arguments import Parser, port, seconds
from iii_actors.cli.going_down import GoingDown, drain, watch_signals
from iii_actors.errors import ConfigError

__all__ = ["run"]

logger = logging.getLogger("iii_actors")

_DEFAULT_FILE = "config.yaml"

_DESCRIPTION = "Run the engine: workers connect to it over WebSocket, discover each other and call each other."

_EPILOG = """\
commands:
  serve                        run the engine (this; the default)
  call FUNCTION [key=value]    invoke a function of a running engine (also: trigger, t)
  list functions|workers|triggers|trigger-types
                               show what a running engine knows

`iii-actors COMMAND -h` says more about each."""


def run(_command: str, arguments: list[str]) -> int:
    """Serve; return 0 once a signal has been obeyed.

    :raises ConfigError: the settings are wrong.
    :raises ListenError: the primary listener cannot be opened.
    """
    options = _parser().parse_args(arguments)
    settings, source = _settings(options)
    observability = settings.observability()
    logs.setup(observability.level, observability.format)
    for warning in settings.without_effect():
        logger.warning("%s", warning)
    engine = iii_actors.Engine(settings)  # loaded only now: -h and -v need none of it
    going_down = GoingDown(options.drain_timeout)
    engine.on_going_down = going_down.ask
    watch_signals(going_down, engine)
    engine.start()
    _tune_garbage_collection()
    try:
        if observability.format == "default":
            print(banner(engine.listeners, engine.opened(), source), flush=True)
        going_down.asked.wait()
        drain(engine, going_down.deadline_s)
    finally:
        engine.stop(limits.SHUTDOWN_DEADLINE_S)
    return 0


def _tune_garbage_collection() -> None:
    """Look for cyclic garbage less often, and never again at what was there when the engine had started.

    A connection that ends leaves such garbage; calls do not. With Python's own threshold it is looked for many times
    while one worker registers, and each time in vain through all the workers that stay. This process is the engine's
    own; a program that runs an engine inside itself keeps its own settings.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(limits.GC_THRESHOLD, 20, 20)


def _settings(options: argparse.Namespace) -> tuple[config.EngineConfig, str]:
    """Return the settings, and in words where they come from."""
    if options.config is not None:
        settings, source = config.load(options.config), options.config
    elif Path(_DEFAULT_FILE).exists():
        settings, source = config.load(_DEFAULT_FILE), f"./{_DEFAULT_FILE}"
    else:
        settings, source = config.default(), f"built-in defaults (there is no ./{_DEFAULT_FILE})"
    changes = {name: getattr(options, name) for name in ("port", "host", "reader")}
    changes = {name: value for name, value in changes.items() if value is not None}
    if changes:
        given = ", ".join(f"--{name}" for name in changes)
        try:
            settings, source = settings.changed(**changes), f"{source}, and {given}"
        except ConfigError as error:
            raise ConfigError(f"{given} with {source}", error.problem, error.mend) from None
    return settings, source


def banner(listeners: list[tuple[str, int]], opened: Iterable[tuple[str, str, str, int]], source: str) -> str:
    """Return what listens where, who can reach it, and what to try next."""
    first_host, first_port = listeners[0]
    where = "" if first_port == limits.PORT else f" --port {first_port}"
    if not _loopback(first_host) and not _every_interface(first_host):
        where = f" --address {first_host}{where}"
    lines = [f"iii-actors {__version__}, Python {platform.python_version()}, process {os.getpid()}"]
    lines += [_where("workers", "ws", host, number) for host, number in listeners]
    if all(_loopback(host) for host, _ in listeners):
        lines.append("            (--host 0.0.0.0 opens it to the network; whoever reaches it may call everything)")
    lines += [_where(*one) for one in opened]
    lines += [
        f"  settings  {source}",
        "Try next, in another terminal:",
        f"  iii-actors list functions --all{where}",
        f"  iii-actors call engine::workers::list{where}",
        "Ctrl-C stops.",
    ]
    return "\n".join(lines)


def _where(name: str, scheme: str, host: str, number: int) -> str:
    reach = "this machine only" if _loopback(host) else "OPEN TO THE NETWORK, without authentication"
    return f"  {name:<8}  {scheme}://{f'[{host}]' if ':' in host else host}:{number}   {reach}"


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _every_interface(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="iii-actors", usage="iii-actors [COMMAND] [options]", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        help=f"settings, YAML (./{_DEFAULT_FILE} if there is one; else built-in defaults, and nothing is written)",
    )
    parser.add_argument("--port", type=port, help=f"port of the first listener ({limits.PORT}); 0 takes a free one")
    parser.add_argument("--host", help=f"its address ({limits.HOST}, this machine only; 0.0.0.0 is every interface)")
    parser.add_argument("--reader", choices=("shared", "own"), help="how sockets are read (shared)")
    parser.add_argument(
        "--drain-timeout",
        type=seconds,
        default=limits.DRAIN_DEADLINE_S,
        metavar="SECONDS",
        help=f"when asked to stop, wait so long for calls in flight ({limits.DRAIN_DEADLINE_S:g})",
    )
    parser.add_argument("--no-update-check", action="store_true", help="accepted and ignored: there is no such check")
    parser.add_argument("-v", "--version", action="version", version=__version__, help="print the version and exit")
    return parser
