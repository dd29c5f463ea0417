"""Identifiers: random UUIDs (v4), lower-case and hyphenated."""

from __future__ import annotations

import random
import uuid

__all__ = ["invocation_id", "new_id"]

_random = random.Random(random.SystemRandom().getrandbits(64))  # noqa: S311 - ids of calls are no secrets


def new_id() -> str:
    """Return an id nobody can guess: worker ids, tokens, channel keys."""
    return str(uuid.uuid4())


def invocation_id() -> str:
    """Return an id for a call that came without one; unique, quick, and no secret."""
    text = f"{_random.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
