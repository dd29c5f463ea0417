import socket
import threading

import pytest

from iii_actors.builtin.http_functions.line import Line, current


@pytest.fixture
def pair():
    one, other = socket.socketpair()
    with one, other:
        one.settimeout(10)
        yield one, other


def test_cutting_wakes_who_is_waiting(pair):
    one, _ = pair
    line, heard = Line(), []
    line.hold(one)
    waiting = threading.Thread(target=lambda: heard.append(one.recv(1)))
    waiting.start()
    line.cut()
    waiting.join(10)
    assert heard == [b""]


def test_what_comes_after_the_cut_is_cut(pair):
    one, other = pair
    line = Line()
    line.cut()
    with pytest.raises(TimeoutError):
        line.hold(one)
    assert other.recv(1) == b""


def test_what_was_let_go_is_left_alone(pair):
    one, other = pair
    line = Line()
    line.hold(one)
    line.let_go()
    line.cut()
    other.sendall(b"x")
    assert one.recv(1) == b"x"


def test_a_closed_socket_is_no_trouble(pair):
    one, _ = pair
    line = Line()
    line.hold(one)
    one.close()
    line.cut()


def test_a_thread_s_line_is_its_own(pair):
    one, other = pair
    line, seen = Line(), []
    with line.in_use():
        assert current() is line
        line.hold(one)
        thread = threading.Thread(target=lambda: seen.append(current()))
        thread.start()
        thread.join(10)
    assert seen == [None]
    assert current() is None
    line.cut()
    other.sendall(b"x")
    assert one.recv(1) == b"x"
