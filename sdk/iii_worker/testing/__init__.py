"""The test kit: a worker without an engine, and (in :mod:`iii_worker.testing.fixtures`) fixtures with one."""

from __future__ import annotations

from iii_worker.testing.patching import fake_workers
from iii_worker.testing.wire import OutgoingCall, Stub
from iii_worker.testing.worker import FakeWorker

__all__ = ["FakeWorker", "OutgoingCall", "Stub", "fake_workers"]
