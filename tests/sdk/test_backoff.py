"""The delays between attempts (spec sdk.md §7.2)."""

import pytest

from iii_worker.backoff import Backoff
from iii_worker.options import ReconnectionConfig


def test_delays_double_up_to_the_longest():
    backoff = Backoff(ReconnectionConfig(), chance=lambda: 0.5)
    assert [backoff.next_delay() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


@pytest.mark.parametrize(("chance", "delay"), [(0.0, 0.7), (0.5, 1.0), (1.0, 1.3)])
def test_chance_moves_each_by_thirty_percent(chance, delay):
    assert Backoff(ReconnectionConfig(), chance=lambda: chance).next_delay() == pytest.approx(delay)


def test_a_good_connection_starts_over():
    backoff = Backoff(ReconnectionConfig(), chance=lambda: 0.5)
    assert [backoff.next_delay(), backoff.next_delay()] == [1, 2]
    backoff.reset()
    assert backoff.next_delay() == 1


@pytest.mark.parametrize(("retries", "delays"), [(0, 0), (1, 1), (3, 3)])
def test_retries_are_counted(retries, delays):
    backoff = Backoff(ReconnectionConfig(max_retries=retries))
    for _ in range(delays):
        assert not backoff.exhausted
        backoff.next_delay()
    assert backoff.exhausted


def test_without_a_limit_it_goes_on_for_ever():
    backoff = Backoff(ReconnectionConfig(initial_delay_ms=1, max_delay_ms=5, backoff_multiplier=1e300))
    for _ in range(5000):
        assert backoff.next_delay() < 0.0066
    assert not backoff.exhausted
