"""Reading the settings: a YAML file, the environment, or nothing at all (config-and-cli.md §1).

The file is read and never written. ``${NAME}`` and ``${NAME:default}`` are replaced in the raw text, before YAML sees
it, so that an unquoted value is typed as if it stood there; lines that are comments are left alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

import yaml
from yaml.reader import ReaderError

from iii_actors import __version__
from iii_actors.config.models import BUILT_IN, EngineConfig
from iii_actors.config.problems import Path, SettingsError
from iii_actors.errors import ConfigError

__all__ = ["GRACE_VARIABLE", "default", "expand", "load", "parse"]

GRACE_VARIABLE = "III_NAMESPACE_GRACE_MS"
"""The environment variable that wins over `registration_namespace_grace_ms`, wherever that was set."""

_PLACEHOLDER = re.compile(r"\$\{([^:}]+)(?::([^}]*))?\}")
_ENGINE_VERSION = "__III_ENGINE_VERSION__"


def load(path: str | os.PathLike[str]) -> EngineConfig:
    """Read the file at `path`. Relative paths inside it are resolved by their workers, against the working directory.

    :raises ConfigError: the file cannot be read, or :func:`parse` refuses it.
    """
    source = os.fspath(path)
    try:
        text = FilePath(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(source, f"cannot be read: {error.strerror}", "name a readable file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(source, f"is not UTF-8 (byte {error.start})", "save it as UTF-8") from None
    return parse(text, source)


def default(environ: Mapping[str, str] = os.environ) -> EngineConfig:
    """Return the settings used where there is no file: every default built-in worker, with its defaults.

    :raises ConfigError: :data:`GRACE_VARIABLE` is set to something that is not a number.
    """
    listed = [{"name": name} for name, built_in in BUILT_IN.items() if built_in.default]
    return EngineConfig(workers=listed, **_from_environment(environ))


def parse(text: str, source: str, environ: Mapping[str, str] = os.environ) -> EngineConfig:
    """Read settings from YAML text.

    :param source: what to call the text in errors, usually the file's path.
    :raises ConfigError: with the place (`source`, the line where known, the path in the settings), problem and mend.
    """
    expanded = expand(text, source, environ)
    document, root = _read(expanded, source)
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigError(
            f"{source}:{_line(root, ())}", "the settings are not a mapping", "write `workers:` and a list"
        )
    try:
        return EngineConfig(**{**document, **_from_environment(environ)})
    except SettingsError as error:
        raise error.located(f"{source}:{_line(root, error.path)}") from None


def expand(text: str, source: str, environ: Mapping[str, str]) -> str:
    """Replace the placeholders. What the environment holds wins, even if it is empty.

    :raises ConfigError: a variable is not set and its placeholder names no default.
    """
    return "".join(_expanded_lines(text, source, environ))


def _expanded_lines(text: str, source: str, environ: Mapping[str, str]) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        if line.lstrip().startswith("#"):
            yield line
            continue

        def value(match: re.Match[str], number: int = number) -> str:
            name, otherwise = match.groups()
            if name in environ:
                return environ[name]
            if otherwise is None:
                raise ConfigError(
                    f"{source}:{number}",
                    f"Environment variable '{name}' not set and no default provided",
                    f"set it, or write ${{{name}:default}}",
                )
            return __version__ if otherwise == _ENGINE_VERSION else str(otherwise)

        yield _PLACEHOLDER.sub(value, line)


def _from_environment(environ: Mapping[str, str]) -> dict[str, int]:
    text = environ.get(GRACE_VARIABLE)
    if text is None:
        return {}
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise ConfigError(
            f"environment variable {GRACE_VARIABLE}",
            f"{text!r} is not a whole number of milliseconds",
            "correct or unset it",
        )
    return {"registration_namespace_grace_ms": int(text)}


def _read(text: str, source: str) -> tuple[Any, yaml.Node | None]:
    """Return the document and its node tree, which knows the lines."""
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        _refuse_odd_keys(root, source)  # before merge keys (<<) are resolved, which writes into the tree
        return (None if root is None else loader.construct_document(root)), root
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{source}:{mark.line + 1}" if mark else source
        problem = " ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(place, f"is not YAML: {problem}", "check indentation, quotes and colons") from None
    except ReaderError as error:
        problem = f"is not YAML: character {error.character:#x} at position {error.position} is not allowed"
        raise ConfigError(source, problem, "remove it") from None
    except RecursionError:
        raise ConfigError(source, "is nested too deeply to be read", "simplify it") from None
    except ValueError as error:  # an impossible date, for example
        raise ConfigError(source, f"cannot be read: {error}", "correct the value, or put it in quotes") from None


def _refuse_odd_keys(root: yaml.Node | None, source: str) -> None:
    """Refuse keys given twice, of which YAML would silently take the last, and keys that are not text."""
    waiting, seen = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            keys = set[str]()
            for key, value in node.value:
                place = f"{source}:{key.start_mark.line + 1}"
                if key.tag == "tag:yaml.org,2002:merge":
                    pass
                elif key.tag != "tag:yaml.org,2002:str":
                    raise ConfigError(place, "a key is not text", "put it in quotes")
                elif key.value in keys:
                    raise ConfigError(place, f"`{key.value}` is given twice", "keep one")
                else:
                    keys.add(key.value)
                waiting.append(value)


def _line(root: yaml.Node | None, path: Path) -> int:
    """Return the line (from 1) of the value at `path`, or of what comes nearest to it."""
    node, line = root, 1
    for step in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == step), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line
