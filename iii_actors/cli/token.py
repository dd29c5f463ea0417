"""``iii-actors token``: makes a bearer token, and the line of settings that lets it in."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from iii_actors.access.tokens import hashed, new_token
from iii_actors.cli.arguments import Parser

__all__ = ["run"]

_EPILOG = """\
The settings hold the hash only; the token itself is shown this once. Put the lines below `tokens:` of a listener
(iii-worker-manager), and give the token to the worker, which sends it as `Authorization: Bearer <token>`.
"""


def run(command: str, arguments: Sequence[str]) -> int:
    """Print a fresh token and its settings; returns the exit code."""
    parser = Parser(prog=f"iii-actors {command}", description=__doc__, epilog=_EPILOG)
    parser.add_argument("name", nargs="?", default="worker", help="what the engine's log calls it (%(default)s)")
    parser.add_argument("--hash-only", action="store_true", help="read a token from standard input, print its hash")
    options = parser.parse_args(arguments)
    if options.hash_only:
        print(hashed(sys.stdin.readline().rstrip("\r\n")))
        return 0
    token = new_token()
    print(f"token:    {token}")
    print("settings: (below `tokens:` of a listener)")
    print(f"  - name: {_quoted(options.name)}")
    print(f"    hash: {hashed(token)}")
    return 0


def _quoted(name: str) -> str:
    """Write a name as YAML reads it back, whatever is in it."""
    return name if name.isascii() and name.replace("-", "").replace("_", "").isalpha() else json.dumps(name)
