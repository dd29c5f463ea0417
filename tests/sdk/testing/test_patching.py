"""Programs that make their worker themselves."""

import sys
import types

import iii_worker
from iii_worker.testing import FakeWorker, fake_workers


def test_workers_made_in_the_block_are_fake(monkeypatch):
    program = types.ModuleType("program")
    source = (
        "from iii_worker import register_worker\n"
        "worker = register_worker('ws://nowhere', worker_name='users')\n"
        "@worker.function('double')\n"
        "def double(number: int) -> int:\n"
        "    return number * 2\n"
        "worker.run()\n"
    )
    monkeypatch.setitem(sys.modules, "program", program)
    with fake_workers() as fakes:
        exec(source, program.__dict__)
        made = iii_worker.init({"worker_name": "other"}["worker_name"])
    first, second = fakes
    assert first is program.worker
    assert second is made
    assert first.call("double", 4) == 8
    for fake in fakes:
        fake.shutdown()


def test_afterwards_all_is_as_before():
    before = iii_worker.register_worker
    with fake_workers():
        assert iii_worker.register_worker is not before
    assert iii_worker.register_worker is before
    assert not isinstance(iii_worker.init("ws://127.0.0.1:1"), FakeWorker)
