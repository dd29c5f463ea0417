"""Disks that are full or fail: every job is stored or refused, what has happened stays so, and the broker goes on."""

import os
import signal

import msgspec
import pytest

from iii_actors.brokers import journal
from iii_actors.brokers.errors import BrokerUnavailable
from iii_actors.brokers.job import Counts, QueueSpec
from iii_actors.brokers.sqlite_journal import SqliteJournal
from iii_actors.clock import ManualClock
from iii_actors.errors import ConfigError
from tests.durability.queue_file import content, told
from tests.durability.queue_worker import QUEUES, QueueTask, job
from tests.durability.storage_process import tracing, writer
from tests.storage.asking import Answers, outcome, result

MODULE = "tests.durability.queue_worker"
Q = QUEUES[0]


def run(task, *prefix):
    """Have a task done; returns what was told, and the queues' counts at the end."""
    with writer(*prefix, module=MODULE) as process:
        process.start(task)
        lines = list(process.rest())
    assert lines[0] == "open"
    assert lines[-1] == "closed"
    (counted,) = (line.removeprefix("counts ") for line in lines if line.startswith("counts"))
    counts = msgspec.json.decode(counted, type=dict[str, Counts])
    one = told(lines)
    assert one.put | one.refused == set(range(task.count))
    assert not one.put & one.refused
    return one, counts


def as_counted(path, one, counts):
    """Compare the file with what the broker had in memory, and with what it has told."""
    found = content(path)
    for queue, stored in found.queues.items():
        was = counts[queue]
        assert stored.totals.enqueued == was.enqueued
        assert stored.totals.done == was.done
        assert stored.dead == was.dead
    assert found.living | found.dead <= one.put
    assert one.put - found.living - found.dead <= one.acking
    assert found.dead == one.burying


# --- system calls that fail --------------------------------------------------------------------------------------------

FAULTS = [
    ("pwrite64", "ENOSPC", "disk", "full"),
    ("pwrite64", "EIO", "process", "does not do"),
    ("fsync,fdatasync", "EIO", "disk", "does not do"),
]


@pytest.mark.parametrize("consume", [True, False])
@pytest.mark.parametrize(("calls", "errno", "durability", "words"), FAULTS)
def test_a_disk_that_fails_for_a_while_refuses_jobs_and_forgets_none(
    calls, errno, durability, words, consume, tmp_path
):
    path = tmp_path / "queue.sqlite"
    content(path)  # the file is made before the disk fails
    strace = tracing(["-e", f"trace={calls}", "-e", f"inject={calls}:error={errno}:when=20..45"])
    one, counts = run(QueueTask(str(path), durability, 0, 200, 4, consume), *strace)
    assert one.refused
    assert max(one.put) == 199, "it did not go on"
    for error in one.errors:
        assert words in error
        assert str(path) in error
    as_counted(path, one, counts)


def test_a_file_that_may_not_grow_refuses_what_does_not_fit(tmp_path):
    """Without strace: the system refuses to let files grow, until the first job has been refused."""
    path = tmp_path / "queue.sqlite"
    content(path)
    one, counts = run(QueueTask(str(path), "disk", 0, 600, 8, file_bytes=300_000))
    assert one.refused
    assert max(one.put) == 599
    assert all(str(path) in error and "does not do" in error for error in one.errors)
    as_counted(path, one, counts)


@pytest.mark.parametrize("when", [1, 3, 5, 8])
def test_an_engine_killed_while_it_makes_the_file_leaves_nothing_in_the_way(when, tmp_path):
    path = tmp_path / "queue.sqlite"
    strace = tracing(["-e", "trace=pwrite64,fsync,fdatasync", "-e", f"inject=all:signal=SIGKILL:when={when}"])
    with writer(*strace, module=MODULE) as process:
        process.start(QueueTask(str(path), "disk", 0, 1, 1))
        assert "closed" not in list(process.rest())
    content(path)


# --- a full disk, from near ---------------------------------------------------------------------------------------------


@pytest.fixture(params=["disk", "process", "memory"])
def small(request, tmp_path, monkeypatch):
    """A journal, and its clock, whose file has 60 pages at most."""
    if request.param == "memory":
        monkeypatch.setattr("iii_actors.brokers.sqlite_writer.STORE_UNSAVED_BYTES", 100_000)
    clock = ManualClock()
    made = SqliteJournal(tmp_path / "queue.sqlite", clock, durability=request.param)
    made.open()
    result(lambda done: made.write([journal.Declare(Q, QueueSpec())], done))
    limit_pages(made, 60)
    yield made, clock
    made.close()


def limit_pages(made, count):
    """From now on the file has so many pages at most; the writer has nothing to do meanwhile."""
    made._file.connection.execute(f"PRAGMA max_page_count = {count}").fetchall()


def new(number, size=4000):
    given = msgspec.structs.replace(job(number), queue=Q, data=b'"%b"' % (b"x" * size), idempotency_key=None)
    return journal.NewJob(number, given, 0, 0)


def test_a_full_disk_is_told_reads_go_on_and_so_do_jobs_when_there_is_room(small):
    made, clock = small
    kept, errors = [], []
    for number in range(1, 100):
        _, error = outcome(made.put, [new(number)], 0)
        if error is None:
            kept.append(number)
        else:
            errors.append(error)
    assert kept
    assert errors
    assert all(isinstance(error, BrokerUnavailable) and "the disk is full" in str(error) for error in errors)
    assert all(str(made.path) in str(error) and "free some space" in str(error) for error in errors)
    # What happens meanwhile cannot be refused: it is seen at once, and written when there is room.
    retry = journal.Retry(Q, kept[0], 1, [journal.Failure("c", "m" * 9000, 5)], 77, 0)
    outcome(made.write, [retry, journal.Drop(Q, kept[1:3], True)])
    jobs = result(made.read, kept, 1 << 30)
    assert [one.attempts for one in jobs if one is not None] == [1] + [0] * (len(kept) - 3)
    assert jobs[1:3] == [None, None]
    limit_pages(made, 10_000)
    clock.advance(10)
    assert result(made.put, [new(1000)], 0) == [None]
    made.close()
    again = SqliteJournal(made.path, ManualClock())
    (queue,) = again.open().queues
    assert [row[0] for row in again.rows(Q)] == [kept[0], *kept[3:], 1000]
    assert (queue.totals.enqueued, queue.totals.done, queue.totals.retried) == (len(kept) + 1, 2, 1)
    again.close()


def test_of_a_group_that_does_not_fit_each_that_fits_is_stored(tmp_path):
    made = SqliteJournal(tmp_path / "queue.sqlite", ManualClock())
    made.open()
    result(lambda done: made.write([journal.Declare(Q, QueueSpec())], done))
    result(made.put, [new(1), new(2)], 0)
    limit_pages(made, 40)
    answers = Answers()

    def submit(jobs, error):
        # On the writer's own thread, so that these wait until it is done, and are one group then.
        for number in range(10, 40):
            made.put([new(number, 200_000 if number % 4 == 0 else 10)], 0, answers.done(number))
            made.read([number, 1], 1 << 20, answers.done(("read", number)))
        made.write([journal.Drop(Q, [2], True)], answers.done("dropped"))

    made.read([1], 1, submit)
    came = {tag: (answer, error) for tag, answer, error in answers.take(61)}
    for number in range(10, 40):
        if number % 4 == 0:
            assert "the disk is full" in str(came[number][1])
        else:
            assert came[number] == ([None], None)
    assert came["dropped"] == (None, None)
    assert result(made.read, [2, 12, 13], 1 << 20)[:2] == [None, None]
    made.close()
    again = SqliteJournal(made.path, ManualClock())
    (queue,) = again.open().queues
    assert [row[0] for row in again.rows(Q)] == [1, *(number for number in range(10, 40) if number % 4)]
    assert queue.totals == (25, 1, 0, 0, 0, 0)
    again.close()


# --- files that are not whole -------------------------------------------------------------------------------------------


@pytest.fixture
def abandoned(tmp_path):
    """A file with its log, as a killed engine leaves them."""
    path = tmp_path / "original.sqlite"
    with writer(module=MODULE) as process:
        pid = process.start(QueueTask(str(path), "process", 0, 1_000_000, 8))
        while not process.line().startswith("put 400"):
            pass
        os.kill(pid, signal.SIGKILL)
        list(process.rest())
    return path


def test_a_log_cut_short_anywhere_gives_an_earlier_state_whole(abandoned, tmp_path):
    log = abandoned.with_name("original.sqlite-wal").read_bytes()
    reached = []
    for part in range(9):
        path = tmp_path / f"cut{part}.sqlite"
        path.write_bytes(abandoned.read_bytes())
        path.with_name(path.name + "-wal").write_bytes(log[: len(log) * part // 8 - 7 * (part < 8) if part else 0])
        found = content(path)
        reached.append(sum(stored.totals.enqueued for stored in found.queues.values()))
    assert reached == sorted(reached)
    assert reached[0] == 0
    assert reached[-1] > 390


def test_damaged_bytes_are_told_and_never_written_over(abandoned):
    content(abandoned)  # works the log in
    whole = abandoned.read_bytes()
    refused = 0
    for place in range(0, min(len(whole), 40 * 4096), 4096):
        damaged = bytearray(whole)
        damaged[place : place + 200] = b"\xa5" * 200
        abandoned.write_bytes(damaged)
        made = SqliteJournal(abandoned, ManualClock())
        try:
            made.open()
            made.close()
        except ConfigError as error:
            refused += 1
            assert str(abandoned) in str(error)
            assert "damaged" in str(error)
            assert abandoned.read_bytes() == bytes(damaged)
    assert refused
