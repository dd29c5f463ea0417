"""The order book: what a model does not see. Its rules are in ``test_order_model``."""

from __future__ import annotations

import sys
from itertools import islice

import pytest

from iii_actors.brokers.order import StandardOrder
from iii_actors.brokers.order_groups import GroupedOrder


@pytest.fixture(params=[StandardOrder, GroupedOrder])
def order(request):
    return request.param()


def taken(order, count):
    """Take and settle so many."""
    numbers = []
    for _ in range(count):
        assert order.peek() is not None
        flight = order.take()
        numbers.append(flight.number)
        order.settle(flight)
    return numbers


def test_an_empty_book(order):
    assert order.peek() is None
    assert order.next_due() is None
    assert order.oldest() is None
    assert len(order) == 0
    assert list(order.in_line()) == []
    assert list(order.ahead(5)) == []
    assert list(order.clear(True, True)) == []
    order.wake(1e9)


def test_what_is_removed_from_the_middle_does_not_pile_up(order):
    for number in range(10_000):
        order.add(number, "a")
        if number % 10:
            order.remove(number, "a")
    standing = len(order._gone)
    assert standing <= order.waiting + 64
    assert taken(order, 1_000) == list(range(0, 10_000, 10))
    assert order.peek() is None
    assert not order._gone


def test_delays_that_are_cancelled_do_not_pile_up(order):
    for number in range(10_000):
        order.delay(number, None, 0, 100.0 + number, False)
        if number:
            order.remove(number, None)
    assert len(order._times) <= 64 + 2
    order.wake(100.0)
    assert taken(order, 1) == [0]


def test_a_waiting_job_takes_little_memory():
    order = StandardOrder()
    for number in range(100_000):
        order.add(1_000_000 + number)
    level = order._levels[0]
    assert sys.getsizeof(level.fresh) + 100_000 * sys.getsizeof(1_000_000) < 100_000 * 60
    assert not order.flying
    assert not order.delayed


def test_a_group_that_is_empty_leaves_nothing():
    order = GroupedOrder()
    for number in range(1_000):
        order.add(number, f"group {number}")
    taken(order, 1_000)
    assert not order._groups
    assert not order._busy
    assert not order._ready


def test_groups_take_turns_by_the_age_of_their_oldest():
    order = GroupedOrder()
    for number in range(12):
        order.add(number, "abc"[number % 3])
    assert taken(order, 12) == list(range(12))


def test_a_page_of_a_long_line_is_quick_to_find(order):
    for number in range(50_000):
        order.add(number, str(number % 10))
    assert list(islice(order.in_line(), 30_000, 30_005)) == list(range(30_000, 30_005))


def test_a_released_job_goes_back_though_its_priority_is_not_there_any_more():
    order = StandardOrder()
    order.add(1, None, 7)
    order.peek()
    flight = order.take()
    order.clear(True, True)
    order.release(flight)
    assert order.peek() == 1
    assert flight.ended


def test_a_turn_keeps_flights_that_are_two_of_a_group():
    before = StandardOrder()
    for number in range(4):
        before.add(number, "a")
    before.peek()
    flights = [before.take(), before.take()]
    order = GroupedOrder()
    order.adopt(before)
    assert order.peek() is None
    order.settle(flights[0])
    assert order.peek() is None
    order.retry(flights[1], 5.0, 1.0)
    assert order.peek() is None
    order.wake(5.0)
    assert taken(order, 3) == [1, 2, 3]
