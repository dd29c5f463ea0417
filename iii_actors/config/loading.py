"""Reading the settings: a YAML file, the environment, or nothing at all (config-and-cli.md §1).

The file is read and never written. ``${NAME}`` and ``${NAME:default}`` are replaced in the raw text, before YAML sees
it, so that an unquoted value is typed as if it stood there; lines that are comments are left alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath

from iii_actors.config.models import BUILT_IN, EngineConfig
from iii_actors.config.placeholders import Unset, expanded_text
from iii_actors.config.problems import SettingsError
from iii_actors.errors import ConfigError

__all__ = ["GRACE_VARIABLE", "default", "expand", "load", "parse"]

GRACE_VARIABLE = "III_NAMESPACE_GRACE_MS"
"""The environment variable that wins over `registration_namespace_grace_ms`, wherever that was set."""


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
    from iii_actors.config.document import line_of, read  # noqa: PLC0415 - PyYAML is for those who have a file

    expanded = expand(text, source, environ)
    document, root = read(expanded, source)
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigError(
            f"{source}:{line_of(root, ())}", "the settings are not a mapping", "write `workers:` and a list"
        )
    try:
        return EngineConfig(**{**document, **_from_environment(environ)})
    except SettingsError as error:
        raise error.located(f"{source}:{line_of(root, error.path)}") from None


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
        try:
            yield expanded_text(line, environ)
        except Unset as unset:
            raise ConfigError(f"{source}:{number}", str(unset), f"set it, or write ${{{unset.name}:default}}") from None


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
