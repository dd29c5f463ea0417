"""Files of queues: ours alone, one engine's alone."""

import os
import sqlite3
import stat

import pytest

from iii_actors.brokers import journal
from iii_actors.brokers.job import QueueSpec
from iii_actors.brokers.sqlite_file import QueueFile
from iii_actors.brokers.sqlite_journal import SqliteJournal
from iii_actors.brokers.sqlite_table import APPLICATION_ID
from iii_actors.clock import ManualClock
from iii_actors.errors import ConfigError
from iii_actors.storage.sqlite import SqliteStore
from tests.durability.queue_worker import QueueTask
from tests.durability.storage_process import writer
from tests.storage.asking import result


@pytest.fixture
def path(tmp_path):
    return tmp_path / "queue.sqlite"


def refusal(path):
    """Return what is said when the file is opened; it must be left as it is."""
    before = path.read_bytes()
    with pytest.raises(ConfigError) as caught:
        SqliteJournal(path, ManualClock()).open()
    assert path.read_bytes() == before
    assert str(path) in str(caught.value)
    assert caught.value.mend
    return str(caught.value)


def test_a_new_file_is_for_this_user_alone_and_carries_our_mark(tmp_path):
    file = QueueFile(tmp_path / "data" / "queue.sqlite", "disk")
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert int.from_bytes(file.path.read_bytes()[68:72], "big") == APPLICATION_ID
    assert (list(file.loaded.queues), file.loaded.last_number, file.loaded.mark, file.queues) == ([], 0, 0, {})
    file.close()


def test_a_file_of_another_engine_is_left_alone(path):
    path.write_bytes(b"\x80\x04queue:jobs:waiting" * 50)
    assert "not a file of this engine" in refusal(path)


def test_another_programs_database_is_left_alone(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE jobs (number)")
    connection.close()
    assert "belongs to another program" in refusal(path)


def test_a_file_of_values_is_none_of_queues_nor_the_other_way_round(path):
    SqliteStore(path, ManualClock()).close()
    refusal(path)
    path.unlink()
    QueueFile(path, "disk").close()
    with pytest.raises(ConfigError):
        SqliteStore(path, ManualClock())


def test_a_file_of_a_later_engine_is_left_alone(path):
    QueueFile(path, "process").close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA user_version = 7")
    connection.close()
    assert "layout 7" in refusal(path)


def test_a_damaged_book_is_told(path):
    made = SqliteJournal(path, ManualClock())
    made.open()
    result(lambda done: made.write([journal.Declare("q", QueueSpec())], done))
    made.close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE queues SET spec = ?", (b"{",))
    connection.close()
    refusal(path)


def test_a_second_engine_is_refused_and_the_first_goes_on(path):
    made = SqliteJournal(path, ManualClock())
    made.open()
    with pytest.raises(ConfigError, match=rf"another engine \(process {os.getpid()}\)"):
        SqliteJournal(path, ManualClock()).open()
    result(lambda done: made.write([journal.Declare("q", QueueSpec())], done))
    made.close()
    QueueFile(path, "process").close()


def test_an_engine_of_another_process_holds_the_file_until_it_is_killed(path):
    with writer(module="tests.durability.queue_worker") as process:
        pid = process.start(QueueTask(str(path), "process", 0, 1_000_000, 1))
        assert process.line() == "open"
        with pytest.raises(ConfigError, match=rf"another engine \(process {pid}\)"):
            QueueFile(path, "process")
        os.kill(pid, 9)
        list(process.rest())
        QueueFile(path, "process").close()
