"""The command line (config-and-cli.md §7): one module per command, chosen here by the first argument.

``iii-actors [serve]`` runs the engine; ``call`` and ``list`` are clients of a running one; ``check``
and ``init`` need none. Results go to stdout, errors
to stderr. Exit codes: 0 done; 1 refused, failed or timed out, with one line on stderr and never a traceback; 2 the
arguments are not understood; 130 or 143 stopped by a second signal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from iii_actors.cli.starting import quickly
from iii_actors.errors import EngineError

__all__ = ["main"]

_COMMANDS = {
    "serve": "serve",
    "call": "call",
    "trigger": "call",
    "t": "call",
    "list": "listing",
    "check": "check",
    "init": "init",
    "token": "token",
}
"""Command to its module, which is imported only when it is wanted, so that all of them start fast."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    :param arguments: without the program's name; None takes the process's own.
    :return: the exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    command, rest = (given[0], given[1:]) if given and not given[0].startswith("-") else ("serve", given)
    if command not in _COMMANDS:
        print(f"iii-actors: there is no command {command!r}; `iii-actors -h` lists them", file=sys.stderr)
        return 2
    try:
        with quickly():
            module = import_module(f"iii_actors.cli.{_COMMANDS[command]}")
        code: int = module.run(command, rest)
        sys.stdout.flush()
    except EngineError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `iii-actors list functions | head`: the reader has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code
