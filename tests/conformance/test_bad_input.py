"""Bad input and faulty peers: the engine lives on, and everybody else is served meanwhile (core.md §1.3, §1.4, §7.4)."""

import json
import random
import socket
import threading
import uuid
from contextlib import contextmanager, suppress

import pytest

from iii_actors import Engine, EngineConfig
from tests.support.peer import WAIT_S, CallFailed, peers
from tests.support.quiet import settle, unexpected
from tests.support.raw import raw_worker

GONE = {"invocation_stopped", "function_not_found"}


class Bystanders:
    """A caller and a callee that go on while something bad happens; every call must come back right."""

    def __init__(self, join):
        self.callee, self.caller = join(), join()
        self.callee.register("bystander::echo", lambda data: data["n"])
        self._over = threading.Event()
        self.calls = 0
        self.failures = []
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _work(self):
        while not self._over.is_set():
            try:
                assert self.caller.call("bystander::echo", {"n": self.calls}) == self.calls
            except (AssertionError, CallFailed) as error:
                self.failures.append(error)
                return
            self.calls += 1

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        before = self.calls
        assert self.caller.call("bystander::echo", {"n": "still"}) == "still"
        self._over.set()
        self._thread.join(WAIT_S)
        assert self.failures == []
        assert self.calls >= before


# --- messages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_random_bytes_and_broken_messages(join, seed):
    chance = random.Random(seed)
    good = [
        {"type": "invokefunction", "function_id": "x", "invocation_id": str(uuid.UUID(int=7)), "data": {"a": [1, "ü"]}},
        {"type": "registerfunction", "id": "bad::f", "metadata": {"group": "standby"}},
        {"type": "registertrigger", "id": "bad::t", "trigger_type": "hook", "function_id": "f", "config": None},
        {"type": "registertriggertype", "id": "hook", "description": "d", "namespace": "n"},
        {"type": "invocationresult", "invocation_id": str(uuid.UUID(int=8)), "function_id": "x", "error": {"code": "c", "message": "m"}},
        {"type": "triggerregistrationresult", "id": "t", "trigger_type": "x", "function_id": "f"},
        {"type": "reattach", "previous_worker_id": str(uuid.UUID(int=9)), "reattach_token": "t"},
    ]  # fmt: skip
    junk = [None, True, -1, 1.5, "", "x" * 1000, [], {}, [[[]]], {"type": "ping"}]
    with Bystanders(join):
        peer = join()
        for _ in range(300):
            message = json.dumps(chance.choice(good)).encode()
            match chance.randrange(5):
                case 0:
                    message = chance.randbytes(chance.randrange(200))
                case 1:
                    message = message[: chance.randrange(len(message))]
                case 2:
                    at = chance.randrange(len(message))
                    message = message[:at] + chance.randbytes(3) + message[at:]
                case 3:
                    broken = json.loads(message)
                    broken[chance.choice(list(broken))] = chance.choice(junk)
                    message = json.dumps(broken).encode()
                case 4:
                    message += message
            peer.send_raw(message)
        peer.barrier()
        settle(peer)


@pytest.mark.parametrize("depth", [1_000, 100_000, 1_000_000])
@pytest.mark.parametrize("brackets", ["[]", '{"a":}'])
def test_deep_nesting_ends_nothing(join, depth, brackets):
    opening, closing = brackets[:-1], brackets[-1]
    deep = opening * depth + "1" + closing * depth
    with Bystanders(join):
        peer = join()
        for text in (
            f'{{"type":"invokefunction","function_id":"f","data":{deep}}}',
            f'{{"type":"registerfunction","id":"f","metadata":{deep}}}',
            f'{{"type":"ping","ignored":{deep}}}',
            deep,
        ):
            peer.send_raw(text)
        settle(peer)


def test_deep_nesting_in_what_the_engine_reads(lasting_engine, join):
    """The key of a group, up to the depth that cannot be decoded: whatever is forwarded before that is whole."""
    caller, sent = join(), []
    with raw_worker(lasting_engine.listeners[0]) as callee:
        register = {"type": "invokefunction", "function_id": "engine::workers::register", "data": {}}
        callee.send_message(**register, invocation_id=str(uuid.uuid4()))
        metadata = {"group": "sticky", "group_key": "k"}
        callee.send_message(type="registerfunction", id="deep", metadata=metadata)
        callee.send_message(type="ping")
        callee.expect(type="pong")
        for depth in (1, 100, *range(900, 1000)):
            deep = "[" * depth + "]" * depth
            sent.append(str(uuid.uuid4()))
            call = f'"type":"invokefunction","function_id":"deep","invocation_id":"{sent[-1]}"'
            caller.send_raw(f'{{{call},"data":{{"k":{deep}}}}}')
        sent.append(caller.start_call("deep"))
        received = [callee.frame()[1].decode()]
        while sent[-1] not in received[-1]:
            received.append(callee.frame()[1].decode())
        arrived = [call_id for call_id in sent if any(call_id in text for text in received)]
        assert arrived == [*sent[: len(received) - 1], sent[-1]]
        assert len(received) > 2
        for call_id in arrived:
            callee.send_message(type="invocationresult", invocation_id=call_id, function_id="deep", result="fine")
        for call_id in arrived:
            assert caller.expect(type="invocationresult", invocation_id=call_id)["result"] == "fine"
        assert unexpected(caller) == []


def test_deep_nesting_in_the_register_call(join):
    """Answered or dropped as undecodable, and the worker can still register."""
    peer = join(announce=False)
    for depth in (100, 500, *range(950, 1000)):
        deep = "[" * depth + "]" * depth
        call = f'"type":"invokefunction","function_id":"engine::workers::register","invocation_id":"{uuid.uuid4()}"'
        peer.send_raw(f'{{{call},"data":{{"ignored":{deep}}}}}')
    settle(peer)
    codes = {frame.get("error", {}).get("code") for frame in peer.seen}
    assert codes <= {None, "deserialization_error"}
    assert peer.register_worker() == {"success": True}


# What a payload holds is not looked into, only that it is well-formed (docs/protocol.rst; core.md §1.3-7 is a [should]):
# strictness there would cost a parse of every payload, twice a call.


@pytest.mark.parametrize("payload", ["[" * 500 + "]" * 500, "1e400", "-1e999", "[1e309]"])
def test_a_payload_is_forwarded_as_it_is_written(join, payload):
    peer = join()
    peer.register("f")
    peer.keep_text = True
    peer.send_raw(f'{{"type":"invokefunction","function_id":"f","data":{payload}}}')
    peer.expect(type="invokefunction", function_id="f")
    assert f'"data":{payload}' in peer.texts[-1]


def test_of_a_member_given_twice_the_last_counts(join):
    peer = join()
    peer.register("f")
    peer.send_raw('{"type":"invokefunction","function_id":"f","data":1,"data":2}')
    assert peer.expect(type="invokefunction", function_id="f")["data"] == 2


@pytest.mark.parametrize("where", ["data", "metadata"])
def test_a_payload_that_is_not_utf_8_reaches_nobody(join, where):
    """In a binary frame nobody has checked it yet; forwarded as text it would cost the callee its connection."""
    callee, bad = join(), join()
    callee.register("f")
    bad.send_raw(b'{"type":"invokefunction","function_id":"f","%s":"\xff\xfe"}' % where.encode())
    settle(bad)
    assert unexpected(callee) == []
    assert not callee.closed.is_set()


def test_ids_of_every_kind(join):
    peer = join()
    ids = ["", " ", "::", "a::b", "x" * 10_000, 'ü\u0000\n"\\', "\U0001f600", "__proto__", "null"]  # fmt: skip
    for function_id in ids:
        peer.register(function_id, lambda _, answer=function_id: answer)
    for function_id in ids:
        assert peer.call(function_id) == function_id


@pytest.mark.parametrize("size", [100, 20_000, 1_000_000, 12_000_000])
def test_large_payloads_arrive_whole(join, size):
    callee, caller = join(), join()
    callee.register("length", lambda data: {"n": len(data["text"]), "text": data["text"]})
    text = "ab" * (size // 2)
    assert caller.call("length", {"text": text}) == {"n": size, "text": text}


def test_a_large_error_and_a_large_result_at_once(join):
    callee, caller = join(), join()
    callee.register("f")
    call_id = caller.start_call("f")
    callee.answer(
        callee.expect(type="invokefunction"), "x" * 100_000, error={"code": "c", "message": "m" * 100_000, "more": 1}
    )
    assert caller.expect(type="invocationresult") == {
        "type": "invocationresult", "invocation_id": call_id, "function_id": "f",
        "error": {"code": "c", "message": "m" * 100_000},
    }  # fmt: skip


# --- calls and answers that do not fit together ------------------------------------------------------------------------


def test_doubled_late_and_unknown_results(join):
    callee, caller = join(), join()
    callee.register("f")
    call_id = caller.start_call("f")
    call = callee.expect(type="invokefunction")
    for result in (1, 2, 3):
        callee.answer(call, result)
    callee.send(type="invocationresult", invocation_id=str(uuid.uuid4()), function_id="f", result=4)
    settle(callee)
    assert caller.expect(type="invocationresult", invocation_id=call_id)["result"] == 1
    assert unexpected(caller) == []


def test_a_result_for_another_s_call_completes_it(join):
    """The deployed engine does not look at the sender; neither may anybody rely on it (core.md §7.4)."""
    callee, caller, third = join(), join(), join()
    callee.register("f")
    call_id = caller.start_call("f")
    call = callee.expect(type="invokefunction")
    third.send(type="invocationresult", invocation_id=call["invocation_id"], function_id="other", result="theirs")
    assert caller.expect(type="invocationresult") == {
        "type": "invocationresult", "invocation_id": call_id, "function_id": "f", "result": "theirs",
    }  # fmt: skip
    callee.answer(call, "late")
    settle(callee)
    assert unexpected(caller) == []


def test_a_call_s_id_used_again_while_it_is_pending(join):
    callee, one, two = join(), join(), join()
    callee.register("f")
    call_id = one.start_call("f", 1)
    callee.expect(type="invokefunction", data=1)
    two.send(type="invokefunction", function_id="f", invocation_id=call_id, data=2)
    assert one.expect(type="invocationresult") == {
        "type": "invocationresult", "invocation_id": call_id, "function_id": "f",
        "error": {"code": "invocation_error", "message": "channel closed"},
    }  # fmt: skip
    second = callee.expect(type="invokefunction", data=2)
    callee.answer(second, "for two")
    callee.answer(second, "again")
    assert two.expect(type="invocationresult")["result"] == "for two"
    settle(callee)
    assert unexpected(one) == unexpected(two) == []


def test_an_id_may_be_used_again_when_its_call_is_over(join):
    peer = join()
    peer.register("f")
    for n in range(3):
        peer.send(type="invokefunction", function_id="f", invocation_id=str(uuid.UUID(int=5)), data=n)
        peer.answer(peer.expect(type="invokefunction", data=n), n)
        assert peer.expect(type="invocationresult")["result"] == n


# --- peers that vanish -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "cut"])
def test_a_callee_that_vanishes(join, how):
    with Bystanders(join):
        callee, caller = join(), join()
        callee.register("f")
        ids = {caller.start_call("f", n) for n in range(50)}
        for n in range(50):
            callee.expect(type="invokefunction", data=n)
        getattr(callee, how)()
        ended = [caller.expect(type="invocationresult") for _ in ids]
        assert {frame["invocation_id"] for frame in ended} == ids
        assert all(frame["error"] == {"code": "invocation_stopped", "message": "Invocation stopped"} for frame in ended)
        with pytest.raises(CallFailed, match="function_not_found"):
            caller.call("f")


@pytest.mark.parametrize("how", ["close", "cut"])
def test_a_caller_that_vanishes(join, how):
    with Bystanders(join):
        callee, caller = join(), join()
        callee.register("f")
        caller.start_call("f", 1)
        call = callee.expect(type="invokefunction")
        getattr(caller, how)()
        assert caller.closed.wait(WAIT_S)
        assert unexpected(callee) == []
        callee.answer(call, "late")
        assert unexpected(callee) == []


@pytest.mark.parametrize("partial", [b"\x81", b"\x81\xfe\xff", b"\x81\x85\0\0\0\0hel", b"\x01\x81\0\0\0\0x"])
def test_a_worker_that_ends_in_the_middle_of_a_frame(join, partial):
    with Bystanders(join):
        peer, caller = join(), join()
        peer.register("half::f")
        call_id = caller.start_call("half::f")
        peer.expect(type="invokefunction")
        peer.socket.socket.sendall(partial)
        peer.socket.socket.shutdown(socket.SHUT_WR)
        assert caller.expect(type="invocationresult", invocation_id=call_id)["error"]["code"] == "invocation_stopped"


# --- a worker that stops reading ---------------------------------------------------------------------------------------


@pytest.fixture(params=["shared", "own"])
def tight(request):
    """An engine whose workers may leave 256 KiB unread."""
    config = EngineConfig.listening(reader=request.param, outbox_bytes=256 * 1024)
    with Engine(config) as engine, peers(engine.url) as make:
        yield engine, make


@contextmanager
def deaf_worker(engine):
    """A worker with the function ``deaf`` that never reads again; the system's own buffers are kept small."""
    with raw_worker(engine.listeners[0], receive=4096) as deaf:
        deaf.send_message(type="registerfunction", id="deaf")
        register = {"type": "invokefunction", "function_id": "engine::workers::register", "data": {}}
        deaf.send_message(**register, invocation_id=str(uuid.uuid4()))
        deaf.expect(type="invocationresult")
        yield deaf


def test_a_worker_that_stops_reading_is_dropped(tight, caplog):
    engine, join = tight
    with deaf_worker(engine), Bystanders(join):
        caller = join()
        payload, calls = "x" * 100_000, []
        while not any(frame.get("error") for frame in caller.seen):
            calls.append(caller.start_call("deaf", payload))
            settle(caller)
            assert len(calls) < 1000
        ended = [caller.expect(type="invocationresult", invocation_id=call_id) for call_id in calls]
        assert {frame["error"]["code"] for frame in ended} <= GONE
        assert ended[0]["error"]["code"] == "invocation_stopped"
        with pytest.raises(CallFailed, match="function_not_found"):
            caller.call("deaf")
        assert unexpected(caller) == []
    assert "reads too slowly" in caplog.text


def test_a_caller_that_stops_reading_is_dropped_too(tight, caplog):
    engine, join = tight
    callee = join()
    callee.register("big", lambda _: "x" * 100_000)
    with deaf_worker(engine) as deaf, Bystanders(join):
        asking = join()
        with suppress(OSError):
            for _ in range(200):
                deaf.send_message(type="invokefunction", function_id="big", invocation_id=str(uuid.uuid4()))
        # It is gone when its function is: until then calls of it just wait.
        last = asking.start_call("deaf")
        assert asking.expect(type="invocationresult", invocation_id=last)["error"]["code"] in GONE
    assert "reads too slowly" in caplog.text
