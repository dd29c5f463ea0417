"""Names with wildcards, as sampling rules and collapsed spans have them: ``*`` is any characters, ``?`` is one."""

from __future__ import annotations

from fnmatch import fnmatchcase

__all__ = ["fits"]


def fits(name: str, pattern: str) -> bool:
    """Return whether all of a name fits; brackets stand for themselves."""
    return fnmatchcase(name, pattern.replace("[", "[[]"))
