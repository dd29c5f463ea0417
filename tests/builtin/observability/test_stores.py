"""The stores: newest records within limits (observability.md §3)."""

from hypothesis import given
from hypothesis import strategies as st

from iii_actors.builtin.observability.metric_store import MetricStore
from iii_actors.builtin.observability.records import StoredMetric, size_of_ended, size_of_span
from iii_actors.builtin.observability.span_store import SpanStore
from iii_actors.builtin.observability.timed_store import TimedStore
from iii_actors.clock import ManualClock
from iii_actors.core.observing import Waiting
from iii_actors.core.spans import StoredSpan
from iii_actors.core.tracing import Span, Tracer

TRACER = Tracer(ManualClock(), Waiting(0), lambda *_: True)


def span(trace_id="t", span_id="s", name="n", **members):
    members = {"parent_span_id": None, **members}
    return StoredSpan(trace_id, span_id, members.pop("parent_span_id"), name, 1, 2, "ok", (), "svc", (), (), **members)


def names(store):
    return [one.name for one in store]


def test_the_end_of_a_span_takes_the_place_of_its_beginning():
    store = SpanStore(10)
    store.add(span(span_id="1", name="begun", pending=True), 0.0)
    store.add(span(span_id="2", name="other"), 0.0)
    store.add(span(span_id="1", name="ended"), 1.0)
    assert names(store) == ["ended", "other"]
    store.add(span(span_id="1", name="begun", pending=True), 2.0)
    assert names(store) == ["ended", "other"]
    store.drop_pending(100.0)
    assert names(store) == ["ended", "other"]


def test_pending_spans_go_in_time():
    store = SpanStore(10)
    store.add(span(span_id="1", pending=True), 0.0)
    store.add(span(span_id="2", pending=True), 5.0)
    store.drop_pending(5.0)
    assert [one.span_id for one in store] == ["2"]
    assert store.trace("t")[0].span_id == "2"


def test_spans_without_ids_do_not_replace_each_other():
    store = SpanStore(10)
    for _ in range(3):
        store.add(span(None, None), 0.0)
        store.add(span("t", None), 0.0)
    assert len(store) == 6


def test_a_parent_that_is_not_kept_makes_a_root():
    store = SpanStore(10)
    child = span(span_id="2", parent_span_id="1")
    store.add(child, 0.0)
    assert store.is_root(child)
    store.add(span(span_id="1"), 0.0)
    assert not store.is_root(child)


def test_the_size_is_a_limit_too():
    one = size_of_span(span(span_id="1"))
    store = SpanStore(100, most_bytes=3 * one + 1)
    for n in range(5):
        store.add(span(span_id=str(n), name=str(n)), 0.0)
    assert names(store) == ["2", "3", "4"]
    assert (store.bytes, store.evicted) == (3 * one, 2)
    store.clear()
    assert (len(store), store.bytes, store.trace("t")) == (0, 0, [])


def ended(name="n", span_id="s"):
    return Span(TRACER, name, "internal", "t", span_id, None, None, None, True, 0.0, end_ns=2)


def test_the_engine_s_own_become_records_when_somebody_looks():
    store = SpanStore(2)
    store.add(span(span_id="1", name="a"), 0.0)
    for n in range(3):
        assert store.put([ended(f"e{n}", f"{n}")], 1_000_000) == 0
    assert (len(store), store.evicted) == (2, 2), "the oldest go, records or not"
    assert names(store) == ["e1", "e2"]
    assert store.bytes == sum(map(size_of_span, store))
    assert store.put([ended("e3", "3")], 1_000_000) == 0
    assert [one.name for one in store.trace("t")] == ["e2", "e3"]
    store.put([ended("e4", "4")], 1_000_000)
    store.clear()
    assert (len(store), store.bytes, names(store)) == (0, 0, [])


def test_one_that_is_too_large_is_not_taken():
    store = SpanStore(2)
    assert store.put([ended("x" * 100), ended()], size_of_ended(ended())) == 1
    assert (len(store), store.bytes) == (1, size_of_ended(ended()))


def test_what_has_not_become_a_record_goes_by_its_size_too():
    one = size_of_ended(ended(span_id="1"))
    store = SpanStore(100, most_bytes=3 * one + 1)
    for n in range(5):
        store.put([ended(span_id=str(n))], one)
    assert (len(store), store.bytes, store.evicted) == (3, 3 * one, 2)
    assert store.bytes <= 3 * one + 1
    assert {one.span_id for one in store} <= {"2", "3", "4"}, "records are larger"


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("12345"), st.booleans(), st.integers(0, 30))))
def test_whatever_comes_the_books_are_right(steps):
    store = SpanStore(4)
    for now, (trace_id, span_id, pending, length) in enumerate(steps):
        if length > 20:
            store.put([ended("e", f"e{now}")], 1_000_000)
            assert len(store) <= 4
        store.add(span(trace_id, span_id, "x" * length, pending=pending), float(now))
        if length == 7:
            store.drop_pending(now - 2.0)
        kept = list(store)
        assert len(kept) == len(store) <= 4
        assert store.bytes == sum(map(size_of_span, kept))
        assert sorted(one.span_id for _, spans in store.traces() for one in spans) == sorted(
            one.span_id for one in kept
        )


def test_records_go_by_number_size_and_age():
    store = TimedStore(3, 100, len)
    for at, text in enumerate(["a", "b", "c", "d"]):
        store.add(text, float(at))
    assert (list(store), list(store.newest_first())) == (["b", "c", "d"], ["d", "c", "b"])
    store.drop(2.0)
    assert list(store) == ["c", "d"]
    store.add("x" * 99, 5.0)
    assert (list(store), store.bytes) == (["d", "x" * 99], 100)
    store.most = 1
    store.trim()
    assert (list(store), store.evicted) == (["x" * 99], 3)
    store.clear()
    assert (len(store), store.bytes) == (0, 0)


def test_names_are_counted_while_their_records_are_kept():
    def metric(name):
        return StoredMetric(name, "", "", "gauge", (), "svc", 1)

    store = MetricStore(2, names=2)
    assert [store.admit(metric(name), 0.0) for name in ("a", "b", "c", "a")] == [True, True, False, True]
    assert [one.name for one in store] == ["b", "a"]
    assert store.admit(metric("b"), 1.0)
    assert [one.name for one in store] == ["a", "b"]
    store.clear()
    assert store.admit(metric("c"), 2.0)
