"""What is not in the table yet, seen as one with what is: against a dictionary, with time passing."""

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iii_actors.clock import ManualClock
from iii_actors.storage.operations import Delete, Get, ListEntries, ListKeys, ListScopes, Set, Update
from iii_actors.storage.overlay import Overlay
from iii_actors.storage.sqlite_table import LAYOUTS, Table

ADDRESSES = st.tuples(st.sampled_from([("a",), ("a", "b"), ("b", "a")]), st.sampled_from("xyz"))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), ADDRESSES, st.sampled_from([None, None, 1, 5])),
        st.tuples(st.just("update"), ADDRESSES),
        st.tuples(st.just("delete"), ADDRESSES),
        st.tuples(st.just("read ahead"), st.lists(ADDRESSES, max_size=4)),
        st.tuples(st.just("pass"), st.sampled_from([1, 3])),
        st.tuples(st.just("write out")),
        st.tuples(st.just("remove expired")),
    ),
    max_size=30,
)


def empty_table():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for statement in LAYOUTS[0]:
        connection.execute(statement)
    return connection, Table(connection)


@settings(deadline=None, max_examples=150)
@given(STEPS)
def test_changes_over_a_table_are_as_a_dictionary(steps):
    connection, table = empty_table()
    clock = ManualClock()
    overlay = Overlay(table, clock)
    model = {}  # address: (text, when it expires)
    try:
        for what, *rest in steps:
            step(overlay, clock, model, what, rest)
            for address in [address for address, (_, expires) in model.items() if expires <= clock.monotonic()]:
                del model[address]
            check(overlay, model)
            assert overlay.size >= 0
        overlay.write_out()
        assert overlay.size == 0
        check(overlay, model)
        due = [expires for _, expires in model.values() if expires != float("inf")]
        assert not due or overlay.next_expiry is not None
    finally:
        connection.close()


def step(overlay, clock, model, what, rest):
    """Do one step to both."""
    address = rest[0] if rest else None
    if what == "set":
        ttl = rest[1]
        Set(address, None, b"1", ttl and ttl * 1000).run(overlay)
        model[address] = (b"1", clock.monotonic() + ttl if ttl else float("inf"))
    elif what == "update":
        Update(address, None, lambda old: ((old or b"") + b"2", None)).run(overlay)
        text, expires = model.get(address, (b"", float("inf")))
        model[address] = (text + b"2", expires)
    elif what == "delete":
        Delete(address, None).run(overlay)
        model.pop(address, None)
    elif what == "read ahead":
        overlay.look_up(address)
    elif what == "pass":
        clock.advance(address)
    elif what == "write out":
        overlay.write_out()
        assert overlay.size == 0
    else:
        overlay.remove_expired(2)


def check(overlay, model):
    for scope in (("a",), ("a", "b"), ("b", "a")):
        held = [(address[1], text) for address, (text, _) in model.items() if address[0] == scope]
        assert [(key, entry.text) for key, entry in ListEntries(scope).run(overlay)] == held
        assert ListKeys(scope).run(overlay) == [key for key, _ in held]
        for key in "xyz":
            entry = Get((scope, key)).run(overlay)
            assert (entry and entry.text) == dict(held).get(key)
    scopes = sorted({scope for scope, _ in model})
    assert ListScopes(()).run(overlay) == scopes
    assert ListScopes(("a",)).run(overlay) == [scope for scope in scopes if scope[0] == "a"]


def test_changes_that_cannot_be_written_stay():
    connection, table = empty_table()
    overlay = Overlay(table, ManualClock())
    Set((("a",), "k"), None, b"1", None).run(overlay)
    connection.execute("PRAGMA query_only = ON")
    with pytest.raises(sqlite3.Error):
        overlay.write_out()
    assert overlay.size
    assert ListKeys(("a",)).run(overlay) == ["k"]
    connection.execute("PRAGMA query_only = OFF")
    overlay.write_out()
    assert not overlay.size
    assert [key for _, key in table.keys(("a",), 0)] == ["k"]
    connection.close()
