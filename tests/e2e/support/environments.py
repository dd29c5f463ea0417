"""The official SDKs, each in an environment of its own, made once and kept in a cache folder.

Made only with ``III_ACTORS_REQUIRE_ALL=1``, as they are downloaded, and nothing is skipped then: what cannot be had fails.
Without it, what is in the cache is used.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from tests.e2e.support.process import environment

REQUIRE_ALL = os.environ.get("III_ACTORS_REQUIRE_ALL") == "1"
EXAMPLES = Path(__file__).parents[3] / "examples"
_NODE_FILES = [EXAMPLES / "node" / name for name in ("package.json", "package-lock.json", ".npmrc")]
INSTALL_S = 600.0
_HINT = "III_ACTORS_REQUIRE_ALL=1 makes the tests install it there"


def cache() -> Path:
    """``III_ACTORS_CACHE``, else ``iii_actors`` in the user's cache folder."""
    chosen = os.environ.get("III_ACTORS_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "iii_actors"


def missing_environments(versions: Iterable[str]) -> str | None:
    """Say what is not in the cache, and what to do about it; None if all is there."""
    missing = [f"iii-sdk {version} for Python" for version in versions if not _is_ready(_python_room(version))]
    if shutil.which("node") is None:
        missing.append("node")
    elif not _is_ready(_node_room()):
        missing.append("iii-sdk for Node")
    if not missing:
        return None
    return f"not in {cache()}: {', '.join(missing)}; {_HINT}"


def python_with_sdk(version: str) -> Path:
    """Return the interpreter that has ``iii-sdk`` in this version, or in the ``newest`` there is."""
    requirement = "iii-sdk" if version == "newest" else f"iii-sdk=={version}"
    room = _python_room(version)
    python = room / "bin" / "python"
    with _locked(room):
        if not _is_ready(room):
            _run([sys.executable, "-m", "venv", "--clear", room])
            _run([python, "-m", "pip", "install", "--quiet", requirement])
            _now_ready(room)
        elif REQUIRE_ALL and version == "newest":
            _run([python, "-m", "pip", "install", "--quiet", "--upgrade", requirement])
    return python


def node_with_sdk() -> tuple[str, Path]:
    """Return the ``node`` command and the ``node_modules`` folder that `examples/node` asks for."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        unavailable("there is no node or no npm on the PATH")
    room = _node_room()
    with _locked(room):
        if not _is_ready(room):
            shutil.rmtree(room, ignore_errors=True)
            room.mkdir()
            for file in _NODE_FILES:
                shutil.copy(file, room)
            _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", room])
            _now_ready(room)
    return node, room / "node_modules"


def _python_room(version: str) -> Path:
    return cache() / f"python{sys.version_info.major}.{sys.version_info.minor}-iii-sdk-{version}"


def _node_room() -> Path:
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in _NODE_FILES)).hexdigest()
    return cache() / f"node-{digest[:16]}"


def unavailable(reason: str) -> NoReturn:
    """Skip the test; where everything is required, fail it."""
    if REQUIRE_ALL:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def _run(command: list[object]) -> None:
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        unavailable(f"{' '.join(words)}: {error}")
    if done.returncode != 0:
        unavailable(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}")


@contextmanager
def _locked(room: Path) -> Iterator[None]:
    """Two test runs at once do not build the same room. Where nothing may be installed, nothing is written either."""
    if not REQUIRE_ALL:
        yield
        return
    room.parent.mkdir(parents=True, exist_ok=True)
    with room.with_name(f"{room.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_ready(room: Path) -> bool:
    return (room / "ready").exists()


def _now_ready(room: Path) -> None:
    (room / "ready").write_text("complete\n")
