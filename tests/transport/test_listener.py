"""Handshakes over real sockets, connections that never finish one, caps, several listeners, and the end of it all."""

import contextlib
import socket
import threading
import time

import pytest

import iii_actors
from iii_actors import limits
from iii_actors.errors import ListenError
from tests.support.peer import Peer
from tests.support.raw import ACCEPT, CLOSE, RawClient, client_frame, raw_worker, upgrade_request


@pytest.fixture(scope="module")
def engine():
    """One engine for all tests that leave it as it was."""
    with engine_with() as running:
        yield running


def engine_with(**listener):
    return iii_actors.Engine(iii_actors.EngineConfig.listening(port=0, **listener))


def served(engine):
    """A worker comes, is answered, and goes."""
    peer = Peer(engine.url)
    peer.barrier()
    peer.close()


def settled(engine):
    """Wait until every connection has ended and cleaned up."""
    for listener in engine._listeners:
        assert listener.wait_until_empty(10)


def none_left_but(threads):
    """Wait until every other thread has ended; one serves the whole process, and stays."""
    others = [one for one in threading.enumerate() if one not in threads and one.name != "iii-relief"]
    for one in others:
        one.join(5)
    assert [one for one in others if one.is_alive()] == []


# --- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (upgrade_request("/nowhere"), 404),
        (upgrade_request("/", method="POST"), 405),
        (upgrade_request(upgrade=None), 400),
        (upgrade_request("/otel", sec_websocket_version="8"), 400),
        (upgrade_request().replace(b"HTTP/1.1", b"HTTP/1.0"), 426),
        (b"\x16\x03\x01\x00\xa5\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    ],
)
def test_what_is_refused_is_answered_and_closed(engine, request_, status):
    with RawClient(engine.listeners[0]) as client:
        client.send(request_)
        assert client.head().startswith(f"HTTP/1.1 {status} ")
        client.rest()
    settled(engine)


@pytest.mark.parametrize("path", ["/", "/otel"])
def test_nothing_that_was_offered_is_agreed_on(engine, path):
    with RawClient(engine.listeners[0]) as client:
        offer = "sec-websocket-protocol: iii, v2\r\nsec-websocket-extensions: permessage-deflate"
        client.send(upgrade_request(path, offer))
        head = client.head().lower()
        assert f"sec-websocket-accept: {ACCEPT.lower()}" in head
        assert "protocol:" not in head
        assert "extensions:" not in head


def test_a_request_byte_by_byte(engine):
    with RawClient(engine.listeners[0]) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = upgrade_request("/?a=b")
        for at in range(len(request)):
            client.send(request[at : at + 1])
        assert client.head().startswith("HTTP/1.1 101 ")
        assert client.expect(type="workerregistered")


def test_too_many_bytes_of_headers(engine):
    with RawClient(engine.listeners[0]) as client:
        request = upgrade_request("/", "x-long: " + "y" * 100_000)
        with contextlib.suppress(OSError):  # the answer may come before everything is sent
            client.send(request)
        assert client.head().startswith("HTTP/1.1 431 ")
    served(engine)


def test_headers_may_be_long_up_to_the_limit(engine):
    with RawClient(engine.listeners[0]) as client:
        client.send(upgrade_request("/", "x-long: " + "y" * (limits.MAX_HEADER_BYTES - 1000)))
        assert client.head().startswith("HTTP/1.1 101 ")


def test_small_frames_leave_at_once(engine):
    settled(engine)
    with raw_worker(engine.listeners[0]):
        (worker,) = engine._listeners[0].workers()
        assert worker.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


# --- connections that never finish their handshake -------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"", b"GET / HT", upgrade_request()[:-2]], ids=ascii)
def test_an_unfinished_handshake_is_closed_without_an_answer(said):
    with engine_with(handshake_timeout_ms=50) as engine, RawClient(engine.listeners[0]) as client:
        began = time.monotonic()
        client.send(said)
        assert client.rest() == b""
        assert 0.04 < time.monotonic() - began < 5
        settled(engine)


def test_slow_headers_do_not_stretch_the_deadline():
    with engine_with(handshake_timeout_ms=100) as engine, RawClient(engine.listeners[0]) as client:
        began = time.monotonic()
        client.send(b"GET / HTTP/1.1\r\n")
        client.socket.settimeout(0.01)
        while time.monotonic() - began < 5:
            try:
                client.send(b"x: y\r\n")
                if not client.socket.recv(1):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        assert time.monotonic() - began < 2


def test_the_deadline_does_not_concern_those_who_are_through():
    with (
        engine_with(handshake_timeout_ms=50) as engine,
        raw_worker(engine.listeners[0]) as worker,
        RawClient(engine.listeners[0]) as otel,
        RawClient(engine.listeners[0]) as silent,
    ):
        otel.upgrade("/otel")
        assert silent.rest() == b""
        worker.send_message(type="ping")
        assert worker.message() == {"type": "pong"}
        otel.send(client_frame(9, b"there?"))
        assert otel.frame() == (10, b"there?")


def test_200_half_handshakes_hold_nobody_up():
    before = set(threading.enumerate())
    with engine_with(handshake_timeout_ms=300) as engine:
        of_its_own = threading.active_count()
        clients = [RawClient(engine.listeners[0]) for _ in range(200)]
        began = time.monotonic()
        for number, client in enumerate(clients):
            client.send(upgrade_request()[: number % 100])
        assert threading.active_count() <= of_its_own + len(clients)
        served(engine)
        for client in clients:
            assert client.rest() == b""
            client.socket.close()
        assert time.monotonic() - began < 5
        served(engine)
        settled(engine)
    none_left_but(before)


def test_a_client_that_leaves_in_the_middle_of_its_handshake(engine):
    for said in (b"", b"GET /", upgrade_request(), upgrade_request() + client_frame(1, b'{"type":"ping"}')):
        with RawClient(engine.listeners[0]) as client:
            client.send(said)
    settled(engine)
    served(engine)


# --- caps ------------------------------------------------------------------------------------------------------------


def test_one_connection_too_many_is_turned_away_and_the_others_live_on():
    with engine_with(max_connections=2) as engine:
        with raw_worker(engine.listeners[0]) as first, raw_worker(engine.listeners[0]) as second:
            for _ in range(3):
                with RawClient(engine.listeners[0]) as third:
                    assert third.head().startswith("HTTP/1.1 503 ")
                    third.rest()
            for worker in (first, second):
                worker.send_message(type="ping")
                assert worker.message() == {"type": "pong"}
        settled(engine)
        served(engine)


def test_one_too_many_that_speaks_first_is_told_all_the_same():
    with (
        engine_with(max_connections=1) as engine,
        raw_worker(engine.listeners[0]),
        RawClient(engine.listeners[0]) as client,
    ):
        client.send(upgrade_request())
        assert client.head().startswith("HTTP/1.1 503 ")


# --- several listeners -----------------------------------------------------------------------------------------------


def several(*ports):
    workers = [{"name": "iii-worker-manager", "config": {"port": port, "host": "127.0.0.1"}} for port in ports]
    return iii_actors.Engine(iii_actors.EngineConfig(workers=workers))


def test_several_listeners_lead_to_the_same_engine():
    with several(0, 0) as engine:
        first, second = (Peer(f"ws://{host}:{port}") for host, port in engine.listeners)
        first.register_worker("first")
        second.register_worker("second")
        first.register("greet", lambda data: f"hello {data}")
        assert second.call("greet", "you") == "hello you"
        first.close()
        second.close()


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        engine = several(port)
        with pytest.raises(ListenError, match=str(port)):
            engine.start()
        with several(0, port) as running:
            assert len(running.listeners) == 1
            served(running)


def test_after_a_stop_the_port_is_free_again():
    with engine_with() as engine:
        served(engine)
        port = engine.listeners[0][1]
    with pytest.raises(OSError):
        RawClient(("127.0.0.1", port))
    with several(port) as again:
        served(again)


# --- the end ---------------------------------------------------------------------------------------------------------


def test_a_stop_says_1012_to_workers_and_leaves_no_thread(either_engine):
    mine = set(threading.enumerate())
    engine = iii_actors.Engine(either_engine.config)
    with engine:
        workers = [RawClient(engine.listeners[0]) for _ in range(3)]
        for worker in workers:
            worker.upgrade()
            worker.expect(type="workerregistered")
        otel, half = RawClient(engine.listeners[0]), RawClient(engine.listeners[0])
        otel.upgrade("/otel")
        half.send(b"GET /")
        stopping = threading.Thread(target=engine.stop)
        stopping.start()
        for worker in workers:
            opcode, payload = worker.frame()
            assert (opcode, payload[:2]) == (CLOSE, b"\x03\xf4")
            worker.send(client_frame(CLOSE, payload[:2]))
            assert worker.rest() == b""
        stopping.join(10)
        assert half.rest() == b""
        otel_said = otel.rest()
        assert otel_said in (b"", b"\x88\x00")
        for client in (*workers, otel, half):
            client.socket.close()
    none_left_but(mine)


def test_a_worker_that_does_not_answer_the_good_bye_is_cut(either_engine):
    with raw_worker(either_engine.listeners[0]) as client:
        began = time.monotonic()
        either_engine.stop()
        assert time.monotonic() - began < limits.SHUTDOWN_DEADLINE_S
        assert client.rest() == b"\x88\x18\x03\xf4the engine is stopping"
