"""The load generators and the relay: found beside the checkout, built in a cache, for their folder is read-only."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Tools", "ToolsMissing", "build"]

ROOT: Final = Path(__file__).resolve().parents[1]
_DEFAULT: Final = ROOT.parent / "shared" / "bench"
_BUILD_TIMEOUT_S: Final = 600.0


class ToolsMissing(Exception):
    """The sources are not there, or they cannot be built; the text says what to do."""


@dataclass(frozen=True)
class Tools:
    """The built programs."""

    relay: Path
    callload: Path
    pathload: Path


def build(folder: str | None) -> Tools:
    """Return the programs, built from ``folder``, III_ACTORS_BENCH or ``../shared/bench``, whichever is given first.

    Raises :class:`ToolsMissing`.
    """
    sources = Path(folder or os.environ.get("III_ACTORS_BENCH") or _DEFAULT)
    return Tools(*(_built(sources / name) for name in ("relay", "callload", "pathload")))


def _built(source: Path) -> Path:
    """Return one program, built unless the cache has it from the very same sources."""
    if not (source / "go.mod").is_file():
        raise ToolsMissing(f"no Go sources in {source}: name their folder with --bench-dir or III_ACTORS_BENCH")
    digest = hashlib.sha256()
    for file in sorted(source.iterdir()):
        digest.update(f"{file.name}\0".encode() + file.read_bytes())
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "iii-actors-bench"
    program = home / f"{source.name}-{digest.hexdigest()[:16]}"
    if program.exists():
        return program
    if shutil.which("go") is None:
        raise ToolsMissing("the load generators are written in Go, and there is no `go` on the PATH")
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home) as work:
        copy = Path(work) / source.name
        copy.mkdir()
        for file in source.iterdir():
            shutil.copyfile(file, copy / file.name)
        done = subprocess.run(
            ["go", "build", "-o", "program", "."],
            cwd=copy,
            capture_output=True,
            text=True,
            timeout=_BUILD_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise ToolsMissing(f"{source.name} cannot be built:\n{done.stderr.strip()}")
        (copy / "program").replace(program)
    return program
