"""The documentation page: one HTML text, put together once from the files beside this one.

It holds nothing of what workers register. Its script fetches ``openapi.json`` and writes what it finds there as text,
never as markup; and its policy lets no other script run, whatever text there is. It asks no other host for anything.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import Final

__all__ = ["PAGE", "POLICY"]


def _read(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_script: Final = _read("page.js")
_style: Final = _read("page.css")

PAGE: Final = _read("page.html").replace("{{style}}", _style).replace("{{script}}", _script).encode()
"""The whole page."""
POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        f"script-src {_digest(_script)}",
        f"style-src {_digest(_style)}",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
"""Its ``Content-Security-Policy``: this script, this style, requests to the page's own host, nothing else."""
