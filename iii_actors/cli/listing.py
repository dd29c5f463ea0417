"""``iii-actors list functions|workers|triggers|trigger-types``: what a running engine knows, as a table or as JSON."""

from __future__ import annotations

import argparse
import sys
from typing import Any, NamedTuple

from iii_actors.cli.arguments import Parser, add_engine_options
from iii_actors.cli.client import ClientError, RemoteError, dialled
from iii_actors.cli.output import pretty, table

__all__ = ["run"]

_DESCRIPTION = """\
Show what a running engine knows: its functions, the workers that report a process id, the triggers in force, or the
types of triggers there are."""


class _Listing(NamedTuple):
    """Where a listing comes from and how it is shown."""

    function_id: str
    """The engine's function that answers it (engine-functions.md §4)."""
    member: str
    """The member of the answer that holds the rows."""
    columns: dict[str, str]
    """Heading to the rows' member."""


_LISTINGS = {
    "functions": _Listing(
        "engine::functions::list",
        "functions",
        {"FUNCTION": "function_id", "NAMESPACE": "namespace", "WORKER": "worker_name", "DESCRIPTION": "description"},
    ),
    "workers": _Listing(
        "engine::workers::list",
        "workers",
        {
            "WORKER": "name",
            "NAMESPACE": "namespace",
            "STATUS": "status",
            "RUNTIME": "runtime",
            "VERSION": "version",
            "FUNCTIONS": "function_count",
            "CALLS": "active_invocations",
            "ADDRESS": "ip_address",
            "ID": "id",
        },
    ),
    "triggers": _Listing(
        "engine::registered-triggers::list",
        "registered_triggers",
        {
            "TYPE": "trigger_type",
            "FUNCTION": "function_id",
            "WORKER": "worker_name",
            "CONFIG": "config_summary",
            "ID": "id",
        },
    ),
    "trigger-types": _Listing(
        "engine::triggers::list",
        "triggers",
        {"TYPE": "id", "NAMESPACE": "namespace", "WORKER": "worker_name", "DESCRIPTION": "description"},
    ),
}


def run(command: str, arguments: list[str]) -> int:
    """Ask the engine and print the answer; return the exit code."""
    options = _parser(command).parse_args(arguments)
    listing = _LISTINGS[options.what]
    asked = {"include_internal": True} if options.all and options.what != "workers" else {}
    try:
        with dialled(options) as client:
            answer: Any = client.call(listing.function_id, asked)
    except RemoteError as error:
        print(f"Error: {pretty(error.details)}", file=sys.stderr)
        return 1
    if options.json:
        print(pretty(answer))
        return 0
    found = answer.get(listing.member) if isinstance(answer, dict) else None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        what = options.what.replace("-", " ")
        raise ClientError(f"{listing.function_id} answered with something that is no list of {what}")
    rows = [[row.get(member) for member in listing.columns.values()] for row in found]
    print(table(list(listing.columns), rows))
    if not rows:
        print(f"no {options.what.replace('-', ' ')}" + ("" if options.all else " (--all shows the engine's own, too)"))
    return 0


def _parser(command: str) -> argparse.ArgumentParser:
    parser = Parser(prog=f"iii-actors {command}", description=_DESCRIPTION)
    parser.add_argument("what", choices=_LISTINGS, help="what to list")
    parser.add_argument("--all", action="store_true", help="the engine's own, too")
    parser.add_argument("--json", action="store_true", help="print the engine's answer as JSON")
    add_engine_options(parser)
    return parser
