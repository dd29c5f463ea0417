"""Frames and messages as they stand on the wire: core.md §1.2-§1.4, §2, §14."""

import contextlib
import json
import socket
import struct
import uuid

import pytest
from websockets.exceptions import ConnectionClosed

from iii_actors import Engine, EngineConfig
from iii_actors.clock import ManualClock
from tests.support.peer import Peer, peers
from tests.support.quiet import settle, unexpected

SPELLINGS = [
    "{id}", "{ID}", "{hex}", "{HEX}", "{{{id}}}", "urn:uuid:{id}", "URN:UUID:{ID}",
]  # fmt: skip


def spelled(spelling, identifier):
    return spelling.format(
        id=identifier, ID=str(identifier).upper(), hex=identifier.hex, HEX=identifier.hex.upper()
    )  # fmt: skip


# --- §1.2 frames -------------------------------------------------------------------------------------------------------


def test_a_json_message_may_be_text_binary_or_in_fragments(join):
    peer = join(announce=False)
    ping = json.dumps({"type": "ping", "filler": "ü" * 50})
    peer.send_raw(ping)
    peer.send_raw(ping.encode())
    peer.send_raw([ping[:1], ping[1:30], "", ping[30:]])
    peer.send_raw(iter([ping.encode()[:40], ping.encode()[40:]]))
    for _ in range(4):
        assert peer.expect(type="pong") == {"type": "pong"}
    assert unexpected(peer) == []


@pytest.mark.parametrize("blank", ["", " ", "\r\n\t "])
def test_blank_text_is_skipped(join, blank, caplog):
    peer = join(announce=False)
    peer.send_raw(blank)
    assert unexpected(peer) == []
    assert "no message of the protocol" not in caplog.text


@pytest.mark.parametrize("prefix", [b"OTLP", b"MTRC", b"LOGS"])
@pytest.mark.parametrize("body", [b'{"resourceSpans":[]}', b"\xff\xfe", b"", b"{" * 1000])
def test_telemetry_is_taken_and_never_answered(join, prefix, body):
    peer = join(announce=False)
    peer.send_raw(prefix + body)
    assert unexpected(peer) == []


# --- §1.3 decoding -----------------------------------------------------------------------------------------------------

DROPPED = {
    "no JSON": "hello",
    "half a message": '{"type":"ping"',
    "two messages": '{"type":"ping"}{"type":"ping"}',
    "an array": '[{"type":"ping"}]',
    "a string": '"ping"',
    "null": "null",
    "no type": '{"id":"f"}',
    "type in capitals": '{"type":"Ping"}',
    "an unknown type": '{"type":"pang"}',
    "a type that is no text": '{"type":1}',
    "unregistertriggertype": '{"type":"unregistertriggertype","id":"hook"}',
    "a required field missing": '{"type":"registerfunction"}',
    "a required field null": '{"type":"registerfunction","id":null}',
    "a wrong type": '{"type":"registerfunction","id":7}',
    "a wrong optional type": '{"type":"registerfunction","id":"f","description":7}',
    "a type's description missing": '{"type":"registertriggertype","id":"hook"}',
    "a defaulted field null": '{"type":"registerservice","id":"s","name":null}',
    "an unknown action": '{"type":"invokefunction","function_id":"f","data":1,"action":{"type":"later"}}',
    "an action without queue": '{"type":"invokefunction","function_id":"f","data":1,"action":{"type":"enqueue"}}',
    "an action that is text": '{"type":"invokefunction","function_id":"f","data":1,"action":"void"}',
    "an id that is no UUID": '{"type":"invokefunction","function_id":"f","data":1,"invocation_id":"7"}',
    "a result without an id": '{"type":"invocationresult","function_id":"f","result":1}',
    "NaN": '{"type":"invokefunction","function_id":"f","data":NaN}',
    "Infinity": '{"type":"invokefunction","function_id":"f","data":-Infinity}',
    "a lone surrogate": '{"type":"registerfunction","id":"\\ud800"}',
    "a lone surrogate in a payload": '{"type":"invokefunction","function_id":"f","data":"\\ud800"}',
    "a control character": '{"type":"registerfunction","id":"a\nb"}',
    "a byte order mark": '\ufeff{"type":"ping"}',
}


@pytest.mark.parametrize("frame", DROPPED.values(), ids=DROPPED.keys())
def test_what_is_no_message_is_dropped_and_the_socket_stays(join, frame, caplog):
    peer = join()
    peer.send_raw(frame)
    assert unexpected(peer) == []
    assert "no message of the protocol; dropped" in caplog.text


@pytest.mark.parametrize(
    "frame",
    [
        '{"type":"ping","x":1,"message_type":"ping","y":{"type":"pong"}}',
        '{"x":[1,2],"type":"ping"}',
        ' \n{ "type" : "ping" }\t ',
        '{"\\u0074ype":"ping"}',
    ],
)
def test_unknown_members_and_their_order_do_not_matter(join, frame):
    peer = join(announce=False)
    peer.send_raw(frame)
    peer.expect(type="pong")


def test_absent_and_null_are_the_same(join):
    peer = join()
    peer.send(
        type="registerfunction", id="f", description=None, request_format=None, response_format=None, metadata=None,
        invocation=None,
    )  # fmt: skip
    call_id = peer.start_call("f", 1, traceparent=None, baggage=None, action=None, metadata=None, namespace=None)
    assert peer.expect(type="invokefunction") == {
        "type": "invokefunction", "invocation_id": call_id, "function_id": "f", "data": 1,
    }  # fmt: skip


def test_absent_data_and_config_are_read_as_null(join):
    peer = join()
    peer.register("f")
    peer.send(type="invokefunction", function_id="f")
    assert peer.expect(type="invokefunction")["data"] is None
    peer.send(type="registertriggertype", id="hook", description="")
    peer.send(type="registertrigger", id="t", trigger_type="hook", function_id="f")
    assert peer.expect(type="registertrigger") == {
        "type": "registertrigger", "id": "t", "trigger_type": "hook", "function_id": "f", "config": None,
    }  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_uuids_come_back_in_canonical_form(join, spelling):
    peer = join()
    peer.register("f")
    identifier = uuid.uuid4()
    peer.send(type="invokefunction", function_id="f", data=1, invocation_id=spelled(spelling, identifier))
    call = peer.expect(type="invokefunction")
    assert call["invocation_id"] == str(identifier)
    peer.send(type="invocationresult", invocation_id=spelled(spelling, identifier), function_id="f", result=2)
    assert peer.expect(type="invocationresult", result=2)["invocation_id"] == str(identifier)


@pytest.mark.parametrize("text", ["", "{{}}", "{{{hex}", "{id}}}", "{id} ", "urn:{id}", "{{urn:uuid:{id}}}", "{id}0"])
def test_no_other_spelling_is_an_id(join, text):
    peer = join()
    peer.send(type="invokefunction", function_id="f", data=1, invocation_id=spelled(text, uuid.uuid4()))
    assert unexpected(peer) == []


@pytest.mark.parametrize(
    "text",
    [
        "1.0",
        "1",
        "-0.0",
        "12345678901234567890123",
        "1e300",
        '"\\u00e4\\n"',
        '{"b":1,"a":{"b":[]},"":null}',
        "[[], {}]",
    ],
)
def test_payloads_pass_through_unchanged(join, text):
    peer = join()
    peer.register("f")
    peer.send_raw(f'{{"type":"invokefunction","function_id":"f","data":[{text}]}}')
    call = peer.expect(type="invokefunction")
    assert repr(call["data"]) == repr([json.loads(text)])


def test_in_payloads_the_last_of_a_repeated_key_counts(join):
    peer = join()
    peer.register("f")
    peer.send_raw('{"type":"invokefunction","function_id":"f","data":{"a":1,"_caller_worker_id":"x","a":2}}')
    assert peer.expect(type="invokefunction")["data"] == {"a": 2, "_caller_worker_id": peer.worker_id}


# --- §1.4 limits, liveness, close --------------------------------------------------------------------------------------


def masked_header(length, opcode=0x1, final=True):
    return bytes(((0x80 if final else 0) | opcode, 0x80 | 127)) + struct.pack("!Q", length) + b"\0\0\0\0"


def assert_cut_off(peer: Peer):
    """TCP is dropped, and no Close frame came before."""
    assert peer.closed.wait(10)
    assert peer.close_code == 1006


@pytest.mark.parametrize("length", [16 * 1024 * 1024 + 1, 1 << 40])
def test_a_frame_over_16_mib_ends_the_connection(join, length):
    peer, other = join(), join()
    peer.socket.socket.sendall(masked_header(length))
    assert_cut_off(peer)
    other.barrier()


@pytest.fixture(params=["shared", "own"])
def narrow(request):
    """An engine that takes frames of 1,000 and messages of 3,000 bytes."""
    config = EngineConfig.listening(reader=request.param, max_frame_bytes=1000, max_message_bytes=3000)
    with Engine(config) as engine, peers(engine.url) as make:
        yield make


def padded(size):
    ping = '{"type":"ping","f":""}'
    return ping[:-2] + "x" * (size - len(ping)) + '"}'


def test_the_largest_frame_and_message_still_pass(narrow):
    peer = narrow()
    peer.send_raw(padded(1000))
    peer.expect(type="pong")
    text = padded(2900)
    peer.send_raw([text[:1000], text[1000:2000], text[2000:]])
    peer.expect(type="pong")


@pytest.mark.parametrize("sizes", [[1001], [900, 900, 900, 900], [500, 1001]])
def test_larger_ones_end_the_connection(narrow, sizes):
    peer, other = narrow(), narrow()
    text, parts = padded(sum(sizes)), []
    for size in sizes:
        parts.append(text[:size])
        text = text[size:]
    with contextlib.suppress(ConnectionClosed):  # before the last part is on its way, as may be
        peer.send_raw(parts if len(parts) > 1 else parts[0])
    assert_cut_off(peer)
    other.barrier()


@pytest.mark.parametrize(
    "frame",
    [b'\x81\x0f{"type":"ping"}', b"\x81\x82\0\0\0\0\xff\xfe", b"\xc1\x80\0\0\0\0", b"\x83\x80\0\0\0\0", b"\x80\x80\0\0\0\0",
     b"\x89\xfe\x00\x7e\0\0\0\0"],
    ids=["unmasked", "not UTF-8", "reserved bit", "unknown opcode", "continuation of nothing", "long ping"],
)  # fmt: skip
def test_violations_of_the_protocol_end_the_connection(join, frame):
    peer, other = join(), join()
    peer.socket.socket.sendall(frame)
    assert_cut_off(peer)
    other.barrier()


@pytest.mark.parametrize("payload", [b"", b"abc", bytes(range(125)), b"\xff\xfe"])
def test_websocket_pings_are_answered_with_their_payload(join, payload):
    peer = join(announce=False)
    assert peer.socket.ping(payload).wait(10)


def test_json_pings_are_answered_and_pongs_ignored(join):
    peer = join(announce=False)
    peer.send(type="pong")
    peer.send(type="ping")
    assert peer.expect(type="pong") == {"type": "pong"}
    assert unexpected(peer) == []


def test_an_idle_worker_is_never_disconnected():
    clock = ManualClock()
    with Engine(EngineConfig.listening(), clock=clock) as engine, peers(engine.url) as make:
        peer = make()
        clock.advance(7 * 24 * 3600.0)
        assert unexpected(peer) == []


def test_a_close_is_answered(join):
    peer = join()
    peer.socket.close(1000, "bye")
    assert peer.closed.wait(10)
    assert peer.close_code == 1000


@pytest.mark.parametrize("reader", ["shared", "own"])
def test_at_shutdown_workers_are_not_sent_away_for_good(reader):
    engine = Engine(EngineConfig.listening(reader=reader)).start()
    peer = Peer(engine.url)
    engine.stop()
    assert peer.closed.wait(10)
    assert peer.close_code == 1012


def test_frames_leave_in_the_order_in_which_they_were_queued(join):
    peer, caller = join(), join()
    peer.register("f")
    for n in range(2000):
        caller.send(type="invokefunction", function_id="f", data=n)
    received = [peer.expect(type="invokefunction")["data"] for n in range(2000)]
    assert received == sorted(received)


# --- §2.2 the greeting, and what is ignored ----------------------------------------------------------------------------


def test_the_greeting_is_the_first_frame_and_has_two_members(either_engine):
    peer = Peer(either_engine.url)
    other = Peer(either_engine.url)
    ids = [peer.worker_id, peer.reattach_token, other.worker_id, other.reattach_token]
    assert [str(uuid.UUID(text)) for text in ids] == ids
    assert {uuid.UUID(text).version for text in ids} == {4}
    assert len(set(ids)) == 4
    assert peer.seen == []
    peer.close()
    other.close()


def test_what_only_the_engine_says_is_ignored(join):
    peer = join()
    peer.send(type="workerregistered", worker_id="a", reattach_token="b")
    peer.send(type="registrationrejected", code="c", namespace="n", owner_worker_id="o", function_id="f")
    peer.send(type="registrationrejected", code="c", namespace="n", owner_worker_id="o", worker_name="f")
    assert unexpected(peer) == []


def test_frames_that_come_with_the_handshake_are_read(either_engine):
    """Officials send before they have read ``workerregistered``; a kernel may even join it to the request."""
    host, port = either_engine.listeners[0]
    body = b'{"type":"ping"}'
    request = (
        f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()
    with socket.create_connection((host, port), 10) as sock:
        sock.sendall(request + bytes((0x81, 0x80 | len(body), 0, 0, 0, 0)) + body)
        received = b""
        while b'{"type":"pong"}' not in received:
            chunk = sock.recv(4096)
            assert chunk
            received += chunk
    assert received.index(b"workerregistered") < received.index(b'"pong"')


# --- §14 worked frames -------------------------------------------------------------------------------------------------


def test_the_worked_call(join):
    worker, caller = join(announce=False), join(announce=False)
    worker.send(
        type="invokefunction", function_id="engine::workers::register",
        data={"runtime": "python", "version": "0.23.0", "name": "users", "os": "Linux 6.1", "pid": 4711,
              "isolation": None, "namespace": None,
              "telemetry": {"language": "en", "project_name": "p", "framework": "iii-py"}},
        action={"type": "void"},
    )  # fmt: skip
    worker.register("users.create")
    call_id = caller.start_call("users.create", {"email": "a@b"}, namespace="default")
    call = worker.expect(type="invokefunction")
    assert call == {
        "type": "invokefunction", "invocation_id": call_id, "function_id": "users.create",
        "data": {"email": "a@b", "_caller_worker_id": caller.worker_id},
    }  # fmt: skip
    assert list(call["data"])[-1] == "_caller_worker_id"
    worker.answer(call, {"userId": "1"})
    assert caller.expect(type="invocationresult") == {
        "type": "invocationresult", "invocation_id": call_id, "function_id": "users.create", "result": {"userId": "1"},
    }  # fmt: skip
    call_id = caller.start_call("users.create", {})
    worker.expect(type="invokefunction")
    worker.cut()
    assert caller.expect(type="invocationresult") == {
        "type": "invocationresult", "invocation_id": call_id, "function_id": "users.create",
        "error": {"code": "invocation_stopped", "message": "Invocation stopped"},
    }  # fmt: skip


def test_the_worked_trigger(join):
    worker, provider = join(), join()
    trigger = {
        "type": "registertrigger", "id": "t1", "trigger_type": "webhook", "function_id": "users.create",
        "config": {"p": "/u"}, "metadata": {"o": "t"},
    }  # fmt: skip
    worker.send(**trigger)
    assert unexpected(worker) == []
    provider.send(type="registertriggertype", id="webhook", description="d")
    assert provider.expect(type="registertrigger") == trigger
    settle(worker)
    assert worker.seen == []
