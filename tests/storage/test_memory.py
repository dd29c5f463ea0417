"""The store in memory, beyond the contract: it keeps nothing that is over."""

import pytest

from iii_actors.clock import ManualClock
from iii_actors.storage import MemoryStore
from tests.storage.asking import result

S = ("scope",)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def store(clock):
    return MemoryStore(clock)


def test_what_has_expired_is_forgotten_at_the_next_operation(store, clock):
    for number in range(100):
        result(store.set, (f"{number}",), "k", b"1", ttl_ms=1_000)
    clock.advance(1)
    assert result(store.get, S, "k") is None
    assert not any((store._scopes, store._under, store._expiry, store._due))


def test_a_value_written_again_and_again_leaves_no_trail(store):
    for _ in range(10_000):
        result(store.set, S, "k", b"1", ttl_ms=60_000)
    assert len(store._due) < 100


def test_values_that_are_removed_before_they_expire_leave_no_trail(store):
    for _ in range(10_000):
        result(store.set, S, "k", b"1", ttl_ms=60_000)
        result(store.delete, S, "k")
    assert len(store._due) < 100
    assert not store._expiry


def test_an_answer_comes_before_the_operation_returns(store):
    came = []
    store.set(S, "k", b"1", lambda *answer: came.append(answer))
    assert len(came) == 1
    store.get(S, "k", lambda *answer: came.append(answer))
    assert len(came) == 2


def test_what_is_handed_out_does_not_change_with_the_store(store):
    result(store.set, S, "k", b"1")
    listed, keys, scopes = result(store.list, S), result(store.list_keys, S), result(store.scopes, ())
    result(store.set, S, "l", b"2")
    result(store.set, ("other",), "l", b"2")
    assert (len(listed), len(keys), len(scopes)) == (1, 1, 1)
