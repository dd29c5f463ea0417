"""``python -m tests.fuzz.run TARGET [libFuzzer options]``: fuzz one target with coverage, by atheris (README.rst)."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

CORPUS = Path(__file__).parent / "corpus"


def main() -> None:
    """Instrument what the target reads with, and run until a failure or the end of ``-max_total_time``."""
    name, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["iii_actors", "yaml"]):
        from tests.fuzz.targets import TARGETS
    folder = Path(options.pop(0)) if options and not options[0].startswith("-") else CORPUS / name
    atheris.Setup([sys.argv[0], *options, str(folder), str(CORPUS / name)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
