"""One test, every backend."""

import pytest

from tests.storage.backends import BACKENDS


@pytest.fixture(params=BACKENDS)
def backend(request, tmp_path):
    """An empty store of each kind."""
    with BACKENDS[request.param](tmp_path) as made:
        yield made


@pytest.fixture
def store(backend):
    return backend.store
