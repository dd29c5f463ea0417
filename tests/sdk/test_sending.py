"""The writing side: whole frames in order from many threads, partial writes, peers that take nothing."""

import contextlib
import socket
import threading
import time
from contextlib import nullcontext

import pytest

from iii_worker import sending
from iii_worker.sending import SendQueue, Unsendable


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    theirs.settimeout(5)
    with ours, theirs:
        yield ours, theirs
        with contextlib.suppress(OSError):
            ours.shutdown(socket.SHUT_RDWR)  # whoever still writes returns


@pytest.fixture
def broken():
    return []


@pytest.fixture
def queue(pair, broken):
    return SendQueue(pair[0], nullcontext(), broken.append)


def take(theirs, size):
    data = b""
    while len(data) < size:
        data += theirs.recv(size - len(data))
    return data


def test_a_frame_leaves_at_once(queue, pair):
    queue.send(b"frame")
    assert pair[1].recv(100) == b"frame"
    assert queue.drained(time.monotonic() + 1)


def test_a_large_frame_waits_for_room_in_the_socket(queue, pair):
    frame = bytes(range(256)) * 10_000
    thread = threading.Thread(target=queue.send, args=(frame,))
    thread.start()
    assert take(pair[1], len(frame)) == frame
    thread.join(5)


def test_frames_of_many_threads_stay_whole(queue, pair):
    def send(number):
        for _ in range(50):
            queue.send(bytes([number]) * 100 + b"\n")

    threads = [threading.Thread(target=send, args=(65 + number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    lines = take(pair[1], 8 * 50 * 101).split(b"\n")[:-1]
    for thread in threads:
        thread.join(5)
    assert len(lines) == 400
    assert all(line == line[:1] * 100 for line in lines)


def test_a_sender_whose_deadline_passes_hands_the_rest_over(queue, pair):
    frame = b"x" * 1_000_000
    began = time.monotonic()
    queue.send(frame, time.monotonic() + 0.05)
    assert time.monotonic() - began < 2
    queue.send(b"second")
    assert take(pair[1], len(frame) + 6) == frame + b"second"
    assert queue.drained(time.monotonic() + 5)


def test_a_queue_that_is_full_lets_senders_wait_until_their_deadline(queue, monkeypatch):
    monkeypatch.setattr(sending, "SEND_QUEUE_BYTES", 1000)
    queue.send(b"x" * 1_000_000, time.monotonic())
    queue.send(b"y" * 900)
    with pytest.raises(TimeoutError):
        queue.send(b"z" * 900, time.monotonic() + 0.05)


def test_a_full_queue_takes_more_when_it_empties(queue, pair, monkeypatch):
    monkeypatch.setattr(sending, "SEND_QUEUE_BYTES", 1000)
    queue.send(b"x" * 1_000_000, time.monotonic())
    queue.send(b"y" * 900)
    waiting = threading.Thread(target=queue.send, args=(b"z" * 900, time.monotonic() + 10))
    waiting.start()
    assert take(pair[1], 1_001_800)[-1800:] == b"y" * 900 + b"z" * 900
    waiting.join(5)
    assert not waiting.is_alive()


def test_the_reading_thread_never_waits(queue, monkeypatch):
    monkeypatch.setattr(sending, "SEND_QUEUE_BYTES", 1000)
    queue.send(b"x" * 1_000_000, urgent=True)
    queue.send(b"y" * 900, urgent=True)
    queue.send(b"y" * 900, urgent=True)
    with pytest.raises(Unsendable, match="takes no data"):
        queue.send(b"y" * 900, urgent=True)


def test_a_peer_that_takes_nothing_breaks_the_connection(queue, broken, monkeypatch):
    monkeypatch.setattr(sending, "SEND_TIMEOUT_S", 0.05)
    queue.send(b"x" * 1_000_000)
    assert broken == ["the engine took no data for too long"]
    with pytest.raises(Unsendable, match="closed"):
        queue.send(b"y")


def test_a_peer_that_is_gone_breaks_the_connection(queue, pair, broken):
    pair[1].close()
    queue.send(b"x")
    assert len(broken) == 1
    assert broken[0].startswith("writing failed")


def test_closing_tells_who_waits(queue, monkeypatch):
    monkeypatch.setattr(sending, "SEND_QUEUE_BYTES", 1000)
    queue.send(b"x" * 1_000_000, time.monotonic())
    queue.send(b"y" * 900)
    errors = []

    def send():
        try:
            queue.send(b"z" * 900, time.monotonic() + 10)
        except Unsendable as error:
            errors.append(str(error))

    waiting = threading.Thread(target=send)
    waiting.start()
    while not queue._waiting:
        assert waiting.is_alive()
    queue.close()
    waiting.join(5)
    assert errors == ["the connection is closed"]
    assert not queue.drained(time.monotonic())


def test_a_writer_does_not_write_for_others_for_ever(queue, pair, monkeypatch):
    monkeypatch.setattr(sending, "SEND_ROUNDS", 1)
    monkeypatch.setattr(sending, "SEND_BATCH_BYTES", 1)
    queue.send(b"x" * 1_000_000, time.monotonic())
    for number in range(5):
        queue.send(bytes([48 + number]))
    assert take(pair[1], 1_000_005)[-5:] == b"01234"
