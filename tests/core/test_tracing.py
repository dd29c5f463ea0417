"""The engine's own spans (observability.md §1, §4)."""

import re

import pytest

from iii_actors.clock import ManualClock
from iii_actors.core.observing import Waiting
from iii_actors.core.tracing import SERVER, Tracer, new_span_id, new_trace_id, parent_of
from iii_actors.wire.messages import ErrorBody

PARENT = f"00-{'a' * 32}-{'b' * 16}-01"


class Sink:
    def __init__(self):
        self.waiting = Waiting(10)

    @property
    def spans(self):
        return [span.stored() for span in self.waiting.take()]


def always(name, trace_id, parent):
    return True


@pytest.fixture
def stage():
    sink, clock = Sink(), ManualClock()
    return clock, sink, Tracer(clock, sink.waiting, always, service_name="mine")


@pytest.mark.parametrize(
    ("text", "sampled"),
    [(PARENT, True), (PARENT[:-2] + "00", False), (PARENT[:-2] + "03", True), (PARENT[:-2] + "fe", False)],
)
def test_a_traceparent_in_its_parts(text, sampled):
    assert parent_of(text) == ("a" * 32, "b" * 16, sampled)


@pytest.mark.parametrize("text", [None, "", "x", PARENT + "-", PARENT.upper()])
def test_what_is_none(text):
    assert parent_of(text) is None


def test_ids():
    assert re.fullmatch("[0-9a-f]{32}", new_trace_id())
    assert re.fullmatch("[0-9a-f]{16}", new_span_id())
    assert new_trace_id() != new_trace_id()


def test_a_child(stage):
    clock, sink, tracer = stage
    span = tracer.begin("n", SERVER, traceparent=PARENT, tracestate="x=y", baggage="k=a%20b;p,j,Cookie=c")
    assert re.fullmatch(f"00-{'a' * 32}-[0-9a-f]{{16}}-01", span.traceparent)
    assert span.traceparent != PARENT
    clock.advance(0.25)
    error = ErrorBody("c", "m", "trace")
    span.end((("own", "1"),), error)
    (told,) = sink.spans
    assert (told.name, told.kind, told.trace_id, told.parent_span_id) == ("n", SERVER, "a" * 32, "b" * 16)
    assert (told.trace_state, told.status, told.status_description, told.service_name) == ("x=y", "error", "m", "mine")
    assert told.attributes == (("own", "1"), ("k", "a b"), ("Cookie", "[REDACTED]"))
    assert told.end_time_unix_nano - told.start_time_unix_nano == 250_000_000
    assert told.end_time_unix_nano == int(clock.now() * 1_000_000_000)
    (event,) = told.events
    assert event.timestamp_unix_nano == told.end_time_unix_nano
    assert event.attributes == (("exception.type", "c"), ("exception.message", "m"), ("exception.stacktrace", "trace"))


def test_a_root_takes_no_state_along(stage):
    _, sink, tracer = stage
    span = tracer.begin("n", traceparent="nonsense", tracestate="x=y")
    assert re.fullmatch(f"00-{span.trace_id}-[0-9a-f]{{16}}-01", span.traceparent)
    assert re.fullmatch("[0-9a-f]{32}", span.trace_id)
    span.end(failed=True)
    (told,) = sink.spans
    assert (told.parent_span_id, told.trace_state, told.status, told.name) == (None, None, "error", "n")
    assert (told.status_description, told.events) == (None, ())


def test_what_is_not_sampled_is_told_to_children_and_not_recorded(stage):
    _, sink, tracer = stage
    asked = []
    tracer.sample = lambda *about: asked.append(about) or False
    span = tracer.begin("n", traceparent=PARENT)
    span.end()
    assert span.traceparent.endswith("-00")
    assert sink.spans == []
    assert asked == [("n", "a" * 32, True)]


def test_when_nobody_records_any_more(stage):
    _, sink, tracer = stage
    sink.waiting.over = True
    tracer.begin("n").end()
    assert not tracer.begin("n").sampled
