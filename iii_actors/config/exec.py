"""``iii-exec``: commands that run beside the engine (config-and-cli.md §8)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from iii_actors.config.settings import Settings

__all__ = ["ExecSettings"]

_Text = Annotated[str, Field(min_length=1)]


class ExecSettings(Settings):
    """Settings of ``iii-exec``."""

    exec: Annotated[list[_Text], Field(min_length=1)]
    """Commands for `sh -c`, one after the other; the last one may go on running."""
    watch: list[_Text] | None = None
    """Patterns such as ``src/**/*.{py,js}``: when such a file changes, everything is killed and begun anew."""
