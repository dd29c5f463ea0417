"""Trace context in context variables: what a handler got is what its calls carry."""

import contextvars
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iii_worker import tracing
from iii_worker.limits import MAX_BAGGAGE_BYTES
from iii_worker.tracing import TraceContext, format_baggage, parse_baggage, parse_traceparent

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture(autouse=True)
def _no_recorder():
    assert tracing.recorder() is None
    yield
    tracing.install(None)


def test_there_is_no_trace_to_begin_with():
    assert tracing.current() == (None, None)


def test_what_an_invocation_brought_is_what_calls_carry():
    with tracing.activate(TRACEPARENT, "user=ada", "users::get") as run:
        assert tracing.current() == (TRACEPARENT, "user=ada")
        assert not run.recording
        run.result(b"1")
        run.failed("code", "message")
    assert tracing.current() == (None, None)


def test_an_exception_goes_on_and_the_context_ends():
    with pytest.raises(KeyError), tracing.activate(TRACEPARENT, None, "users::get"):
        raise KeyError
    assert tracing.current() == (None, None)


def test_an_invocation_without_a_trace_does_not_inherit_one():
    with tracing.activate(TRACEPARENT, "a=1", "outer"):
        with tracing.activate(None, None, "inner"):
            assert tracing.current() == (None, None)
        assert tracing.current() == (TRACEPARENT, "a=1")


def test_a_copied_context_takes_the_trace_to_another_thread():
    seen = []
    with tracing.activate(TRACEPARENT, None, "f"):
        context = contextvars.copy_context()
        threads = [
            threading.Thread(target=lambda: seen.append(tracing.current())),
            threading.Thread(target=context.run, args=(lambda: seen.append(tracing.current()),)),
        ]
        for thread in threads:
            thread.start()
            thread.join()
    assert seen == [(None, None), (TRACEPARENT, None)]


def test_a_trace_that_came_another_way_is_continued():
    with tracing.trace_context(TRACEPARENT, "a=1"):
        assert tracing.current() == (TRACEPARENT, "a=1")
    with tracing.trace_context(None):
        assert tracing.current() == (None, None)


def test_a_traceparent_that_is_none_is_refused_where_a_person_gives_it():
    with pytest.raises(ValueError, match="not a W3C trace context: expected '00-"):
        tracing.trace_context("nonsense")


class Broken:
    """A recorder whose every method fails."""

    def current(self):
        raise RuntimeError

    def execution(self, function_id, context, data):
        raise RuntimeError

    def remote(self, context):
        raise RuntimeError


def test_a_broken_recorder_breaks_no_call():
    tracing.install(Broken())
    with tracing.activate(TRACEPARENT, "a=1", "f", b"{}"):
        assert tracing.current() == (TRACEPARENT, "a=1")
    assert tracing.current() == (None, None)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        TRACEPARENT.upper(),
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01-more",
        f" {TRACEPARENT}",
    ],
)
def test_an_invalid_traceparent_says_nothing(text):
    assert parse_traceparent(text) is None


def test_a_traceparent_is_read_and_written():
    context = parse_traceparent(TRACEPARENT)
    assert context == TraceContext(TRACE, SPAN, 1)
    assert context.sampled
    assert context.traceparent == TRACEPARENT
    assert parse_traceparent(f"01-{TRACE}-{SPAN}-00-later").sampled is False


def test_a_child_stays_in_the_trace_and_a_root_begins_one():
    root = TraceContext.root()
    child = root.child()
    assert parse_traceparent(root.traceparent) == root
    assert child.trace_id == root.trace_id
    assert child.span_id != root.span_id


def test_baggage_is_read_without_properties_and_without_what_is_no_entry():
    assert parse_baggage("a=1;secret=x, b = two%20words ,nothing,=3,") == {"a": "1", "b": "two words"}
    assert parse_baggage(None) == {}


@settings(deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z.]{1,10}", fullmatch=True), st.text(max_size=20), max_size=5))
def test_baggage_that_is_written_can_be_read(entries):
    assert parse_baggage(format_baggage(entries)) == entries


def test_baggage_has_a_greatest_length():
    written = format_baggage({f"key{n}": "x" * 100 for n in range(1000)})
    assert MAX_BAGGAGE_BYTES - 200 < len(written) <= MAX_BAGGAGE_BYTES
    assert format_baggage({"a": "x" * MAX_BAGGAGE_BYTES}) is None
