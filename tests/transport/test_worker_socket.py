"""A worker's socket with either reader: order, sizes, fragments, ends. What messages mean is tested elsewhere."""

import contextlib
import json
import logging
import socket
import struct
import threading

import pytest

import iii_actors
from iii_actors import limits
from iii_actors.clock import ManualClock
from tests.support.peer import Peer, peers
from tests.support.raw import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    RawClient,
    client_frame,
    fragments,
    raw_worker,
)

ID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
PING_MESSAGE = b'{"type":"ping"}'


@pytest.fixture(scope="module", params=["shared", "own"])
def lasting_engine(request):
    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=0, reader=request.param)) as running:
        yield running


@pytest.fixture
def either_engine(lasting_engine):
    """One engine for all tests, empty before each."""
    assert gone(lasting_engine)
    return lasting_engine


@pytest.fixture
def client(either_engine):
    with raw_worker(either_engine.listeners[0]) as one:
        yield one


@pytest.fixture
def make(either_engine):
    with peers(either_engine.url) as maker:
        yield maker


def gone(engine):
    """Wait until every connection has ended and cleaned up."""
    return engine._listeners[0].wait_until_empty(10)


def is_served(client):
    client.send_message(type="ping")
    return client.message() == {"type": "pong"}


# --- frames to messages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_may_be_text_or_binary_whole_or_in_fragments(client, opcode):
    client.send(client_frame(opcode, PING_MESSAGE))
    assert client.message() == {"type": "pong"}
    client.send(b"".join(fragments(opcode, [PING_MESSAGE[:1], b"", PING_MESSAGE[1:7], PING_MESSAGE[7:]])))
    assert client.message() == {"type": "pong"}


def test_pings_are_answered_also_between_fragments(client):
    first, second = fragments(TEXT, [PING_MESSAGE[:5], PING_MESSAGE[5:]])
    client.send(client_frame(PING, b"\xff\xfe\x00") + first + client_frame(PING, b"x" * 125) + second)
    answers = [client.frame() for _ in range(3)]
    assert [answer for answer in answers if answer[0] == PONG] == [(PONG, b"\xff\xfe\x00"), (PONG, b"x" * 125)]
    assert (TEXT, b'{"type":"pong"}') in answers


def test_frames_right_behind_the_handshake(either_engine):
    with RawClient(either_engine.listeners[0]) as client:
        invoke = {"type": "invokefunction", "invocation_id": ID, "function_id": "mine", "data": 1}
        register = {"type": "registerfunction", "id": "mine"}
        frames = [client_frame(TEXT, json.dumps(message).encode()) for message in (register, invoke)]
        client.upgrade(behind=b"".join(frames) + client_frame(TEXT, PING_MESSAGE)[:9])
        client.expect(type="workerregistered")
        client.send(client_frame(TEXT, PING_MESSAGE)[9:])
        assert client.expect(type="pong")


def test_telemetry_is_taken_without_an_answer(client, caplog):
    for prefix in (b"OTLP", b"MTRC", b"LOGS"):
        client.send(client_frame(BINARY, prefix + b"{}"))
    assert is_served(client)
    assert caplog.records == []


@pytest.mark.parametrize("size", [16383, 16384, 32760, 32768, 32769, 65536, 262_144, 262_145, 3_000_000])
def test_payloads_around_the_sizes_of_buffers(make, size):
    caller, callee = make("caller"), make("callee")
    callee.register("echo", lambda data: data["text"])
    text = "x" * size
    assert caller.call("echo", {"text": text}) == text


def test_an_empty_object_may_be_large(make):
    """Written with very much space inside; the caller's id is spliced in as into any object."""
    caller, callee = make("caller"), make("callee")
    callee.register("mine")
    frame = f'{{"type":"invokefunction","invocation_id":"{ID}","function_id":"mine","data":{{{" " * 20_000}}}}}'
    caller.send_raw(frame)
    assert callee.expect(type="invokefunction")["data"] == {"_caller_worker_id": caller.worker_id}


# --- order -----------------------------------------------------------------------------------------------------------


def test_what_may_wait_and_what_may_not_keep_their_order(make):
    """Registrations go to the connection's own thread; everything behind them follows, nothing overtakes."""
    worker = make("worker")
    for number in range(200):
        worker.send(type="registerfunction", id=f"f{number}")
        worker.start_call(f"f{number}", number)
        worker.send(type="unregisterfunction", id=f"f{number}")
        worker.start_call(f"f{number}", -1)
    # Every first call finds its function, every second one comes too late.
    for number in range(200):
        assert worker.expect(type="invokefunction")["data"] == number
        assert worker.expect(type="invocationresult")["error"]["code"] == "function_not_found"
    assert worker.seen == []


def test_one_busy_connection_does_not_hold_up_another(either_engine):
    """The thread of one connection waits for a lock that the test holds; others are served meanwhile."""
    with raw_worker(either_engine.listeners[0]) as stuck:
        (socket_of_stuck,) = either_engine._listeners[0].workers()
        with socket_of_stuck._session._lock:
            stuck.send_message(type="registerfunction", id="waits")
            stuck.send_message(type="ping")
            with raw_worker(either_engine.listeners[0]) as other:
                assert is_served(other)
        assert stuck.message() == {"type": "pong"}


# --- what is no message ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reader", ["shared", "own"])
def test_undecodable_frames_are_logged_so_many_a_second(reader, caplog):
    clock = ManualClock()
    config = iii_actors.EngineConfig.listening(port=0, reader=reader)
    with iii_actors.Engine(config, clock=clock) as engine, raw_worker(engine.listeners[0]) as client:
        for _ in range(2):
            client.send(client_frame(TEXT, b"{nonsense}") * 20 + client_frame(TEXT, b" \r\n\t"))
            assert is_served(client)
        logged = [record for record in caplog.records if "no message of the protocol" in record.getMessage()]
        assert len(logged) == limits.UNDECODABLE_LOG_PER_S
        assert "nonsense" in logged[0].getMessage()
        clock.advance(2)
        client.send(client_frame(TEXT, b"[]"))
        assert is_served(client)
        texts = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert f"{40 - limits.UNDECODABLE_LOG_PER_S} more" in texts[limits.UNDECODABLE_LOG_PER_S]
        assert len(texts) == limits.UNDECODABLE_LOG_PER_S + 2


# --- the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"\x03\xe8", b"\x0f\xa0bye"])
def test_a_close_is_answered_and_cleaned_up(either_engine, client, body):
    client.send(client_frame(TEXT, PING_MESSAGE) + client_frame(CLOSE, body) + client_frame(TEXT, PING_MESSAGE))
    assert client.message() == {"type": "pong"}
    assert client.frame() == (CLOSE, body[:2])
    assert client.rest() == b""
    assert gone(either_engine)


@pytest.mark.parametrize(
    "bad",
    [
        client_frame(TEXT, b"\xff"),
        client_frame(3),
        client_frame(TEXT, b"{}", mask=None),
        bytes([0x82, 0xFF]) + (16 * 2**20 + 1).to_bytes(8, "big"),
    ],
    ids=["utf8", "opcode", "mask", "size"],
)
def test_a_violation_ends_the_connection_without_a_close_after_what_came_before(either_engine, client, bad):
    client.send(client_frame(TEXT, PING_MESSAGE) + bad)
    # The answer to what came before may be lost with the connection, but nothing else is said.
    assert client.rest() in (b"", b'\x81\x0f{"type":"pong"}')
    assert gone(either_engine)


def reset(client):
    """End TCP with a reset."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()


@pytest.mark.parametrize(
    "end",
    [
        lambda client: client.socket.close(),
        lambda client: client.socket.shutdown(socket.SHUT_WR),
        reset,
        lambda client: client.send(client_frame(TEXT, PING_MESSAGE)[:-3]) or client.socket.close(),
        lambda client: client.send(client_frame(BINARY, b"x" * 100_000)[:50_000]) or client.socket.close(),
    ],
    ids=["close", "half close", "reset", "in a frame", "in a large frame"],
)
def test_however_a_worker_leaves_it_is_cleaned_up(either_engine, client, end):
    watcher = Peer(either_engine.url)
    watcher.register_worker("watcher")
    client.send_message(type="registerfunction", id="theirs")
    client.send_message(type="ping")
    client.expect(type="pong")
    end(client)
    while watcher.call("engine::functions::list", {"search": "theirs"})["functions"]:
        assert not watcher.closed.is_set()
    watcher.barrier()
    watcher.close()
    assert gone(either_engine)
    assert either_engine._listeners[0].workers() == []


@pytest.mark.parametrize("reader", ["shared", "own"])
def test_a_failure_in_the_reader_ends_that_connection_alone(reader, monkeypatch, caplog):
    """Not merely left out of the reader: its worker must notice, and come back (design.md §10)."""

    def fail(message):
        raise LookupError("wrong")

    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=0, reader=reader)) as engine:
        with raw_worker(engine.listeners[0]) as client:
            (worker_socket,) = engine._listeners[0].workers()
            monkeypatch.setattr(worker_socket, "_receive", fail)
            monkeypatch.setattr(worker_socket._session, "receive_waiting", fail)
            with raw_worker(engine.listeners[0]) as other:
                client.send_message(type="ping")
                client.socket.settimeout(2)
                assert client.rest() == b""
                assert is_served(other)
        assert gone(engine)
    assert "wrong" in caplog.text


def test_a_worker_that_stops_reading_is_dropped_and_everyone_else_goes_on():
    config = iii_actors.EngineConfig.listening(port=0, outbox_bytes=200_000)
    with iii_actors.Engine(config) as engine, raw_worker(engine.listeners[0], receive=4096) as deaf:
        deaf.send_message(type="registerfunction", id="deaf")
        deaf.send_message(type="invokefunction", function_id="engine::workers::register", data={"name": "deaf"})
        deaf.send_message(type="ping")
        deaf.expect(type="pong")
        with peers(engine.url) as make:
            caller, callee = make("caller"), make("callee")
            callee.register("fine", lambda data: data)
            # Void calls, until the engine has dropped it.
            while len(engine._listeners[0].workers()) > 2:
                for _ in range(20):
                    caller.send(
                        type="invokefunction", function_id="deaf", data={"x": "y" * 50_000}, action={"type": "void"}
                    )
                assert caller.call("fine", 1) == 1
        with contextlib.suppress(ConnectionError):
            while deaf.socket.recv(65536):
                pass


def test_a_slow_worker_that_reads_again_in_time_loses_nothing(either_engine):
    with raw_worker(either_engine.listeners[0], receive=4096) as slow:
        slow.send_message(type="invokefunction", function_id="engine::workers::register", data={"name": "slow"})
        slow.send_message(type="registerfunction", id="slow")
        slow.send_message(type="ping")
        slow.expect(type="pong")
        with peers(either_engine.url) as make:
            caller = make("caller")
            for number in range(300):
                caller.send(
                    type="invokefunction",
                    function_id="slow",
                    data={"number": number, "text": "z" * 20_000},
                    action={"type": "void"},
                )
            caller.barrier()
            calls = [slow.expect(type="invokefunction") for _ in range(300)]
            assert [call["data"]["number"] for call in calls] == list(range(300))
            assert is_served(slow)


def test_many_that_come_and_go_leave_no_more_threads_than_are_kept_spare(either_engine):
    before = set(threading.enumerate())
    for _ in range(30):
        with contextlib.ExitStack() as stack:
            for _ in range(5):
                assert is_served(stack.enter_context(raw_worker(either_engine.listeners[0])))
    assert gone(either_engine)
    mine = [one for one in set(threading.enumerate()) - before if one.name.startswith("iii-connection")]
    assert len(mine) <= limits.SPARE_THREADS + 5
