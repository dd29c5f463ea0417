from collections.abc import Iterator

import pytest

from tests.support.http_engine import Site, site


@pytest.fixture(scope="module")
def shared() -> Iterator[Site]:
    """A front for all tests of a file; each makes routes of its own."""
    with site() as made:
        yield made
