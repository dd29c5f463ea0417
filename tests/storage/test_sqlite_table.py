"""The statements: each finds what it needs through the tree, whatever else is there."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iii_actors.limits import STORE_VERSIONS
from iii_actors.storage import Entry
from iii_actors.storage.operations import Row
from iii_actors.storage.sqlite_table import LAYOUTS, Table, _scope_bytes, _scope_of

PARTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
SCOPES = st.lists(PARTS, min_size=1, max_size=3).map(tuple)


@pytest.fixture
def connection():
    made = sqlite3.connect(":memory:", isolation_level=None)
    for statement in LAYOUTS[0]:
        made.execute(statement)
    yield made
    made.close()


@pytest.fixture
def table(connection):
    return Table(connection)


def row(version, expires=None, text=b"1"):
    return Row(Entry(text, version), version, expires)


@given(SCOPES, SCOPES)
def test_scopes_are_written_without_loss_and_no_two_alike(one, other):
    assert _scope_of(_scope_bytes(one)) == one
    assert (_scope_bytes(one) == _scope_bytes(other)) == (one == other)
    start = _scope_bytes(one)
    assert (start <= _scope_bytes(other) < start[:-1] + b"\xff") == (other[: len(one)] == one)


def test_no_statement_reads_more_than_it_must(connection, table):
    table.write({((f"s{n % 10}",), f"{n}"): row(n + 1, n + 1 if n % 2 else None) for n in range(500)})
    connection.execute("ANALYZE")
    seen = []
    connection.set_trace_callback(seen.append)
    table.read([(("s1",), "1"), (("s1",), "2")])
    table.rows(("s1",), 0)
    list(table.keys(("s1",), 0))
    table.scopes(("s1",), 0)
    table.scopes((), 0)
    table.write({(("s1",), "1"): None, (("s1",), "2"): row(1000)})
    table.remove_expired(100, 10)
    table.next_expiry()
    connection.set_trace_callback(None)
    asked = [statement for statement in seen if "entries" in statement]
    assert len(asked) >= 8
    for statement in asked:
        plan = [line[3] for line in connection.execute("EXPLAIN QUERY PLAN " + statement)]
        reading = [line for line in plan if line.startswith(("SCAN", "SEARCH"))]
        over = [line for line in reading if not line.startswith(("SCAN asked", "SCAN 2 CONSTANT", "SCAN found"))]
        assert all(
            line.startswith("SEARCH") or line == "SCAN entries USING COVERING INDEX expiring" for line in over
        ), statement


def test_a_write_that_fails_has_written_nothing(connection, table):
    table.write({(("s",), "old"): row(1)})
    before = table.versions_left
    table.version += STORE_VERSIONS
    with pytest.raises(sqlite3.Error):
        table.write({(("s",), "old"): None, (("s",), "new"): row(2), (("s",), "wrong"): row(3, text=None)})
    assert not connection.in_transaction
    assert [key for _, key in table.keys(("s",), 0)] == ["old"]
    assert table.versions_left == before - STORE_VERSIONS
    table.write({(("s",), "new"): row(2)})
    assert table.versions_left == STORE_VERSIONS


def test_versions_are_set_aside_before_they_are_used(connection, table):
    for _ in range(5):
        table.version += STORE_VERSIONS // 3
        assert table.versions_left > 0
        assert Table(connection).version >= table.version
        table.write({})


def test_what_has_expired_is_removed_the_oldest_first(table):
    table.write({(("s",), f"{n}"): row(n + 1, expires=1000 - n) for n in range(10)} | {(("s",), "never"): row(20)})
    assert table.next_expiry() == 991
    assert table.remove_expired(995, 3) == 3
    assert table.next_expiry() == 994
    assert table.remove_expired(995, 3) == 2
    assert table.remove_expired(995, 3) == 0
    assert sorted(key for _, key in table.keys(("s",), 0)) == ["0", "1", "2", "3", "4", "never"]


def test_what_nothing_is_known_of_is_nothing(table):
    assert table.read([]) == {}
    assert table.next_expiry() is None
    assert table.scopes((), 0) == []
