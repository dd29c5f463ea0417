"""Is a body JSON, by the strict rules of http.md §5?

It is looked through and not turned into objects: bodies are forwarded as the text they came in.
"""

from __future__ import annotations

import re
from math import isinf
from typing import Final

import msgspec

__all__ = ["is_json"]

_whole: Final = msgspec.json.Decoder()
_skim: Final = msgspec.json.Decoder(msgspec.Raw)
_DIGITS_OF_MAX: Final = 309
"""As many digits has the largest double; a number of fewer, without exponent, is none too large."""
_plain: Final = bytes.maketrans(b"123456789E", b"000000000e")
_SUSPECTS: Final = (b"0e000", b"0e+000", b"0" * _DIGITS_OF_MAX)
"""What a number too large for a double must contain, digits and exponent made alike by :data:`_plain`."""
_up_to_suspect: Final = re.compile(
    rb"""(?: [^"0-9]++
           | "(?:[^"\\]++|\\.)*+"
           | [0-9]{1,308}+ (?:\.[0-9]++)?+ (?:[eE](?:-[0-9]++|\+?[0-9]{1,2}+)(?![0-9]))?+ (?![0-9.eE])
         )*+""",
    re.VERBOSE | re.DOTALL,
)
_number: Final = re.compile(rb"[0-9]++(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+")


def is_json(body: bytes) -> bool:
    """Return whether a body is one JSON value and nothing else, in UTF-8, its numbers within a double's range.

    Takes 20 ms for 10 MB, with the interpreter lock held.
    """
    try:
        if len(body) < _DIGITS_OF_MAX:
            _whole.decode(body)
            return True
        _skim.decode(body)
        str(body, "utf-8")  # the decoder does not look into what it skips
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    alike = body.translate(_plain)
    return not any(suspect in alike for suspect in _SUSPECTS) or _all_finite(body)


def _all_finite(body: bytes) -> bool:
    """Return whether no number of a well-formed text is too large."""
    at = 0
    while True:
        at = _up_to_suspect.match(body, at).end()  # type: ignore[union-attr] # it matches the empty text too
        if at == len(body):
            return True
        number = _number.match(body, at)
        if number is None or isinf(float(number[0])):
            return False
        at = number.end()
