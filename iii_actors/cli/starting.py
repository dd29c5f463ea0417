"""What makes a command start sooner: a process that is about to run one does nothing else meanwhile."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["quickly"]

_PLUGINS: Final = "PYDANTIC_DISABLE_PLUGINS"


@contextmanager
def quickly() -> Iterator[None]:
    """Import modules and set things up without two searches that find nothing then.

    Python looks for garbage again and again while modules are imported, and pydantic, for plugins, through the
    metadata of every installed package. No plugin has a say in what an engine's settings mean. Both are as before
    afterwards: programs that run an engine inside themselves, and what the engine starts, are none of this process.
    """
    collecting, plugins = gc.isenabled(), os.environ.get(_PLUGINS)
    gc.disable()
    if plugins is None:
        os.environ[_PLUGINS] = "__all__"
    try:
        yield
    finally:
        if plugins is None:
            os.environ.pop(_PLUGINS, None)
        if collecting:
            gc.enable()
