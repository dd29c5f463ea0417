"""`kill -9` at any moment: every job that was stored is there or done, once and whole, and the books balance."""

import os
import random
import signal

import pytest

from tests.durability.queue_file import content, told
from tests.durability.queue_worker import QueueTask
from tests.durability.storage_process import writer

IN_FLIGHT = 32
ROUNDS = {"process": 25, "disk": 20, "memory": 5}
"""50 of them together."""
MODULE = "tests.durability.queue_worker"


class Book:
    """What has become of the jobs, over all rounds."""

    def __init__(self):
        self.put, self.acked, self.acking, self.buried, self.burying = set(), set(), set(), set(), set()
        self.delivered = set()

    def enter(self, lines):
        one = told(lines)
        assert not one.errors
        done_before = self.acked | self.buried
        again = {number for number, _ in one.got if number in done_before}
        assert not again, "delivered though it was done"
        for number, redelivered in one.got:
            assert redelivered or number not in self.delivered, "delivered twice without saying so"
        for name in ("put", "acked", "acking", "buried", "burying"):
            getattr(self, name).update(getattr(one, name))
        self.delivered.update(number for number, _ in one.got)

    def compare(self, found):
        lost = self.put - found.living - found.dead - self.acking
        assert not lost, "lost"
        assert not self.acked & found.living
        assert not self.acked & found.dead
        assert self.buried <= found.dead
        assert found.dead <= self.burying


@pytest.mark.parametrize("durability", ROUNDS)
def test_what_was_stored_is_there_or_done(durability, tmp_path):
    chance = random.Random(7)
    path = tmp_path / "queue.sqlite"
    book, first = Book(), 0
    with writer(module=MODULE) as process:
        for number in range(ROUNDS[durability]):
            task = QueueTask(str(path), durability, first, 1_000_000, IN_FLIGHT, consume=number % 5 != 3)
            pid = process.start(task)
            lines = [process.line() for _ in range(0 if number % 10 == 5 else chance.randrange(1, 1500))]
            os.kill(pid, signal.SIGKILL)
            lines += process.rest()
            first += 100_000
            if durability != "memory":
                book.enter(lines)
                book.compare(content(path))
            else:
                content(path)


def test_a_worker_that_is_not_killed_does_all_jobs(tmp_path):
    path = tmp_path / "queue.sqlite"
    with writer(module=MODULE) as process:
        process.start(QueueTask(str(path), "memory", 0, 300, IN_FLIGHT))
        lines = list(process.rest())
    assert lines[-1] == "closed"
    one, found = told(lines), content(path)
    assert one.put == set(range(300))
    assert (one.acked | one.buried, one.buried) == (one.put, found.dead)
    assert not found.living
    assert sorted(left.name for left in tmp_path.iterdir()) == ["queue.sqlite", "queue.sqlite-lock"]
