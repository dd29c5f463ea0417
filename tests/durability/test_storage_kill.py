"""`kill -9` at any moment: what was answered is there, nothing is half there, and the file opens."""

import os
import random
import signal
from pathlib import Path

import pytest

from tests.durability.storage_process import Writer, content, writer
from tests.durability.storage_writer import Task, applied

IN_FLIGHT = 64
ROUNDS = {"process": 25, "disk": 20, "memory": 5}
"""50 of them together."""


def killed(process: Writer, task: Task, after: int) -> int:
    """Kill a writer once so many lines have come; returns the number behind the last answered operation."""
    pid = process.start(task)
    lines = [process.line() for _ in range(after)]
    os.kill(pid, signal.SIGKILL)
    lines += process.rest()
    return max([int(line.removeprefix("done ")) + 1 for line in lines if line.startswith("done")], default=task.first)


@pytest.mark.parametrize("durability", ROUNDS)
def test_what_was_answered_is_there_and_nothing_is_half_there(durability, tmp_path):
    chance = random.Random(6)
    path = tmp_path / "values.db"
    values: dict[str, bytes] = {}
    first = 0
    with writer() as process:
        for number in range(ROUNDS[durability]):
            task = Task(str(path), durability, first, 1_000_000, IN_FLIGHT)
            answered = killed(process, task, after=0 if number % 10 == 5 else chance.randrange(1, 600))
            first = carried_out(values, content(path), first, answered, durability)


def carried_out(values: dict[str, bytes], found: dict[str, bytes], first: int, answered: int, durability: str) -> int:
    """Find how many operations the file has seen, all of them and no other; brings ``values`` up to there."""
    least = first if durability == "memory" else answered
    most = answered + IN_FLIGHT
    for number in range(first, most + 1):
        if number >= least and same(values, found):
            return number
        applied(values, number)
    raise AssertionError(
        f"after {answered} answers the file is as after no number of operations from {least} to {most}"
    )


def same(values: dict[str, bytes], found: dict[str, bytes]) -> bool:
    return list(values.items()) == list(found.items())


def test_a_writer_that_is_not_killed_leaves_one_file(tmp_path: Path):
    path = tmp_path / "values.db"
    with writer() as process:
        process.start(Task(str(path), "memory", 0, 300, 10))
        assert list(process.rest())[-1] == "closed"
    assert sorted(left.name for left in tmp_path.iterdir()) == ["values.db", "values.db-lock"]
    values: dict[str, bytes] = {}
    for number in range(300):
        applied(values, number)
    assert same(values, content(path))
