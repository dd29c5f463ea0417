"""Disks that are full or fail: every operation is answered, what was answered well is there, and it goes on."""

import os
import signal
import sqlite3
from pathlib import Path

import pytest

from iii_actors.clock import ManualClock
from iii_actors.errors import ConfigError
from iii_actors.storage import StorageError
from iii_actors.storage.operations import Operation
from iii_actors.storage.sqlite import SqliteStore
from tests.durability.storage_process import content, tracing, writer
from tests.durability.storage_writer import Task, applied
from tests.storage.asking import Answers, outcome, result

S = ("scope",)


def run(task: Task, *prefix: str) -> tuple[set[int], dict[int, str]]:
    """Have a task done; returns the operations that went well, and the errors of the others."""
    with writer(*prefix) as process:
        process.start(task)
        lines = list(process.rest())
    assert lines[0] == "open"
    assert lines[-1] == "closed"
    well = {int(line.split()[1]) for line in lines if line.startswith("done")}
    failed = {int(number): error for _, number, error in (line.split(" ", 2) for line in lines if "failed" in line)}
    assert well | set(failed) == set(range(task.count))
    assert not well & set(failed)
    return well, failed


def as_answered(path: Path, well: set[int]) -> bool:
    values: dict[str, bytes] = {}
    for number in sorted(well):
        applied(values, number)
    return list(values.items()) == list(content(path).items())


# --- system calls that fail --------------------------------------------------------------------------------------------

FAULTS = [
    ("pwrite64", "ENOSPC", "disk", "full"),
    ("pwrite64", "EIO", "process", "does not do"),
    ("fsync,fdatasync", "EIO", "disk", "does not do"),
]


@pytest.mark.parametrize(("calls", "errno", "durability", "words"), FAULTS)
def test_a_disk_that_fails_for_a_while_fails_only_what_meets_it(calls, errno, durability, words, tmp_path):
    path = tmp_path / "values.db"
    content(path)  # the file is made before the disk fails
    inject = f"inject={calls}:error={errno}:when=20..45"
    strace = tracing(["-e", f"trace={calls}", "-e", inject])
    well, failed = run(Task(str(path), durability, 0, 200, 4), *strace)
    assert failed
    assert max(well) == 199, "it did not go on"
    for error in failed.values():
        assert words in error
        assert str(path) in error
    assert as_answered(path, well)


def test_a_file_that_may_not_grow_fails_what_does_not_fit(tmp_path):
    """Without strace: the system refuses to let files grow, until the first operation has failed."""
    path = tmp_path / "values.db"
    content(path)
    well, failed = run(Task(str(path), "disk", 0, 300, 8, file_bytes=300_000))
    assert failed
    assert max(well) == 299
    assert all(str(path) in error and "does not do" in error for error in failed.values())
    assert as_answered(path, well)


@pytest.mark.parametrize("when", [1, 3, 5, 8])
def test_an_engine_killed_while_it_makes_the_file_leaves_nothing_in_the_way(when, tmp_path):
    path = tmp_path / "values.db"
    strace = tracing(["-e", "trace=pwrite64,fsync,fdatasync", "-e", f"inject=all:signal=SIGKILL:when={when}"])
    with writer(*strace) as process:
        process.start(Task(str(path), "disk", 0, 1, 1))
        lines = list(process.rest())
    assert "closed" not in lines
    assert set(content(path)) <= {"key 0"}


# --- a full disk, from near ---------------------------------------------------------------------------------------------


@pytest.fixture(params=["disk", "process", "memory"])
def small(request, tmp_path, monkeypatch):
    """A store, and its clock, whose file has 60 pages at most."""
    if request.param == "memory":
        monkeypatch.setattr("iii_actors.storage.group_commit.STORE_UNSAVED_BYTES", 100_000)
    clock = ManualClock()
    store = SqliteStore(tmp_path / "values.db", clock, durability=request.param)
    limit_pages(store, 60)
    yield store, clock
    store.close()


class LimitPages(Operation):
    """From now on the file has so many pages at most."""

    count: int

    def run(self, values):
        values._table._connection.execute(f"PRAGMA max_page_count = {self.count}").fetchall()


def limit_pages(store, count):
    result(lambda done: store._submit(LimitPages(count), done))


def test_a_full_disk_is_told_reads_go_on_and_so_do_writes_when_there_is_room(small):
    store, clock = small
    kept, errors = {}, []
    for number in range(100):
        answer, error = outcome(store.set, S, f"{number}", b'"%b"' % (b"x" * 4000))
        if error is None:
            kept[f"{number}"] = answer.new
        else:
            errors.append(error)
    assert kept
    assert errors
    assert all(isinstance(error, StorageError) and "the disk is full" in str(error) for error in errors)
    assert all(str(store.path) in str(error) and "free some space" in str(error) for error in errors)
    assert dict(result(store.list, S)) == kept
    assert result(store.get, S, "0") == kept["0"]
    limit_pages(store, 10_000)
    clock.advance(5)
    assert result(store.set, S, "after", b"1").new.version > max(entry.version for entry in kept.values())
    store.close()
    assert list(content(store.path)) == [*kept, "after"]


def test_of_a_group_that_does_not_fit_each_that_fits_is_written(tmp_path):
    store = SqliteStore(tmp_path / "values.db", ManualClock())
    limit_pages(store, 30)
    answers = Answers()
    large = b'"' + b"x" * 200_000 + b'"'

    def submit(_):
        # Within an operation, so that these wait until it is done, and are one group then.
        for number in range(40):
            store.set(S, f"{number}", large if number % 4 == 0 else b"%d" % number, answers.done(number))
            store.get(S, f"{number}", answers.done(("get", number)))
        return b"1", None

    result(store.update, S, "first", submit)
    came = {tag: (answer, error) for tag, answer, error in answers.take(80)}
    for number in range(40):
        if number % 4 == 0:
            assert "the disk is full" in str(came[number][1])
            assert came["get", number] == (None, None)
        else:
            assert came["get", number][0] == came[number][0].new
    store.close()
    assert list(content(store.path)) == ["first", *(f"{number}" for number in range(40) if number % 4)]


# --- files that are not whole -------------------------------------------------------------------------------------------


@pytest.fixture
def abandoned(tmp_path):
    """A file with its log, as a killed engine leaves them; and the order in which its values were written."""
    path = tmp_path / "original.db"
    task = Task(str(path), "process", 0, 1_000_000, 8)
    with writer() as process:
        pid = process.start(task)
        while process.line() != "done 400":
            pass
        os.kill(pid, signal.SIGKILL)
        list(process.rest())
    return path


def test_a_log_cut_short_anywhere_gives_an_earlier_state_whole(abandoned, tmp_path):
    log = abandoned.with_name("original.db-wal").read_bytes()
    values, states = {}, [{}]
    for number in range(600):
        applied(values, number)
        states.append(dict(values))
    reached = []
    for part in range(9):
        path = tmp_path / f"cut{part}.db"
        path.write_bytes(abandoned.read_bytes())
        path.with_name(path.name + "-wal").write_bytes(log[: len(log) * part // 8 - 7 * (part < 8) if part else 0])
        reached.append(states.index(content(path)))
    assert reached == sorted(reached)
    assert reached[0] == 0
    assert reached[-1] > 400


def test_damaged_bytes_are_told_and_never_written_over(abandoned):
    content(abandoned)  # works the log in
    whole = abandoned.read_bytes()
    refused = 0
    for place in range(0, len(whole), 4096):
        damaged = bytearray(whole)
        damaged[place : place + 200] = b"\xa5" * 200
        abandoned.write_bytes(damaged)
        try:
            content(abandoned)
        except ConfigError as error:
            refused += 1
            assert str(abandoned) in str(error)
            assert "damaged" in str(error)
            assert abandoned.read_bytes() == damaged
    assert refused > len(whole) // 4096 // 2


def test_damage_found_later_fails_the_operation_that_meets_it(tmp_path, monkeypatch):
    monkeypatch.setattr("iii_actors.storage.sqlite_file.STORE_CHECKED_BYTES", 0)
    path = tmp_path / "values.db"
    store = SqliteStore(path, ManualClock())
    answers = Answers()
    for number in range(2000):
        store.set(S, f"{number:05}", b'"%b"' % (b"x" * 200), answers.done())
    answers.take(2000)
    store.close()
    with sqlite3.connect(path) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.close()
    content_before = bytearray(path.read_bytes())
    middle = pages // 2 * 4096
    content_before[middle : middle + 4096] = b"\xa5" * 4096
    path.write_bytes(content_before)
    store = SqliteStore(path, ManualClock())
    _, error = outcome(store.list, S)
    assert isinstance(error, StorageError)
    assert "damaged" in str(error)
    assert "restore a backup" in str(error)
    assert result(store.set, ("z",), "k", b"1").new.text == b"1"
    assert result(store.get, ("z",), "k").text == b"1"
    store.close()
