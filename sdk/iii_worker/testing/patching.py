"""Fake workers for programs that make their worker themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import iii_worker
from iii_worker import entry
from iii_worker.options import InitOptions, options_from
from iii_worker.testing.worker import FakeWorker

__all__ = ["fake_workers"]


@contextmanager
def fake_workers() -> Iterator[list[FakeWorker]]:
    """Let ``register_worker``, ``init`` and ``connect`` make fake workers meanwhile; the block gets the list of them.

    For modules that make their worker when they are imported: import them inside the block, for the first time. ::

        with fake_workers() as fakes:
            import shop.users
        fakes[0].call("users::create", {...})

    The workers are shut down at the end of the test, not of the block: by ``fakes[0].shutdown()`` or with the process.
    """
    made: list[FakeWorker] = []

    def make(
        _address: str | None = None, options: InitOptions | Mapping[str, Any] | None = None, **keywords: Any
    ) -> FakeWorker:
        made.append(FakeWorker(options_from(options, keywords)))
        return made[-1]

    with ExitStack() as patches:
        for module in (iii_worker, entry):
            for name in ("register_worker", "init", "connect"):
                patches.enter_context(patch.object(module, name, make))
        yield made
