"""How many examples a fuzz test tries (README.rst)."""

import os

from hypothesis import settings

WANTED = int(os.environ.get("III_ACTORS_FUZZ_EXAMPLES", "0"))


def examples(usual: int = 100) -> settings:
    """Return the settings for a test that usually tries so many; ``III_ACTORS_FUZZ_EXAMPLES`` replaces the number."""
    return settings(max_examples=WANTED or usual, deadline=None)
