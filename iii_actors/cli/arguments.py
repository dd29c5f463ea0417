"""What the commands' arguments have in common: the parser, and the options that say where the engine is."""

from __future__ import annotations

import argparse
import os
from typing import Any

from iii_actors import limits

__all__ = ["Parser", "add_engine_options", "folder", "port", "positive", "seconds"]


class Parser(argparse.ArgumentParser):
    """An argparse parser that does not guess: no abbreviated options, and help laid out as written."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)


def folder(text: str) -> str:
    """Return the path of a folder, which need not be there yet (argparse type)."""
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not the path of a folder")
    return text


def port(text: str) -> int:
    """Return a TCP port (argparse type)."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 to 65535)")
    return int(text)


def positive(text: str) -> int:
    """Return a whole number above 0 (argparse type)."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def seconds(text: str) -> float:
    """Return a number of seconds, 0 or more (argparse type)."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Add the options by which a client finds the engine."""
    parser.add_argument("--address", default="localhost", metavar="HOST", help="the engine's host (%(default)s)")
    parser.add_argument("--port", type=port, default=limits.PORT, help="its port (%(default)s)")
    parser.add_argument(
        "--timeout-ms",
        type=positive,
        default=limits.CALL_TIMEOUT_MS,
        metavar="MS",
        help="how long to wait for the answer (%(default)s)",
    )
    parser.add_argument(
        "--token", default=os.environ.get("III_TOKEN"), help="bearer token for a listener that needs one ($III_TOKEN)"
    )
    parser.add_argument("--tls", action="store_true", help="the listener speaks TLS")
    parser.add_argument("--ca", metavar="FILE", help="PEM file of whom to trust, in place of the system's; means --tls")
