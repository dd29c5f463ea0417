"""The actor behind a file: groups, failures inside them, saving later, removing what has expired."""

import shutil
import threading

import pytest

from iii_actors.actor import stats
from iii_actors.clock import ManualClock
from iii_actors.storage import StorageError
from iii_actors.storage.operations import Operation
from iii_actors.storage.sqlite import SqliteStore
from tests.durability.storage_process import content
from tests.storage.asking import WAIT_S, Answers, outcome, result

S = ("scope",)


class Inside(Operation):
    """Runs on the actor's thread, between others."""

    what: object

    def run(self, values):
        return self.what(values._table)


def inside(store, what):
    """Return what a function of the table returns, on the thread that owns it."""
    return result(lambda done: store._submit(Inside(what), done))


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def make(tmp_path, clock):
    made = []

    def one(durability="process", **options):
        made.append(SqliteStore(tmp_path / "values.db", clock, durability=durability, **options))
        return made[-1]

    yield one
    for store in made:
        store.close()


class Held:
    """While held, the actor does nothing, and what it is told waits."""

    def __init__(self, store):
        self._go, at_it = threading.Event(), threading.Event()

        def wait(_):
            at_it.set()
            assert self._go.wait(WAIT_S)

        store._submit(Inside(wait), Answers().done())
        assert at_it.wait(WAIT_S)

    def release(self):
        self._go.set()


def crashed(store, tmp_path):
    """Return what the next engine would find if this one were killed now."""
    folder = tmp_path / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in (store.path.name, store.path.name + "-wal"):
        shutil.copy(store.path.with_name(name), folder / name)
    return content(folder / store.path.name)


# --- groups ------------------------------------------------------------------------------------------------------------


def test_what_waits_together_is_committed_together(make, monkeypatch):
    monkeypatch.setattr("iii_actors.storage.group_commit.STORE_GROUP", 40)
    store, answers, seen = make(), Answers(), []
    inside(store, lambda table: table._connection.set_trace_callback(seen.append))
    held = Held(store)
    for number in range(100):
        store.set(S, f"{number}", b"1", answers.done())
    held.release()
    answers.take(100)
    inside(store, lambda table: table._connection.set_trace_callback(None))
    assert sum(statement.startswith("COMMIT") for statement in seen) == 3


@pytest.mark.parametrize("durability", ["disk", "process"])
def test_an_answered_write_is_in_the_file_when_the_answer_comes(make, tmp_path, durability):
    store = make(durability)
    for number in range(5):
        result(store.set, S, f"{number}", b"1")
        assert list(crashed(store, tmp_path)) == [f"{done}" for done in range(number + 1)]


@pytest.mark.parametrize("durability", ["process", "memory"])
def test_one_that_fails_leaves_the_others_of_its_group_alone(make, durability, caplog):
    store, answers = make(durability), Answers()
    held = Held(store)

    def failing(old):
        raise ValueError("a fault of the caller's")

    store.set(S, "a", b"1", answers.done("a"))
    store.update(S, "a", failing, answers.done("failing"))
    store.set(S, "\ud800", b"1", answers.done("surrogate"))
    store.get_many(S, ["a", "\ud800"], answers.done("read"))
    store.update(S, "a", lambda old: (old + b"2", None), answers.done("update"))
    held.release()
    came = {tag: (answer, error) for tag, answer, error in answers.take(5)}
    assert came["a"][0].new.text == b"1"
    assert isinstance(came["failing"][1], StorageError)
    assert "caller's" in str(came["failing"][1])
    assert all("surrogates" in str(came[tag][1]) for tag in ("surrogate", "read"))
    assert came["update"][0].new.text == b"12"
    assert result(store.get, S, "a").text == b"12"
    assert "a fault of the caller's" in caplog.text


def test_an_answer_that_cannot_be_given_leaves_the_others_alone(make, caplog):
    store, answers = make(), Answers()

    def failing(answer, error):
        raise LookupError("nobody there")

    held = Held(store)
    store.set(S, "a", b"1", failing)
    store.set(S, "b", b"1", answers.done("b"))
    held.release()
    assert answers.next()[0] == "b"
    assert list(result(store.list_keys, S)) == ["a", "b"]
    assert "nobody there" in caplog.text
    assert stats(store.actors()[0]).failed == 0


# --- too much ----------------------------------------------------------------------------------------------------------


def test_more_than_may_wait_is_refused_at_once(make, monkeypatch):
    monkeypatch.setattr("iii_actors.storage.sqlite.STORE_WAITING", 10)
    store, answers = make(), Answers()
    held = Held(store)
    for number in range(15):
        store.set(S, f"{number}", b"1", answers.done(number))
    refused = answers.take(5)
    assert [tag for tag, _, _ in refused] == [10, 11, 12, 13, 14]
    assert all(isinstance(error, StorageError) and "too much is waiting" in str(error) for _, _, error in refused)
    held.release()
    assert all(error is None for _, _, error in answers.take(10))
    assert result(store.set, S, "after", b"1").old is None


def test_more_bytes_than_may_wait_are_refused_but_one_alone_may_be_larger(make, monkeypatch):
    monkeypatch.setattr("iii_actors.storage.sqlite.STORE_WAITING_BYTES", 1000)
    store, answers = make(), Answers()
    held = Held(store)
    for key, size in (("alone", 5000), ("small", 1), ("large", 900)):
        store.set(S, key, b"1" * size, answers.done(key))
    assert [answers.next()[0] for _ in range(2)] == ["small", "large"]
    held.release()
    assert answers.next()[0] == "alone"
    assert result(store.set, S, "large", b"1" * 900).old is None


# --- durability `memory` -----------------------------------------------------------------------------------------------


def test_what_is_answered_without_is_written_in_intervals(make, clock, tmp_path):
    store = make("memory", save_interval_ms=2_000)
    result(store.set, S, "a", b"1")
    clock.advance(1.9)
    inside(store, lambda _: None)
    assert crashed(store, tmp_path) == {}
    clock.advance(0.1)
    inside(store, lambda _: None)
    assert crashed(store, tmp_path) == {"a": b"1"}
    result(store.delete, S, "a")
    result(store.set, S, "b", b"2")
    clock.advance(2.0)
    inside(store, lambda _: None)
    assert crashed(store, tmp_path) == {"b": b"2"}


def test_an_interval_is_not_shorter_than_its_floor(make, clock, tmp_path):
    store = make("memory", save_interval_ms=1)
    result(store.set, S, "a", b"1")
    clock.advance(0.09)
    inside(store, lambda _: None)
    assert crashed(store, tmp_path) == {}
    clock.advance(0.02)
    inside(store, lambda _: None)
    assert crashed(store, tmp_path) == {"a": b"1"}


def test_much_that_is_unsaved_is_written_early(make, tmp_path, monkeypatch):
    monkeypatch.setattr("iii_actors.storage.group_commit.STORE_UNSAVED_BYTES", 10_000)
    store = make("memory")
    for number in range(100):
        result(store.set, S, f"{number}", b"1" * 200)
    assert 80 < len(crashed(store, tmp_path)) < 100
    assert len(result(store.list, S)) == 100


def test_closing_writes_what_is_unsaved(make):
    store = make("memory")
    result(store.set, S, "a", b"1")
    store.close()
    assert content(store.path) == {"a": b"1"}


def test_a_version_is_never_given_twice_though_the_writes_are_lost(make, clock, tmp_path):
    store = make("memory")
    lost = [result(store.set, S, "a", b"%d" % number).new.version for number in range(50)]
    folder = tmp_path / "copy"
    assert crashed(store, tmp_path) == {}
    again = SqliteStore(folder / "values.db", clock)
    assert result(again.set, S, "a", b"1").new.version > max(lost)
    again.close()


# --- expiry ------------------------------------------------------------------------------------------------------------


def rows(table):
    return table._connection.execute("SELECT count(*) FROM entries").fetchone()[0]


def count(store):
    return inside(store, rows)


def test_what_has_expired_is_removed_from_the_file_bit_by_bit_and_others_have_their_turn(make, clock, monkeypatch):
    monkeypatch.setattr("iii_actors.storage.group_commit.STORE_SWEEP", 10)
    store, answers = make(), Answers()
    for number in range(35):
        store.set(S, f"{number}", b"1", answers.done(), ttl_ms=5_000)
    store.set(S, "later", b"1", answers.done(), ttl_ms=60_000)
    store.set(S, "never", b"1", answers.done())
    answers.take(37)
    held = Held(store)
    clock.advance(6)
    for _ in range(2):
        store._submit(Inside(rows), answers.done())
    held.release()
    assert [left for _, left, _ in answers.take(2)] == [27, 27]
    assert [count(store) for _ in range(8)][-1] == 2
    clock.advance(60)
    assert [count(store) for _ in range(2)][-1] == 1


def test_what_has_expired_while_nobody_was_there_is_removed_after_the_start(make, clock):
    store = make()
    result(store.set, S, "a", b"1", ttl_ms=1_000)
    result(store.set, S, "b", b"1", ttl_ms=50_000)
    store.close()
    clock.advance(10)
    store = make()
    assert list(result(store.list_keys, S)) == ["b"]
    assert count(store) == 2
    clock.advance(1)
    inside(store, lambda _: None)
    assert count(store) == 1


def test_what_has_expired_before_it_was_saved_never_gets_there(make, clock):
    store = make("memory")
    result(store.set, S, "a", b"1", ttl_ms=1_000)
    clock.advance(5)
    inside(store, lambda _: None)
    assert count(store) == 0
    assert outcome(store.get, S, "a") == (None, None)
