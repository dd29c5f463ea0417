"""Whether a text that others may have written is JSON: what is stored goes into messages as it is."""

from __future__ import annotations

import json
from typing import Final

import msgspec
from msgspec import Raw

__all__ = ["is_json"]

_check: Final = msgspec.json.Decoder(Raw).decode


def is_json(text: bytes, *, trusted: bool) -> bool:
    """Return whether it is one JSON value in UTF-8; ``trusted`` is said of what nests too deep to be checked."""
    try:
        str(text, "utf-8")
        _check(text)
    except RecursionError:
        return trusted
    except msgspec.DecodeError:
        # Half a surrogate pair, escaped, is JSON by the letter (RFC 8259 section 8.2), and passes elsewhere.
        try:
            json.loads(text, parse_constant=_no_constant)
        except RecursionError:
            return trusted
        except ValueError:
            return False
    except ValueError:
        return False
    return True


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")
