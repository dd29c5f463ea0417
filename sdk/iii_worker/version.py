"""The version of the SDK, as announced to engines (spec sdk.md §5.5)."""

from __future__ import annotations

from typing import Final

__all__ = ["__version__"]

__version__: Final = "0.1.0"
