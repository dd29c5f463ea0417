"""The store in Redis: data of other engines, other engines at the same time, and a Redis that goes and comes."""

import json
import logging
import threading
import time
from contextlib import closing

import pytest

from iii_actors.storage import StorageError, VersionConflict
from iii_actors.storage import redis_store as module
from tests.storage.asking import Answers, outcome, result
from tests.storage.backends import bring_nearer, opened
from tests.support.redis import redis_server

S = ("s",)
WAIT_S = 10


@pytest.fixture
def server():
    with redis_server() as running:
        yield running


@pytest.fixture
def client(server):
    with server.client() as made:
        yield made


@pytest.fixture
def store(server):
    with closing(opened(server.url)) as made:
        yield made


def increment(old):
    return b"%d" % (int(old or b"0") + 1), None


# --- what lies there ---------------------------------------------------------------------------------------------------


def test_values_lie_where_other_engines_look_for_them(store, client):
    result(store.set, S, "k", b'{"a":1}', ttl_ms=60_000)
    assert client.hgetall("state:s") == {b"k": b'{"a":1}'}
    result(store.delete, S, "k")
    assert [name for name in client.keys("*") if name != b"iii-actors:version"] == []


def test_values_that_other_engines_wrote_are_found_and_have_version_1(store, client):
    client.hset("state:s", mapping={"k": '{"n":1}', "gone": "2"})
    entry = result(store.get, S, "k")
    assert (entry.text, entry.version) == (b'{"n":1}', 1)
    assert {key: one.text for key, one in result(store.list, S)} == {"k": b'{"n":1}', "gone": b"2"}
    assert result(store.scopes, ()) == [S]
    changed = result(store.set, S, "k", b"3", if_version=1)
    assert changed.old == entry
    assert changed.new.version > 1
    assert result(store.update, S, "gone", increment).new.text == b"3"
    assert client.hgetall("state:s") == {b"k": b"3", b"gone": b"3"}


def test_what_others_removed_is_gone_with_its_mark(store, client):
    result(store.set, S, "k", b"1")
    client.hdel("state:s", "k")
    assert result(store.get, S, "k") is None
    assert result(store.set, S, "k", b"2", if_version=0).old is None


@pytest.mark.parametrize("text", [b"no JSON", b"", b"\xff", b'"\xff"', b"NaN", b"[1", b"1 2", b"[" * 5000 + b"x"])
def test_what_others_wrote_and_is_no_json_is_named_and_overcome_by_set_and_delete(store, client, text):
    client.hset("state:s", "k", text)
    for operation, *args in (
        (store.get, S, "k"),
        (store.get_many, S, ["k"]),
        (store.list, S),
        (store.update, S, "k", increment),
    ):
        answer, error = outcome(operation, *args)
        assert answer is None
        assert isinstance(error, StorageError)
        assert "what is stored in 'state:s', field 'k' is not JSON" in str(error)
    assert client.hget("state:s", "k") == text
    change = result(store.set, S, "k", b"1")
    assert (change.old.text, change.new.text) == (b"null", b"1")
    client.hset("state:s", "k2", text)
    assert result(store.delete, S, "k2").old.text == b"null"
    assert result(store.list_keys, S) == ["k"]


def test_a_name_that_holds_something_else_is_an_error_of_each_operation_and_no_scope(store, client):
    client.set("state:s", "a string")
    for operation, *args in ((store.get, S, "k"), (store.set, S, "k", b"1"), (store.update, S, "k", increment)):
        _, error = outcome(operation, *args)
        assert isinstance(error, StorageError)
        assert "WRONGTYPE" in str(error)
    assert result(store.scopes, ()) == []
    assert result(store.set, ("t",), "k", b"1").new.text == b"1"


def test_a_scope_of_another_kind_is_refused(store):
    for operation, *args in ((store.get, ("a", "b"), "k"), (store.update, ("a", "b"), "k", increment)):
        _, error = outcome(operation, *args)
        assert "a scope of state has 1 parts, not 2" in str(error)


@pytest.mark.parametrize("name", ["__proto__", "\0", "", "*", "a:b", "x" * 1_000_000, "😀", "\u2028"])
def test_any_name_will_do(store, name):
    scope = (name,)
    result(store.set, scope, name, b"1", ttl_ms=60_000)
    result(store.update, scope, name, increment)
    assert result(store.get, scope, name).text == b"2"
    assert result(store.list_keys, scope) == [name]
    assert result(store.scopes, ()) == [scope]
    assert result(store.delete, scope, name).old.text == b"2"


def test_a_name_that_is_no_text_is_refused(store):
    for operation, *args in (
        (store.get, S, "\ud800"),
        (store.set, ("\ud800",), "k", b"1"),
        (store.scopes, ("\ud800",)),
    ):
        _, error = outcome(operation, *args)
        assert isinstance(error, StorageError)
        assert "lone surrogates" in str(error)


def test_streams_and_their_groups(server):
    with closing(opened(server.url, "stream")) as store:
        for scope in (("a", "b:c"), ("a:b", "c"), ("a", "z")):
            result(store.set, scope, "k", json.dumps(scope).encode())
        assert result(store.scopes, ()) == [("a", "b:c"), ("a", "z"), ("a:b", "c")]
        assert result(store.scopes, ("a",)) == [("a", "b:c"), ("a", "z")]
        assert json.loads(result(store.get, ("a", "b:c"), "k").text) == ["a", "b:c"]


# --- others at the same time -------------------------------------------------------------------------------------------


def test_a_thousand_racing_increments_of_two_engines(server, store):
    with closing(opened(server.url)) as other:
        answers = Answers()

        def race(racer):
            for _ in range(500):
                racer.update(S, "n", increment, answers.done())

        threads = [threading.Thread(target=race, args=(racer,)) for racer in (store, other)]
        for thread in threads:
            thread.start()
        outcomes = answers.take(1000)
        for thread in threads:
            thread.join()
        assert [error for _, _, error in outcomes if error] == []
        assert sorted(int(change.new.text) for _, change, _ in outcomes) == list(range(1, 1001))
        versions = {change.new.version for _, change, _ in outcomes}
        entry = result(store.get, S, "n")
        assert (len(versions), entry.text, entry.version) == (1000, b"1000", max(versions))
        before = {change.old.version for _, change, _ in outcomes if change.old}
        assert before == versions - {entry.version}


def test_an_update_that_others_are_quicker_than_is_made_again_with_what_is_there_then(store, client):
    result(store.set, S, "k", b"1")
    seen = []

    def changing(old):
        seen.append(old)
        if len(seen) < 4:
            client.hset("state:s", "k", b"%d0" % len(seen))
        return b"[%b]" % old, None

    change = result(store.update, S, "k", changing)
    assert seen == [b"1", b"10", b"20", b"30"]
    assert (change.old.text, change.new.text) == (b"30", b"[30]")


def test_an_update_that_never_gets_through_says_so(store, client, monkeypatch):
    monkeypatch.setattr("iii_actors.storage.redis_table.REDIS_SWAP_TRIES", 3)
    tries = []

    def changing(old):
        tries.append(old)
        client.hset("state:s", "k", b"%d" % len(tries))
        return b"0", None

    _, error = outcome(store.update, S, "k", changing)
    assert "others write this value all the time; try again later" in str(error)
    assert len(tries) == 3


def test_a_change_that_fails_is_one_operation_s_failure(store, caplog):
    answers = Answers()
    blocked = threading.Event()
    store.update(S, "first", lambda old: (blocked.wait(WAIT_S), increment(old))[1], answers.done())
    store.update(S, "n", increment, answers.done(1))
    store.update(S, "n", lambda old: 1 / 0, answers.done(2))
    store.update(S, "n", increment, answers.done(3), if_version=0)
    store.update(S, "n", increment, answers.done(4))
    blocked.set()
    came = {tag: (change, error) for tag, change, error in answers.take(5)}
    assert [came[tag][0].new.text for tag in (1, 4)] == [b"1", b"2"]
    assert "the value cannot be changed" in str(came[2][1])
    assert isinstance(came[3][1], VersionConflict)
    assert "ZeroDivisionError" in caplog.text


def test_whoever_fails_at_an_outcome_holds_up_nobody(store, caplog):
    def failing(change, error):
        raise RuntimeError("no")

    store.set(S, "a", b"1", failing)
    assert result(store.set, S, "b", b"1").old is None
    assert "failed at its outcome" in caplog.text


def test_redis_may_forget_the_script(store, client):
    result(store.set, S, "k", b"1")
    client.script_flush()
    answers = Answers()
    for number in range(100):
        store.update(S, "k", increment, answers.done(number))
        store.get(S, "k", answers.done())
    texts = [answer.text for tag, answer, _ in answers.take(200) if tag is None]
    assert texts == [b"%d" % number for number in range(2, 102)]


# --- gone and back -----------------------------------------------------------------------------------------------------


def test_a_redis_that_goes_fails_each_operation_and_is_found_again(server, store, caplog):
    caplog.set_level(logging.INFO)
    result(store.set, S, "k", b"1")
    server.kill()
    for operation, *args in (
        (store.get, S, "k"),
        (store.set, S, "k", b"2"),
        (store.update, S, "k", increment),
        (store.list, S),
        (store.scopes, ()),
    ):
        answer, error = outcome(operation, *args)
        assert answer is None
        assert isinstance(error, StorageError)
        assert f"Redis at {server.url}: " in str(error)
    server.start()
    assert result(store.set, S, "k", b"3").old is None
    assert result(store.scopes, ()) == [S]
    assert [record.levelname for record in caplog.records if "Redis" in record.message] == ["WARNING", "INFO"]


def test_a_redis_that_hangs_fails_what_waits_together_and_within_a_bound(server, monkeypatch):
    monkeypatch.setattr("iii_actors.storage.redis_client.REDIS_WAIT_S", 0.5)
    with closing(opened(server.url)) as store:
        result(store.set, S, "k", b"1")
        answers = Answers()
        with server.frozen():
            began = time.monotonic()
            for _ in range(2000):
                store.get(S, "k", answers.done())
            assert all(isinstance(error, StorageError) for _, _, error in answers.take(2000))
            assert time.monotonic() - began < 2
        assert result(store.get, S, "k").text == b"1"


def test_versions_grow_over_a_flush(store, client):
    before = result(store.set, S, "k", b"1").new.version
    client.flushall()
    assert result(store.get, S, "k") is None
    assert result(store.set, S, "k", b"1").new.version > before


def test_more_than_may_wait_is_refused(server, monkeypatch):
    monkeypatch.setattr(module, "STORE_WAITING", 5)
    with closing(opened(server.url)) as store:
        blocked, answers = threading.Event(), Answers()
        started = threading.Event()

        def changing(old):
            started.set()
            blocked.wait(WAIT_S)
            return b"1", None

        store.update(S, "k", changing, answers.done())
        assert started.wait(WAIT_S)
        for _ in range(5):
            store.get(S, "k", answers.done())
        _, error = outcome(store.get, S, "k")
        assert str(error) == "5 operations wait for Redis, which is the limit; try again later"
        blocked.set()
        assert [error for _, _, error in answers.take(6)] == [None] * 6


def test_more_bytes_than_may_wait_are_refused_but_one_large_value_goes_through(server, monkeypatch):
    monkeypatch.setattr(module, "STORE_WAITING_BYTES", 100)
    with closing(opened(server.url)) as store:
        assert result(store.set, S, "k", b"1" * 1000).new
        blocked, started, answers = threading.Event(), threading.Event(), Answers()
        store.update(S, "k", lambda old: (started.set(), blocked.wait(WAIT_S), (b"1", None))[2], answers.done())
        assert started.wait(WAIT_S)
        store.set(S, "a", b"1" * 90, answers.done())
        _, error = outcome(store.set, S, "b", b"1" * 20)
        assert "wait for Redis, which is the limit" in str(error)
        blocked.set()
        assert [error for _, _, error in answers.take(2)] == [None] * 2


# --- expiry ------------------------------------------------------------------------------------------------------------


def test_what_has_expired_takes_no_room_for_long(server, client):
    with closing(opened(server.url)) as store:
        for number in range(50):
            result(store.set, ("s",), f"{number}", b"1", ttl_ms=60_000)
        result(store.set, ("kept",), "k", b"1", ttl_ms=600_000)
    bring_nearer(client, 60_000)
    with closing(opened(server.url)) as store:
        deadline = time.monotonic() + WAIT_S
        while client.exists("state:s") and time.monotonic() < deadline:
            pass
        assert sorted(client.keys("*")) == sorted(
            [
                b"iii-actors:expiry:state",
                b"iii-actors:marks:state:kept",
                b"iii-actors:version",
                b"state:kept",
            ]
        )
        assert result(store.get, ("kept",), "k").text == b"1"


def test_an_expiry_is_seen_by_every_engine(server, store, client):
    with closing(opened(server.url)) as other:
        result(store.set, S, "k", b"1", ttl_ms=60_000)
        assert result(other.get, S, "k").text == b"1"
        bring_nearer(client, 60_000)
        assert result(other.get, S, "k") is None
        assert result(store.update, S, "k", increment).old is None
