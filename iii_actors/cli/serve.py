"""``iii-actors [serve]``: run an engine until a signal asks it to stop (config-and-cli.md §2, §7)."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

import iii_actors
from iii_actors import __version__, config, limits, logs
from iii_actors.cli.arguments import Parser, folder, port, seconds
from iii_actors.cli.following import Follower
from iii_actors.cli.going_down import GoingDown, drain, watch_signals
from iii_actors.cli.one_processor import OneProcessor
from iii_actors.cli.reach import every_interface, loopback, place
from iii_actors.cli.starting import quickly
from iii_actors.config import ListenerSettings
from iii_actors.config.data_folder import kept_in, relative_to
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
  check -c FILE                say whether a settings file is right, and what it means
  init DIR                     write a starter: settings, a worker, its test

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
    with quickly():
        engine = iii_actors.Engine(settings)  # loaded only now: -h and -v need none of it
    going_down = GoingDown(options.drain_timeout)
    engine.on_going_down = going_down.ask
    watch_signals(going_down, engine)
    with quickly():
        engine.start()
    _tune_garbage_collection()
    one_processor = OneProcessor()
    if not options.any_processor:
        one_processor.start()
    follower = _follower(options, engine)
    try:
        if observability.format == "default":
            found = banner(engine.listeners, engine.opened(), source, _kept(options), engine.config.listeners())
            print(found, flush=True)
        going_down.asked.wait()
        if follower is not None:
            follower.stop()
        drain(engine, going_down.deadline_s)
    finally:
        engine.stop(limits.SHUTDOWN_DEADLINE_S)
        one_processor.stop()
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


def _follower(options: argparse.Namespace, engine: iii_actors.Engine) -> Follower | None:
    """Follow the settings file, if there is one and its changes are wanted."""
    path = options.config or (_DEFAULT_FILE if Path(_DEFAULT_FILE).exists() else None)
    if path is None or options.no_reload:
        return None
    follower = Follower(Path(path), engine, lambda: _settings(options)[0])
    follower.start()
    return follower


def _settings(options: argparse.Namespace) -> tuple[config.EngineConfig, str]:
    """Return the settings, and in words where they come from."""
    if options.config is not None:
        settings, source = config.load(options.config), options.config
    elif Path(_DEFAULT_FILE).exists():
        settings, source = config.load(_DEFAULT_FILE), f"./{_DEFAULT_FILE}"
    else:
        settings, source = config.default(), f"built-in defaults (there is no ./{_DEFAULT_FILE})"
    if options.data_dir is not None:
        written = options.config is not None or Path(_DEFAULT_FILE).exists()
        settings = (relative_to if written else kept_in)(settings, options.data_dir)
    changes = {name: getattr(options, name) for name in ("port", "host", "reader")}
    changes = {name: value for name, value in changes.items() if value is not None}
    if changes:
        given = ", ".join(f"--{name}" for name in changes)
        try:
            settings, source = settings.changed(**changes), f"{source}, and {given}"
        except ConfigError as error:
            raise ConfigError(f"{given} with {source}", error.problem, error.mend) from None
    return settings, source


def _kept(options: argparse.Namespace) -> str | None:
    """Return in words where state, streams and queues are kept; None: the settings file says it."""
    if options.data_dir is not None:
        return f"in {options.data_dir}"
    if options.config is not None or Path(_DEFAULT_FILE).exists():
        return None
    return "in memory, gone when the engine stops (--data-dir DIR keeps state, streams and queues)"


def banner(
    listeners: list[tuple[str, int]],
    opened: Iterable[tuple[str, str, str, int]],
    source: str,
    kept: str | None = None,
    settings: Sequence[ListenerSettings] = (),
) -> str:
    """Return what listens where, who can reach it, what is kept, and what to try next.

    :param settings: of the listeners, in their order.
    """
    schemes = ["ws"] * len(listeners)
    guarded = [False] * len(listeners)
    if len(settings) == len(listeners):  # else one of them could not be opened
        schemes = ["wss" if one.tls is not None else "ws" for one in settings]
        guarded = [one.rbac is not None or one.tokens is not None for one in settings]
    first_host, first_port = listeners[0]
    where = "" if first_port == limits.PORT else f" --port {first_port}"
    if not loopback(first_host) and not every_interface(first_host):
        where = f" --address {first_host}{where}"
    lines = [f"iii-actors {__version__}, Python {platform.python_version()}, process {os.getpid()}"]
    described = zip(schemes, listeners, guarded, strict=True)
    lines += [_where("workers", scheme, *address, is_guarded) for scheme, address, is_guarded in described]
    if all(loopback(host) for host, _ in listeners) and not all(guarded):
        lines.append("            (--host 0.0.0.0 opens it to the network; whoever reaches it may call everything)")
    lines += [_where(*one) for one in opened]
    lines += [
        f"  settings  {source}",
        *([f"  data      {kept}"] if kept is not None else ()),
        "Try next, in another terminal:",
        f"  iii-actors list functions --all{where}",
        f"  iii-actors call engine::workers::list{where}",
        "Ctrl-C stops.",
    ]
    return "\n".join(lines)


def _where(name: str, scheme: str, host: str, number: int, is_guarded: bool = False) -> str:
    open_to_all = "open to the network, by rules" if is_guarded else "OPEN TO THE NETWORK, without authentication"
    reach = "this machine only" if loopback(host) else open_to_all
    return f"  {name:<8}  {scheme}://{place(host, number)}   {reach}"


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
    parser.add_argument(
        "--data-dir",
        type=folder,
        metavar="DIR",
        help="keep state, streams and queues in files in this folder; with a settings file: the folder from which its "
        "relative paths of such files are taken",
    )
    parser.add_argument(
        "--any-processor",
        action="store_true",
        help="let the system spread the engine's threads; by default they stay together while they take turns",
    )
    parser.add_argument("--no-reload", action="store_true", help="read the settings once; do not follow their file")
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
