"""Identifiers: random UUIDs (v4), lower-case and hyphenated."""

from __future__ import annotations

import os
import random
from collections import deque
from typing import Final

__all__ = ["invocation_id", "new_id"]

_random = random.Random(random.SystemRandom().getrandbits(64))  # noqa: S311 - ids of calls are no secrets
_spare: deque[bytes] = deque()
_AT_ONCE: Final = 256


def new_id() -> str:
    """Return an id nobody can guess: worker ids, tokens, channel keys.

    The kernel is asked for many at once: each asking gives the interpreter lock away, and a worker needs three.
    """
    try:
        bits = _spare.popleft()
    except IndexError:
        drawn = os.urandom(16 * _AT_ONCE)
        _spare.extend(drawn[at : at + 16] for at in range(16, len(drawn), 16))
        bits = drawn[:16]
    return _written(bits.hex())


def invocation_id() -> str:
    """Return an id for a call that came without one; unique, quick, and no secret."""
    return _written(f"{_random.getrandbits(128):032x}")


def _written(text: str) -> str:
    """Write 32 hex digits as a UUID of version 4, variant 1."""
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:]}"


_VARIANT: Final = {digit: "89ab"[value & 3] for value, digit in enumerate("0123456789abcdef")}
