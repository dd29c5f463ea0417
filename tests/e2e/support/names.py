"""Names that no other test uses: most tests share one engine."""

import itertools

_numbers = itertools.count(1)


def unique(word: str) -> str:
    return f"{word}-{next(_numbers)}"
