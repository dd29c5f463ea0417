"""``iii-actors init DIR``: write a starter, which is settings, one worker, one test. Nothing there is overwritten."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from iii_actors.cli.arguments import Parser
from iii_actors.errors import ConfigError

__all__ = ["FILES", "run"]

FILES = ("config.yaml", "greeter.py", "test_greeter.py")
"""What is written, in this order."""

_NEXT = """\
Next:
  cd {folder}
  python -m iii_actors            the engine
  python greeter.py               the worker, in another terminal
  python -m iii_actors call greeter::greet name=Ada
  python -m pytest                the worker's test, which needs no engine"""


def run(_command: str, arguments: list[str]) -> int:
    """Write the files; return 0.

    :raises ConfigError: one of them is there already, or the folder cannot be written.
    """
    parser = Parser(prog="iii-actors init", usage="iii-actors init DIR", description=__doc__.partition(": ")[2])
    parser.add_argument("folder", metavar="DIR", type=Path, help="where; made if it is not there")
    folder: Path = parser.parse_args(arguments).folder
    there = [name for name in FILES if (folder / name).exists()]
    if there:
        raise ConfigError(str(folder), f"holds {', '.join(there)} already", "name another folder; nothing was written")
    source = files("iii_actors.cli") / "starter"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write((source / name).read_text(encoding="utf-8"))
            print(f"{folder / name}")
    except OSError as error:
        raise ConfigError(
            str(error.filename or folder), f"cannot be written: {error.strerror}", "name a folder that you may write"
        ) from None
    print(_NEXT.format(folder=folder))
    return 0
