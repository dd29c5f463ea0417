"""Opening files: ours, new ones, and those that must be left alone."""

import os
import signal
import sqlite3
import stat
import subprocess
from pathlib import Path

import pytest

from iii_actors.clock import ManualClock
from iii_actors.errors import ConfigError
from iii_actors.storage import sqlite_file
from iii_actors.storage.sqlite import SqliteStore
from iii_actors.storage.sqlite_file import APPLICATION_ID, SqliteFile
from tests.durability.storage_process import writer
from tests.durability.storage_writer import Task
from tests.storage.asking import result

S = ("scope",)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "values.db"


def refusal(path):
    """Return what is said when the file is opened; nothing in its folder may change but the lock."""
    before = picture(path.parent)
    with pytest.raises(ConfigError) as caught:
        SqliteFile(path, "process")
    assert picture(path.parent) == before
    assert str(path) in str(caught.value)
    assert caught.value.mend
    return str(caught.value)


def picture(folder):
    return {
        found.name: found.read_bytes() if found.is_file() else None
        for found in folder.iterdir()
        if not found.name.endswith("-lock")
    }


def foreign(path, *statements):
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement).fetchall()
    return connection


# --- new files ---------------------------------------------------------------------------------------------------------


def test_a_new_file_is_for_this_user_alone(tmp_path):
    folder = tmp_path / "data" / "state"
    before = os.umask(0)
    try:
        file = SqliteFile(folder / "values.db", "process")
    finally:
        os.umask(before)
    file.table.write({})
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {found.name: stat.S_IMODE(found.stat().st_mode) for found in folder.iterdir()}
    assert modes == dict.fromkeys(("values.db", "values.db-wal", "values.db-lock"), 0o600)
    file.close()


def test_a_new_file_carries_our_mark_before_anything_is_written_to_it(path):
    file = SqliteFile(path, "disk")
    header = path.read_bytes()[:100]
    assert int.from_bytes(header[68:72], "big") == APPLICATION_ID
    assert int.from_bytes(header[60:64], "big") == 1
    file.close()


def test_an_empty_file_becomes_ours(path):
    path.touch()
    SqliteFile(path, "process").close()
    assert path.stat().st_size > 0


def test_what_an_interrupted_start_has_left_is_replaced(path):
    path.with_name("values.db-new").write_bytes(b"half")
    path.with_name("values.db-new-journal").write_bytes(b"half")
    SqliteFile(path, "process").close()
    assert sorted(found.name for found in path.parent.iterdir()) == ["values.db", "values.db-lock"]


def test_a_link_leads_to_the_file(tmp_path, path):
    target = tmp_path / "elsewhere" / "values.db"
    target.parent.mkdir()
    path.symlink_to(target)
    SqliteFile(path, "process").close()
    assert path.is_symlink()
    assert target.is_file()


def test_closing_leaves_the_file_alone_without_its_log(path):
    store = SqliteStore(path, ManualClock())
    result(store.set, S, "k", b"1")
    assert path.with_name("values.db-wal").stat().st_size
    store.close()
    assert sorted(found.name for found in path.parent.iterdir()) == ["values.db", "values.db-lock"]


# --- files that are not ours -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 99, 100, 5000])
def test_a_file_that_is_no_database_is_left_alone(path, size):
    path.write_bytes(b"x" * size)
    assert "not a file of this engine" in refusal(path)


def test_another_programs_database_is_left_alone(path):
    foreign(path, "CREATE TABLE entries (a)", "INSERT INTO entries VALUES (1)").close()
    assert "belongs to another program" in refusal(path)


def test_another_programs_database_is_left_alone_with_its_log(path):
    connection = foreign(path, "PRAGMA journal_mode = WAL", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
    assert "belongs to another program" in refusal(path)
    connection.close()


def test_a_file_of_a_later_engine_is_left_alone(path):
    SqliteFile(path, "process").close()
    foreign(path, "PRAGMA user_version = 7").close()
    assert "layout 7" in refusal(path)


def test_a_log_without_its_file_is_not_forgotten(path):
    path.with_name("values.db-wal").write_bytes(b"what was written last")
    assert "its log" in refusal(path)


def test_a_cut_file_is_told(path):
    store = SqliteStore(path, ManualClock())
    for number in range(50):
        result(store.set, S, f"{number}", b'"%b"' % (b"x" * 1000))
    store.close()
    path.write_bytes(path.read_bytes()[:-9000])
    assert "damaged" in refusal(path)


def test_a_folder_is_no_file(path):
    path.mkdir()
    assert "folder" in refusal(path)


def test_a_pipe_is_no_file(path):
    os.mkfifo(path)
    assert "not a regular file" in refusal(path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="folder that it can write to"):
        SqliteFile(tmp_path / "file" / "values.db", "process")


def test_a_path_that_is_none_is_told():
    with pytest.raises(ConfigError, match="null"):
        SqliteFile(Path("a\0b"), "process")


# --- one engine a file -------------------------------------------------------------------------------------------------


def test_a_second_engine_is_refused_and_the_first_goes_on(path):
    store = SqliteStore(path, ManualClock())
    result(store.set, S, "k", b"1")
    assert f"another engine (process {os.getpid()}) has this file open" in refusal(path)
    assert result(store.get, S, "k").text == b"1"
    store.close()
    SqliteStore(path, ManualClock()).close()


def test_an_engine_of_another_process_holds_the_file_until_it_is_killed(path):
    with writer() as process:
        pid = process.start(Task(str(path), "process", 0, 1_000_000, 1))
        assert process.line() == "open"
        with pytest.raises(ConfigError, match=rf"another engine \(process {pid}\)"):
            SqliteFile(path, "process")
        os.kill(pid, signal.SIGKILL)
        list(process.rest())
        SqliteFile(path, "process").close()


def test_a_child_of_the_engine_does_not_hold_the_file(path):
    file = SqliteFile(path, "process")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as child:
        file.close()
        SqliteFile(path, "process").close()
        child.communicate()


def test_a_file_that_another_program_is_using_is_told(path):
    SqliteFile(path, "process").close()
    connection = foreign(path, "BEGIN IMMEDIATE")
    with pytest.raises(ConfigError, match="another program holds the file"):
        SqliteFile(path, "process")
    connection.close()
    SqliteFile(path, "process").close()


def test_a_refused_file_is_not_held(path):
    path.write_bytes(b"x" * 200)
    refusal(path)
    path.unlink()
    SqliteFile(path, "process").close()


# --- layouts -----------------------------------------------------------------------------------------------------------

LATER = (*sqlite_file.LAYOUTS, ("CREATE TABLE later (a)", "INSERT INTO later VALUES (1)"))


def test_an_older_file_is_brought_up_to_date(path, monkeypatch):
    store = SqliteStore(path, ManualClock())
    result(store.set, S, "k", b"1")
    store.close()
    monkeypatch.setattr(sqlite_file, "LAYOUTS", LATER)
    for _ in range(2):
        file = SqliteFile(path, "process")
        assert file.connection.execute("SELECT a FROM later").fetchall() == [(1,)]
        assert file.connection.execute("PRAGMA user_version").fetchone() == (2,)
        assert [key for _, key in file.table.keys(S, 0)] == ["k"]
        file.close()
    monkeypatch.undo()
    assert "layout 2" in refusal(path)


def test_an_older_file_that_cannot_be_brought_up_to_date_stays_as_it_is(path, monkeypatch):
    SqliteFile(path, "process").close()
    monkeypatch.setattr(sqlite_file, "LAYOUTS", (*LATER, ("CREATE TABLE later (a)",)))
    with pytest.raises(ConfigError, match="already exists"):
        SqliteFile(path, "process")
    monkeypatch.undo()
    file = SqliteFile(path, "process")
    assert file.connection.execute("PRAGMA user_version").fetchone() == (1,)
    file.close()
