"""The house, held by reading the sources: who may import whom, how long a file may be, what no file may hold."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "iii_actors"
SOURCES = sorted(PACKAGE.rglob("*.py"))
SDK_SOURCES = sorted((ROOT / "sdk").rglob("*.py"))

FOUNDATION = {"actor", "clock", "errors", "limits"}
MAY_IMPORT = {
    "limits": set(),
    "logs": set(),
    "clock": {"errors", "limits"},
    "errors": {"limits"},
    "watching": {"limits"},
    "processors": set(),
    "actor": {"clock", "errors", "limits"},
    "config": {"errors", "limits"},
    "wire": {"errors", "limits"},
    "access": FOUNDATION | {"config", "wire"},
    "core": FOUNDATION | {"access", "wire"},
    "transport": FOUNDATION | {"access", "config", "core", "processors", "wire"},
    "remote": FOUNDATION,
    "storage": FOUNDATION | {"config", "remote"},
    "brokers": FOUNDATION | {"config", "storage"},
    "builtin": FOUNDATION
    | {"access", "brokers", "config", "core", "remote", "processors", "storage", "watching", "wire"},
}
"""Room to the rooms it may import, beside itself. `engine` and `cli` put the house together and may import all."""
KNOW_ALL = {"__init__", "__main__", "engine", "cli"}

MAX_LINES = 400

FORBIDDEN_TEXT = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "an access token": re.compile(r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|xox[abp]-[A-Za-z0-9-]{10,})\b"),
    "a machine's path": re.compile(r"(?<![\w.])/(?:root|work|home/\w+|Users/\w+)/"),
    "a package registry's host": re.compile(
        r"registry\.npmjs\.org|pypi\.org/simple|files\.pythonhosted\.org|/artifactory/"
    ),
}
IGNORED_FOLDERS = {"node_modules", "__pycache__", "build", "dist", "data"}
TEXT = {".py", ".cfg", ".toml", ".rst", ".md", ".yaml", ".yml", ".json", ".js", ".mjs", ".ts", ".sh", ".txt", ""}


def room(path: Path) -> str:
    """Return the sub-package or module of the package a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> Iterator[tuple[str, int]]:
    """Yield every room a file imports, and the line, wherever in the file the import stands."""
    package = ("iii_actors", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            targets = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = list(package[: len(package) - node.level + 1]) if node.level else []
            start += node.module.split(".") if node.module else []
            targets = [[*start, alias.name] for alias in node.names]
        else:
            continue
        for parts in targets:
            if parts[0] == "iii_actors" and len(parts) > 1 and parts[1] not in {"__version__", "*"}:
                yield parts[1], node.lineno


def files() -> Iterator[Path]:
    """Yield the files of the checkout that are ours and are text."""
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") and part not in {".ci", ".gitignore"} for part in parts)
        generated = any(part in IGNORED_FOLDERS or part.endswith(".egg-info") for part in parts)
        if path.is_file() and path.suffix in TEXT and not hidden and not generated:
            yield path


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_point_down(path):
    own = room(path)
    if own in KNOW_ALL:
        return
    allowed = MAY_IMPORT[own] | {own}
    wrong = [f"line {line}: {target}" for target, line in imported_rooms(path) if target not in allowed]
    assert not wrong, f"{own} may import {sorted(allowed)}"


def test_the_sdk_shares_no_code_with_the_engine():
    assert SDK_SOURCES
    for path in SDK_SOURCES:
        assert not re.search(r"^\s*(from|import) iii_actors\b", path.read_text(encoding="utf-8"), re.MULTILINE), path


@pytest.mark.parametrize("path", [*SOURCES, *SDK_SOURCES], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_can_be_read_in_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("what", FORBIDDEN_TEXT)
def test_no_file_holds(what):
    pattern = FORBIDDEN_TEXT[what]
    found = [
        str(path.relative_to(ROOT))
        for path in files()
        if path != Path(__file__) and pattern.search(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert not found


def test_only_the_clock_asks_for_the_time():
    wall = re.compile(r"\btime\.(?:time|sleep)\b|\bdatetime\.(?:utc)?now\(")
    assert not [
        str(path) for path in SOURCES if room(path) != "clock" and wall.search(path.read_text(encoding="utf-8"))
    ]


def test_deadlines_are_the_clocks_but_for_waits_on_real_sockets():
    monotonic = re.compile(r"\btime\.(?:monotonic|perf_counter)\b")
    found = {room(path) for path in SOURCES if monotonic.search(path.read_text(encoding="utf-8"))}
    assert found <= {"clock", "transport", "engine"}
