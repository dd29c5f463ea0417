"""Where the engine's threads are kept: the choice alone, and on the system that there is."""

import os
import subprocess
import sys
import threading

import pytest

from iii_actors import processors
from iii_actors.cli.one_processor import OneProcessor, Sample, choose
from tests.support.telemetry import eventually

several = pytest.mark.skipif(
    len(processors.allowed()) < 2, reason="there is nothing to choose: one processor, or a system that does not tell"
)


def sample(own, alone, **busy):
    return Sample(1.0, own, alone, {int(name[1:]): used for name, used in busy.items()})


@pytest.mark.parametrize(
    ("kept", "seen", "chosen"),
    [
        (None, sample(0.8, 0.5, p0=0.6, p1=0.4), 1),
        (None, sample(0.8, 0.5, p0=0.4, p1=0.4), 0),
        (1, sample(0.8, 0.5, p0=0.6, p1=1.0), 1),
        (None, sample(0.8, 0.75, p0=0.6, p1=0.4), None),
        (1, sample(0.8, 0.75, p0=0.6, p1=0.9), 1),
        (1, sample(0.8, 0.79, p0=0.6, p1=0.9), None),
        (1, sample(0.01, 0.0, p0=0.0, p1=0.1), None),
        (None, sample(0.8, 0.5, p0=1.2, p1=1.2), None),
        (1, sample(0.5, 0.2, p0=1.0, p1=1.0), 1),
        (1, sample(0.2, 0.1, p0=1.0, p1=1.0), None),
        (1, sample(0.3, 0.2, p0=0.2, p1=0.95), 0),
        (1, sample(0.3, 0.2, p0=0.5, p1=0.95), 1),
        (7, sample(0.8, 0.5, p0=0.6, p1=0.4), 1),
    ],
    ids=[
        "several share the work: where least happens",
        "of equals the first",
        "they stay there",
        "one does nearly everything",
        "which has to be clear before they are let go",
        "one does everything",
        "nothing to do",
        "too much to do everywhere",
        "still enough for all",
        "the machine is full",
        "others have come where they are",
        "and are no better off elsewhere",
        "their processor has gone",
    ],
)
def test_the_choice(kept, seen, chosen):
    assert choose(kept, seen) == chosen


@pytest.fixture
def free():
    yield
    if processors.allowed():
        processors.keep_to(None)


@several
def test_threads_are_kept_together_and_let_go(free):
    before = os.sched_getaffinity(0)
    one = min(before)
    said, go_on = [], threading.Event()

    def look():
        go_on.wait(10)
        said.append(os.sched_getaffinity(0))

    thread = threading.Thread(target=look)
    thread.start()
    processors.keep_to(one)
    go_on.set()
    thread.join()
    assert (said, os.sched_getaffinity(0)) == ([{one}], {one})
    with processors.anywhere():
        command = [sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))"]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == str(sorted(before))
    assert os.sched_getaffinity(0) == {one}
    processors.keep_to(None)
    assert os.sched_getaffinity(0) == before


@several
def test_two_threads_that_take_turns_are_kept_on_one(free, monkeypatch):
    kept = []
    monkeypatch.setattr(processors, "keep_to", kept.append)
    monkeypatch.setattr("iii_actors.cli.one_processor._CROWDED", -100.0)  # whatever else this machine has to do
    over = threading.Event()

    def work():
        while not over.is_set():
            sum(range(1000))

    threads = [threading.Thread(target=work, name=name) for name in ("iii-reader", "another")]
    keeper = OneProcessor()
    for thread in threads:
        thread.start()
    keeper.start()
    try:
        assert eventually(lambda: list(kept), bool)[0] in processors.allowed()
    finally:
        over.set()
        for thread in threads:
            thread.join()
        keeper.stop()
    assert kept[-1] is None, "they are let go in the end"


@several
def test_if_only_some_threads_can_be_had_they_are_let_go(monkeypatch):
    asked = []

    def refuse(processor):
        asked.append(processor)
        raise PermissionError(1, "not yours")

    monkeypatch.setattr(processors, "keep_to", refuse)
    keeper = OneProcessor()
    monkeypatch.setattr(keeper, "_look_on", lambda: keeper._keep(0))
    keeper.start()
    keeper.stop()
    assert asked == [0, None]


def test_where_nothing_can_be_chosen_nothing_is_started(monkeypatch):
    monkeypatch.setattr(processors, "allowed", lambda: frozenset({0}))
    before = threading.active_count()
    keeper = OneProcessor()
    keeper.start()
    assert threading.active_count() == before
    keeper.stop()
