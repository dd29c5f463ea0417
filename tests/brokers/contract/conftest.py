"""One test, every broker.

A backend is a file ``backend_<name>.py`` beside this one, with ``opened(folder)``: a context manager that gives a
:class:`~tests.brokers.contract.lab.Backend`, skips where its server is not there, and fails then with
III_ACTORS_REQUIRE_ALL=1.
"""

from __future__ import annotations

import importlib

import pytest

from tests.brokers.contract.lab import Lab

BACKENDS = ("memory", "sqlite", "redis", "rabbit")


@pytest.fixture(params=BACKENDS)
def lab(request, tmp_path):
    """An open broker that holds nothing; at the end of the test its books must balance."""
    # Only what is asked for is imported: a backend may need a package that is not there.
    backend_module = importlib.import_module(f"tests.brokers.contract.backend_{request.param}")
    with backend_module.opened(tmp_path) as backend:
        made = Lab(backend)
        yield made
        made.finish()
