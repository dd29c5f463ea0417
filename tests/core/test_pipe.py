"""The buffer between a channel's ends, alone (core.md §9.3)."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iii_actors.core.pipe import Item, Pipe
from iii_actors.limits import CHANNEL_BUFFER_BYTES, CHANNEL_BUFFER_MAX

EVERYTHING = 2**40


def item(number):
    return Item(False, b"%d" % number)


def test_items_come_out_as_they_went_in():
    pipe = Pipe(4)
    items = [Item(True, b"a"), Item(False, b""), Item(True, b""), Item(False, b"\0")]
    assert all(pipe.offer(one) for one in items)
    assert pipe.take(EVERYTHING) == items
    assert pipe.take(EVERYTHING) == []


def test_bounded_in_messages():
    pipe = Pipe(2)
    assert [pipe.offer(item(number)) for number in range(3)] == [True, True, False]
    assert pipe.waiting() == (2, 2)
    pipe.take(1)
    assert [pipe.offer(item(number)) for number in range(2)] == [True, False]


def test_bounded_in_bytes_but_for_a_single_large_item():
    pipe = Pipe(100, max_bytes=10)
    assert pipe.offer(Item(False, bytes(6)))
    assert not pipe.offer(Item(False, bytes(5)))
    assert pipe.offer(Item(False, bytes(4)))
    assert pipe.waiting() == (2, 10)
    pipe.take(EVERYTHING)
    assert pipe.offer(Item(False, bytes(1000)))
    assert not pipe.offer(Item(False, b"x"))
    assert pipe.waiting() == (1, 1000)


def test_the_bound_in_bytes_holds_the_largest_buffer_of_sdk_messages_and_no_more():
    assert CHANNEL_BUFFER_MAX * 65536 == CHANNEL_BUFFER_BYTES
    payload = bytes(65536)
    pipe = Pipe(CHANNEL_BUFFER_MAX + 1)
    assert all(pipe.offer(Item(False, payload)) for _ in range(CHANNEL_BUFFER_MAX))
    assert not pipe.offer(Item(False, payload))


def test_what_is_left_of_a_writer_that_has_gone_always_fits():
    pipe = Pipe(1)
    assert pipe.offer(item(1))
    assert not pipe.offer(item(2))
    assert pipe.offer(item(2), beyond=True)
    assert pipe.take(EVERYTHING) == [item(1), item(2)]


def test_as_many_are_taken_as_the_bytes_allow_but_at_least_one():
    pipe = Pipe(10)
    for size in (5, 3, 3, 100, 1):
        pipe.offer(Item(False, bytes(size)))
    assert [[len(one.payload) for one in pipe.take(8)] for _ in range(4)] == [[5, 3], [3], [100], [1]]


def test_the_end_comes_after_the_items():
    pipe = Pipe(3)
    pipe.offer(item(1))
    pipe.finish()
    assert pipe.take(1) == [item(1)]
    assert pipe.take(1) is None
    assert pipe.take(1) is None


def test_after_the_reader_has_left_nothing_goes_in_and_nothing_is_kept():
    pipe = Pipe(3)
    pipe.offer(item(1))
    pipe.leave()
    assert pipe.left
    assert pipe.waiting() == (0, 0)
    assert not pipe.offer(item(2))
    assert not pipe.offer(item(2), beyond=True)
    assert pipe.waiting() == (0, 0)


class Bells:
    """Counts how often each end was woken."""

    def __init__(self, pipe):
        self.reader = self.writer = 0
        pipe.attach_reader(lambda: self.ring("reader"))
        pipe.attach_writer(lambda: self.ring("writer"))

    def ring(self, end):
        setattr(self, end, getattr(self, end) + 1)

    def heard(self):
        counts = self.reader, self.writer
        self.reader = self.writer = 0
        return counts


def test_only_who_waits_is_woken_and_once():
    pipe = Pipe(2)
    bells = Bells(pipe)
    pipe.offer(item(1))
    assert bells.heard() == (0, 0)
    pipe.take(EVERYTHING)
    assert bells.heard() == (0, 0)
    assert pipe.take(EVERYTHING) == []
    pipe.offer(item(1))
    pipe.offer(item(2))
    assert bells.heard() == (1, 0)
    assert not pipe.offer(item(3))
    pipe.take(1)
    pipe.take(1)
    assert bells.heard() == (0, 1)


def test_leaving_and_finishing_wake_the_other_end_in_any_case():
    pipe = Pipe(2)
    bells = Bells(pipe)
    pipe.finish()
    assert bells.heard() == (1, 0)
    pipe = Pipe(2)
    bells = Bells(pipe)
    pipe.leave()
    assert bells.heard() == (0, 1)


def test_ends_that_nobody_has_taken_are_not_woken():
    pipe = Pipe(1)
    pipe.offer(item(1))
    pipe.finish()
    pipe.leave()
    assert pipe.take(1) is None


steps = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.integers(0, 12)),
        st.tuples(st.just("take"), st.integers(1, 20)),
        st.tuples(st.just("finish"), st.none()),
    ),
    max_size=60,
)


@given(st.integers(1, 4), st.integers(1, 20), steps)
def test_it_is_a_bounded_queue(max_messages, max_bytes, steps):
    pipe, model, finished = Pipe(max_messages, max_bytes), [], False
    for number, (what, size) in enumerate(steps):
        held = sum(model)
        if what == "offer" and not finished:
            fits = len(model) < max_messages and (not held or held + size <= max_bytes)
            assert pipe.offer(Item(bool(number % 2), bytes(size))) == fits
            model += [size] if fits else []
        elif what == "take":
            taken = pipe.take(size)
            if not model:
                assert taken == (None if finished else [])
                continue
            sizes = [len(one.payload) for one in taken]
            assert sizes == model[: len(sizes)]
            assert len(sizes) == 1 or sum(sizes) <= size
            model = model[len(sizes) :]
            assert not model or sum(sizes) + model[0] > size
        elif what == "finish":
            pipe.finish()
            finished = True
        assert pipe.waiting() == (len(model), sum(model))


@pytest.mark.parametrize("max_messages", [1, 3, 64])
def test_two_threads_lose_nothing_and_never_oversleep(max_messages):
    count, pipe = 20_000, Pipe(max_messages)
    room, there = threading.Event(), threading.Event()
    pipe.attach_writer(room.set)
    pipe.attach_reader(there.set)

    def write():
        for number in range(count):
            while not pipe.offer(item(number)):
                assert room.wait(10)
                room.clear()
        pipe.finish()

    writer = threading.Thread(target=write)
    writer.start()
    got = []
    while (taken := pipe.take(100)) is not None:
        got += taken
        if not taken:
            assert there.wait(10)
            there.clear()
    writer.join()
    assert [int(one.payload) for one in got] == list(range(count))
