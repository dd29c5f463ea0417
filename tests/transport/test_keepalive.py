"""Engine pings: only where configured, and then silent peers are found (design.md §6)."""

import socket

import pytest

import iii_actors
from iii_actors.clock import ManualClock
from tests.support.peer import Peer


@pytest.fixture(params=["shared", "own"])
def clock_and_engine(request):
    clock = ManualClock()
    config = iii_actors.EngineConfig.listening(port=0, reader=request.param, ping_interval_s=20.0, ping_timeout_s=15.0)
    with iii_actors.Engine(config, clock=clock) as engine:
        yield clock, engine


def upgraded(engine) -> socket.socket:
    """A socket that has shaken hands and will never answer a ping."""
    sock = socket.create_connection(engine.listeners[0], timeout=10)
    sock.sendall(
        b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    received = b""
    while b"workerregistered" not in received or not received.endswith(b"}"):
        received += sock.recv(4096)
    return sock


def test_a_silent_peer_is_cut_and_cleaned_up_and_an_answering_one_stays(clock_and_engine):
    clock, engine = clock_and_engine
    watcher = Peer(engine.url)
    watcher.register_worker("watcher")
    silent = upgraded(engine)
    clock.advance(20)
    assert silent.recv(2) == bytes((0x80 | 9, 0))
    # The watcher's library has answered its ping before it answers this.
    watcher.barrier()
    clock.advance(15)
    assert silent.recv(1) == b""
    silent.close()
    watcher.barrier()
    assert not watcher.closed.is_set()
    watcher.close()


def test_without_the_setting_nobody_is_pinged():
    clock = ManualClock()
    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=0), clock=clock) as engine:
        silent = upgraded(engine)
        clock.advance(100_000)
        silent.settimeout(0)
        with pytest.raises(BlockingIOError):
            silent.recv(1)
        silent.close()
