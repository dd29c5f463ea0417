"""Counts of calls (observability.md §5)."""

import pytest

from iii_actors.core import tallies as module
from iii_actors.core.functions import Function
from iii_actors.core.messages import Forward, Invoke, Target
from iii_actors.core.tallies import DURATION_BOUNDS_S, OTHER, Count, Tallies
from iii_actors.wire import messages as wire

BUCKETS = len(DURATION_BOUNDS_S) + 1


class Time:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def tallies(time):
    return Tallies(Count(time, None))


def call(function_id="f"):
    invoke = Invoke(wire.InvokeFunction(function_id, "id"), "default", "id", None, None)
    target = Target("w", None)
    return Forward(invoke, Function("default", function_id, None, target), target)


def test_outcomes_and_durations(tallies, time):
    time.now += 0.004
    tallies.end(call(), 100.0, None)
    time.now += 100
    tallies.end(call(), 100.0, wire.ErrorBody("boom", "m"))
    (row,) = tallies.read([call(), call("g"), call()]).functions
    assert (row.function_id, row.success, row.error, row.errors) == ("f", 1, 1, {"boom": 1})
    assert row.seconds == pytest.approx(100.008)
    assert [at for at, count in enumerate(row.buckets) if count] == [DURATION_BOUNDS_S.index(0.005), BUCKETS - 1]
    assert tallies.read([call(), call("g"), call()]).in_flight == {"f": 2, "g": 1}


def test_a_call_without_a_beginning_counts_as_quick(tallies):
    tallies.end(call(), 0.0, None)
    (row,) = tallies.read([]).functions
    assert (row.success, row.seconds, row.buckets[0]) == (1, 0.0, 1)


def test_a_refused_call_is_an_error_without_a_duration(tallies):
    tallies.refuse("f", "invocation_error")
    tallies.end(call(), 0.0, None)
    (row,) = tallies.read([]).functions
    assert (row.success, row.error, sum(row.buckets)) == (1, 1, 1)


def test_functions_and_codes_past_the_limits_share_a_series(tallies, monkeypatch):
    monkeypatch.setattr(module, "TALLIED_FUNCTIONS", 2)
    monkeypatch.setattr(module, "TALLIED_CODES", 1)
    for name in ("a", "b", "c", "d", "a"):
        tallies.end(call(name), 0.0, wire.ErrorBody(f"code-{name}", "m"))
    rows = {row.function_id: row for row in tallies.read([]).functions}
    assert {name: row.error for name, row in rows.items()} == {"a": 2, "b": 1, OTHER: 2}
    assert rows[OTHER].errors == {"code-c": 1, OTHER: 1}


def test_without_counting_nothing_is_kept(time):
    tallies = Tallies(Count(time, None, calls=False))
    tallies.end(call(), 1.0, None)
    tallies.refuse("f", "c")
    assert tallies.read([call()]) == ([], {})
    tallies.change(Count(time, None))
    tallies.end(call(), 1.0, None)
    assert len(tallies.read([]).functions) == 1
