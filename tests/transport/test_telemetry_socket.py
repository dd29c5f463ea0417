"""``/otel`` (core.md §1.5): by itself over a socket pair, and as part of an engine."""

import socket
import threading

import pytest

from iii_actors.transport.frames import FrameReader, frame
from iii_actors.transport.telemetry_socket import serve_telemetry
from tests.support.peer import Peer
from tests.support.raw import BINARY, CLOSE, PING, PONG, TEXT, RawClient, client_frame, fragments

TRACES = b'OTLP{"resourceSpans":[]}'
METRICS = b'MTRC{"resourceMetrics":[]}'
LOGS = b'LOGS{"resourceLogs":[]}'


class Served:
    """A telemetry socket on a thread of its own, and its client's end."""

    def __init__(self, first=b""):
        here, self.socket = socket.socketpair()
        self.socket.settimeout(10)
        self.taken = []
        self.thread = threading.Thread(target=self._serve, args=(here, first), daemon=True)
        self.thread.start()

    def _serve(self, here, first):
        with here:
            serve_telemetry(here, FrameReader(2**20, 2**20, first), self.taken.append)

    def say(self, *frames):
        """Send, then ask for an answer: what came before has been looked at."""
        self.socket.sendall(b"".join(frames) + client_frame(PING, b"?"))
        assert self.socket.recv(3) == frame(PONG, b"?")

    def ended(self):
        self.thread.join(10)
        return not self.thread.is_alive()


@pytest.fixture
def served():
    one = Served()
    yield one
    one.socket.close()
    assert one.ended()


def test_every_kind_of_telemetry_reaches_the_sink_whole(served):
    served.say(*(client_frame(BINARY, payload) for payload in (TRACES, METRICS, LOGS)))
    assert served.taken == [TRACES, METRICS, LOGS]


def test_a_large_and_a_fragmented_frame(served):
    large = b"OTLP" + b"x" * 300_000
    served.say(client_frame(BINARY, large), *fragments(BINARY, [TRACES[:3], b"", TRACES[3:]]))
    assert served.taken == [large, TRACES]


def test_text_is_ignored(served):
    served.say(client_frame(TEXT, TRACES), client_frame(TEXT, b'{"type":"ping"}'), client_frame(PONG, b"x"))
    assert served.taken == []


def test_binary_without_a_known_prefix_is_ignored(served):
    served.say(*(client_frame(BINARY, payload) for payload in (b"", b"OTL", b"otlp{}", b'{"type":"ping"}')))
    assert served.taken == []


def test_pings_are_answered_with_their_payload(served):
    served.socket.sendall(client_frame(PING, b"\xff\x00\xfe") + client_frame(PING))
    assert served.socket.recv(5) == frame(PONG, b"\xff\x00\xfe")
    assert served.socket.recv(2) == frame(PONG, b"")


def test_what_came_with_the_handshake_is_served():
    served = Served(client_frame(BINARY, TRACES) + client_frame(PING, b"?"))
    assert served.socket.recv(3) == frame(PONG, b"?")
    assert served.taken == [TRACES]
    served.socket.close()
    assert served.ended()


@pytest.mark.parametrize("body", [b"", b"\x03\xe8bye"])
def test_a_close_is_answered_and_ends_it(served, body):
    served.socket.sendall(client_frame(BINARY, TRACES) + client_frame(CLOSE, body) + client_frame(BINARY, LOGS))
    assert served.socket.recv(100) == frame(CLOSE, body[:2])
    assert served.ended()
    assert served.taken == [TRACES]


def test_a_violation_ends_it_after_what_came_before(served):
    served.socket.sendall(client_frame(BINARY, TRACES) + client_frame(3, b"x") + client_frame(BINARY, LOGS))
    assert served.ended()
    assert served.taken == [TRACES]


def test_it_is_no_worker(engine):
    watcher = Peer(engine.url)
    watcher.register_worker("watcher")
    with RawClient(engine.listeners[0]) as client:
        client.upgrade("/otel?token=x", behind=client_frame(BINARY, TRACES) + client_frame(PING, b"?"))
        assert client.frame() == (PONG, b"?")
        (worker,) = engine._listeners[0].workers()
        assert worker._session.worker_id == watcher.worker_id
        client.send(client_frame(TEXT, b'{"type":"ping"}') + client_frame(PING, b"!"))
        assert client.frame() == (PONG, b"!")
    watcher.close()
