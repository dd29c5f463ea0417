"""A job as it lies in the file: nothing is lost on the way there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from iii_actors.brokers.job import Failure, Job
from iii_actors.brokers.journal import NewJob
from iii_actors.brokers.sqlite_rows import COLUMNS, Stored, encoded_failures, fingerprint, fitting

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
MAYBE = st.one_of(st.none(), TEXTS)
JOBS = st.builds(
    Job,
    id=TEXTS,
    receipt=TEXTS,
    queue=st.just("q"),
    function_id=TEXTS,
    namespace=TEXTS,
    data=st.binary(max_size=99),
    created_at_ms=st.integers(0, 1 << 53),
    due_at_ms=st.integers(0, 1 << 53),
    group=MAYBE,
    priority=st.integers(0, 255),
    max_retries=st.one_of(st.none(), st.integers(0, 99)),
    idempotency_key=MAYBE,
    traceparent=MAYBE,
    baggage=MAYBE,
    attempts=st.integers(0, 9),
    failures=st.lists(st.builds(Failure, TEXTS, TEXTS, st.integers(0, 9), MAYBE), max_size=3).map(tuple),
)


@given(JOBS)
def test_a_job_comes_back_as_it_was(job):
    stored = Stored.new(NewJob(5, job, 7, 0), 1)
    assert stored.job("q") == job
    assert stored.called() == (job.id, job.receipt)
    assert stored.found("q") == (5, job, 7, False)


@given(JOBS, st.binary(max_size=9), st.integers(0, 9))
def test_a_change_changes_that_and_nothing_else(job, data, retries):
    stored = Stored.new(NewJob(5, job, 7, 0), 1)
    failures = (Failure("c", "m", 1),)
    changed = stored.changed({"data": data, "max_retries": retries, "failures": encoded_failures(failures), "due": 3})
    assert changed.job("q") == replace(job, data=data, max_retries=retries, failures=failures, due_at_ms=3)
    assert stored.changed({"dead": 9}) == stored._replace(dead=9)


def test_the_columns_are_those_of_the_row_but_for_the_body():
    assert (*COLUMNS, "body") == Stored._fields


def test_a_fingerprint_is_the_same_for_ever():
    assert fingerprint("") == -1970711489451281740
    assert fingerprint("a") != fingerprint("b")


@pytest.mark.parametrize(("number", "fits"), [(5, 5), (-5, -5), (1 << 90, (1 << 63) - 1), (-1 << 90, 1 - (1 << 63))])
def test_a_time_fits(number, fits):
    assert fitting(number) == fits
