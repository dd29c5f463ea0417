"""The table against a matcher that tries every route, and what a change leaves alone."""

import itertools
import sys
import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from iii_actors.builtin.http.paths import PARAMETER, REST, parse
from iii_actors.builtin.http.table import Route, Table
from iii_actors.builtin.http.tracing import traced
from tests.support.records import trigger

_numbers = itertools.count()


def route(path, method="GET"):
    parsed = parse(path, path)
    return Route(trigger(f"t{next(_numbers)}", "http"), method, path, parsed, None, (), b"", traced(method, path, "f"))


def table_of(*paths):
    table = Table()
    for path in paths:
        method, _, rest = path.rpartition(" ")
        table = table.with_route(route(rest, method or "GET"))
    return table


def found(table, path):
    """The key that a path leads to, and the values."""
    match = table.match(path)
    if match is None:
        return None
    return next(iter(match.place.methods.values())).parsed.key, match.values


def test_a_literal_is_preferred_segment_by_segment_going_back_where_it_leads_nowhere():
    table = table_of("k/b/c", "k/:x/d", "k/:x/:y", ":a/b/e", "s/:id/edit", "s/new/:x")
    assert found(table, "k/b/c") == ("k/b/c", ())
    assert found(table, "k/b/d") == ("k/:x/d", ("b",))
    assert found(table, "k/b/z") == ("k/:x/:y", ("b", "z"))
    assert found(table, "k/b/e") == ("k/:x/:y", ("b", "e"))
    assert found(table, "j/b/e") == (":a/b/e", ("j",))
    assert found(table, "s/new/edit") == ("s/new/:x", ("edit",))
    assert found(table, "k/b") is None
    assert found(table, "k/b/c/d") is None


def test_a_trailing_slash_and_case_count_and_slashes_are_not_collapsed():
    table = table_of("a/b", "a/b/", "p/:x", "e//f")
    assert found(table, "a/b") == ("a/b", ())
    assert found(table, "a/b/") == ("a/b/", ())
    assert found(table, "A/b") is None
    assert found(table, "a//b") is None
    assert found(table, "e//f") == ("e//f", ())
    assert found(table, "p/") is None, "a parameter is not empty"
    assert found(table, "p/x/") is None
    assert found(table, "p/..") == ("p/:x", ("..",))


def test_the_rest_takes_one_or_more_segments_and_comes_last():
    table = table_of("r/{*all}", "r/a/:x", "r/a/b", "q/{one}")
    assert found(table, "r/x") == ("r/{*all}", ())
    assert found(table, "r/x/y/z") == ("r/{*all}", ())
    assert found(table, "r/x/") == ("r/{*all}", ())
    assert found(table, "r/") is None
    assert found(table, "r") is None
    assert found(table, "r/a/c") == ("r/a/:x", ("c",))
    assert found(table, "r/a/c/d") == ("r/{*all}", ())
    assert found(table, "q/1") == ("q/{one}", ("1",))
    assert found(table, "q/1/2") is None


def test_methods_of_one_shape_are_apart_and_allow_names_them_in_order():
    table = table_of("DELETE u/:id", "GET u/:user", "POST w", "HEAD h", "GET h")
    place = table.match("u/7").place
    assert place.allow == b"GET,HEAD,DELETE"
    assert {name: one.parsed.names for name, one in place.methods.items()} == {"GET": ("user",), "DELETE": ("id",)}
    assert table.match("w").place.allow == b"POST"
    assert table.match("h").place.allow == b"GET,HEAD"


def test_a_change_leaves_the_table_before_it_as_it_was():
    paths = ["a", "a/b", "a/:x", ":x/b", "{*all}", "a/:x/c"]
    routes = [route(path) for path in paths]
    tables = [Table()]
    for one in routes:
        tables.append(tables[-1].with_route(one))
    for count, table in enumerate(tables):
        assert {one.path for one in table.routes()} == set(paths[:count])
    for one in routes:
        tables.append(tables[-1].without(one))
        assert one not in tables[-1].routes()
    assert tables[-1].routes() == []
    assert tables[-1]._root is Table()._root, "nothing is left of the tree"
    assert {one.path for one in tables[len(paths)].routes()} == set(paths)


def test_removing_what_is_not_there_changes_nothing():
    table = table_of("a/:x", "b")
    assert table.without(route("c")).routes() == table.routes()
    assert table.without(route("a/:x/y")).routes() == table.routes()
    assert found(table.without(route("b", "POST")), "b") == ("b", ())


def test_a_path_of_thousands_of_segments_is_no_deep_recursion():
    deep = "/".join(["d"] * (2 * sys.getrecursionlimit()))
    one = route(deep + "/:x")
    table = Table().with_route(one)
    assert found(table, deep + "/1") == (deep + "/:x", ("1",))
    assert table.routes() == [one]
    assert table.without(one).routes() == []


def test_ten_thousand_routes_are_looked_up_like_ten():
    """Counted, not timed: how many entries a look-up passes does not depend on how many there are."""
    table = Table()
    for number in range(5000):
        table = table.with_route(route(f"s{number}/fixed")).with_route(route(f"p{number}/:id"))
    assert max(len(bucket) for bucket in table._static) < 40
    assert found(table, "s4999/fixed") == ("s4999/fixed", ())
    assert found(table, "p17/x") == ("p17/:id", ("x",))
    assert len(table.routes()) == 10_000


def test_it_is_read_while_others_change_it():
    holder = [table_of("always/:x")]
    stop = threading.Event()
    misses = []

    def read():
        while not stop.is_set():
            if found(holder[0], "always/1") is None:
                misses.append(1)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(200):
        extra = [route("always/:x/more"), route("always/s"), route("other/:y")]
        for one in extra:
            holder[0] = holder[0].with_route(one)
        for one in extra:
            holder[0] = holder[0].without(one)
    stop.set()
    reader.join(10)
    assert not misses


# --- against a matcher that is obviously right -----------------------------------------------------------------------

segment = st.sampled_from(["a", "b", "", ":x", ":y", "{z}"])
last = st.one_of(segment, st.just("{*rest}"))
paths = st.builds(lambda head, tail: "/".join([*head, tail]), st.lists(segment, max_size=3), last)
asked = st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=1, max_size=5).map("/".join)


def _rank(shape, segments):
    """How a shape matches: a list to compare, literal before parameter before rest; None if it does not."""
    ranks = []
    for at, one in enumerate(shape):
        if one == REST:
            left = segments[at:]
            return [*ranks, 2] if left and (len(left) > 1 or left[0]) else None
        if at >= len(segments) or (one == PARAMETER and not segments[at]):
            return None
        if one not in (PARAMETER, segments[at]):
            return None
        ranks.append(1 if one == PARAMETER else 0)
    return ranks if len(shape) == len(segments) else None


@settings(max_examples=300, deadline=None)
@given(st.lists(paths, max_size=12), st.lists(asked, max_size=8), st.data())
def test_it_agrees_with_trying_every_route(registered, requests, data):
    routes = {}
    table = Table()
    for path in registered:
        one = route(path)
        table = table.with_route(one)
        routes[one.parsed.shape] = one
    for gone in data.draw(st.lists(st.sampled_from(sorted(routes)), unique=True)) if routes else []:
        table = table.without(routes.pop(gone))
    assert {one.parsed.shape for one in table.routes()} == set(routes)
    for path in requests:
        segments = path.split("/")
        ranked = sorted((rank, shape) for shape in routes if (rank := _rank(shape, segments)) is not None)
        match = table.match(path)
        if not ranked:
            assert match is None
            continue
        best = routes[ranked[0][1]]
        assert match.place.methods["GET"] is best
        assert match.values == tuple(
            value for one, value in zip(best.parsed.shape, segments, strict=False) if one == PARAMETER
        )
