"""iii_actors.access.buckets and .quotas, on a clock that the test moves."""

import pytest

from iii_actors.access.buckets import Bucket
from iii_actors.access.quotas import Quotas
from iii_actors.clock import ManualClock
from iii_actors.config.access import QuotaSettings
from iii_actors.limits import QUOTA_DEBT


@pytest.fixture
def clock():
    return ManualClock()


def test_a_bucket_is_full_at_first_and_fills_at_its_rate(clock):
    bucket = Bucket(2.0, 3.0, clock.monotonic)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    clock.advance(0.25)
    assert not bucket.take()
    clock.advance(0.25)
    assert bucket.take()
    assert not bucket.take()
    clock.advance(1_000)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_a_bucket_may_owe(clock):
    bucket = Bucket(10.0, 10.0, clock.monotonic)
    assert bucket.charge(25.0) == -15.0
    clock.advance(1)
    assert bucket.level == -5.0
    clock.advance(10)
    assert bucket.level == 10.0


def quotas(clock, **settings):
    return Quotas(QuotaSettings(**settings), clock.monotonic)


def test_what_is_not_set_is_not_bounded(clock):
    none = quotas(clock)
    assert not none.meters
    assert none.check_call(1_000_000) is None
    assert none.charge(1 << 40) is None


def test_a_burst_is_a_seconds_worth_and_at_least_one_call(clock):
    some = quotas(clock, calls_per_s=3.0)
    assert [some.check_call(0) is None for _ in range(4)] == [True, True, True, False]
    rare = quotas(clock, calls_per_s=0.1)
    assert [rare.check_call(0) is None for _ in range(2)] == [True, False]
    clock.advance(10)
    assert rare.check_call(0) is None


def test_bytes_refuse_calls_first_and_end_the_session_in_the_end(clock):
    some = quotas(clock, bytes_per_s=10.0, bytes_burst=100)
    assert some.charge(150) is None
    assert some.check_call(0).code == "QUOTA_EXCEEDED"
    for _ in range(QUOTA_DEBT):
        assert some.charge(100) is None
    assert some.charge(10).code == "QUOTA_EXCEEDED"


def test_a_message_is_never_refused_for_its_own_size_but_for_those_before_it(clock):
    some = quotas(clock, bytes_per_s=10.0, bytes_burst=100)
    assert some.charge(100_000) is None
    assert some.charge(1) is not None
    clock.advance(100_000)
    assert some.charge(1) is None


def test_pending(clock):
    some = quotas(clock, pending_calls=2)
    assert some.check_call(1) is None
    assert "2 calls" in some.check_call(2).message
