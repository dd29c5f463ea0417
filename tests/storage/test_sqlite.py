"""The store in a file, from start to start."""

import threading

import pytest

from iii_actors.actor import stats
from iii_actors.clock import ManualClock
from iii_actors.storage.operations import Operation
from iii_actors.storage.sqlite import SqliteStore
from tests.storage.asking import WAIT_S, Answers, result

S = ("scope",)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture(params=["disk", "process", "memory"])
def again(request, tmp_path, clock):
    """A maker of stores over one file; each closes the one before."""
    made = []

    def one():
        while made:
            made.pop().close()
        made.append(SqliteStore(tmp_path / "folder" / "values.db", clock, durability=request.param))
        return made[0]

    yield one
    while made:
        made.pop().close()


def test_a_start_finds_what_there_was_in_its_order(again):
    store = again()
    for key in ("c", "a", "\0", "b"):
        result(store.set, S, key, b'"%b"' % key.encode())
    result(store.set, S, "a", b"2")
    result(store.delete, S, "c")
    before, scopes = result(store.list, S), result(store.scopes, ())
    store = again()
    assert result(store.list, S) == before
    assert result(store.scopes, ()) == scopes
    result(store.set, S, "c", b"3")
    assert result(store.list_keys, S) == ["a", "\0", "b", "c"]
    assert again() is not store


def test_versions_grow_past_a_start(again):
    store, versions = again(), []
    for _ in range(4):
        versions.append(result(store.set, S, "k", b"1").new.version)
        result(store.delete, S, "k")
        store = again()
    assert versions == sorted(set(versions))


def test_a_time_to_live_goes_on_while_nobody_is_there(again, clock):
    store = again()
    result(store.set, S, "short", b"1", ttl_ms=5_000)
    result(store.set, S, "long", b"1", ttl_ms=50_000)
    store.close()
    clock.advance(10)
    assert result(again().list_keys, S) == ["long"]
    clock.advance(40)
    assert result(again().list_keys, S) == []


def test_a_clock_that_is_set_changes_no_time_to_live(tmp_path, clock):
    store = SqliteStore(tmp_path / "values.db", clock)
    result(store.set, S, "k", b"1", ttl_ms=5_000)
    clock._now += 3600
    assert result(store.get, S, "k") is not None
    clock.advance(5)
    assert result(store.get, S, "k") is None
    store.close()


def test_answers_come_on_the_thread_of_the_actor_whose_figures_are_shown(tmp_path, clock):
    store, threads = SqliteStore(tmp_path / "values.db", clock), []
    answers = Answers()

    def done(answer, error):
        threads.append(threading.current_thread())
        answers.done()(answer, error)

    store.set(S, "k", b"1", done)
    answers.next()
    assert threads[0] is not threading.current_thread()
    figures = stats(store.actors()[0])
    assert (figures.kind, figures.failed) == ("threaded", 0)
    store.close()


class Waiting(Operation):
    """Takes as long as a disk that hangs."""

    go: object

    def run(self, values):
        assert self.go.wait(WAIT_S)


def test_closing_waits_for_a_disk_that_hangs_only_so_long(tmp_path, clock, monkeypatch, caplog):
    monkeypatch.setattr("iii_actors.storage.sqlite.STORE_CLOSE_S", 0.01)
    store, go, answers = SqliteStore(tmp_path / "values.db", clock), threading.Event(), Answers()
    store._submit(Waiting(go), answers.done())
    store.set(S, "k", b"1", answers.done())
    store.close()
    assert "closing takes longer" in caplog.text
    go.set()
    assert all(error is None for _, _, error in answers.take(2))
    store._actor.actor_stopped.wait(WAIT_S)
    again = SqliteStore(tmp_path / "values.db", clock)
    assert result(again.get, S, "k").text == b"1"
    again.close()
