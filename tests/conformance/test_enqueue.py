"""The ``enqueue`` action, as long as the queue itself is somebody else (core.md §7.5)."""

import uuid

import pytest

from tests.support.peer import CallFailed
from tests.support.quiet import unexpected

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PROVIDER = "engine::queue::enqueue"
ENQUEUE = {"type": "enqueue", "queue": "mails"}


def test_without_a_provider(join):
    peer = join()
    call_id = peer.start_call("f", 1, action=ENQUEUE)
    assert peer.expect(type="invocationresult") == {
        "type": "invocationresult", "invocation_id": call_id, "function_id": "f",
        "error": {
            "code": "enqueue_error",
            "message": "No queue provider is installed. `TriggerAction::Enqueue` routes through the "
            "`engine::queue::enqueue` provider, which the standalone queue worker registers. Add it with "
            "`iii worker add queue`. (underlying: Function engine::queue::enqueue not found in namespace default)",
        },
    }  # fmt: skip
    peer.send(type="invokefunction", function_id="f", data=1, action=ENQUEUE)
    assert unexpected(peer) == []


def test_a_worker_may_provide_the_queue(join):
    provider, caller = join(), join()
    provider.register(PROVIDER)
    call_id = caller.start_call(
        "mail.send",
        {"to": "a@b"},
        action=ENQUEUE,
        metadata={"m": 1},
        traceparent=TRACE,
        baggage="a=1",
        namespace="team",
    )
    job = provider.expect(type="invokefunction", function_id=PROVIDER)
    assert "metadata" not in job
    receipt = job["data"].pop("messageReceiptId")
    assert str(uuid.UUID(receipt)) == receipt
    assert job["data"] == {
        "queue": "mails", "function_id": "mail.send", "data": {"to": "a@b"}, "traceparent": TRACE,
        "baggage": "a=1,iii.function.id=mail.send", "namespace": "team",
    }  # fmt: skip
    provider.answer(job, {"anything": 1})
    assert caller.expect(type="invocationresult") == {
        "type": "invocationresult", "invocation_id": call_id, "function_id": "mail.send", "traceparent": TRACE,
        "baggage": "a=1", "result": {"messageReceiptId": receipt},
    }  # fmt: skip


def test_the_plainest_job(join):
    provider, caller = join(), join()
    provider.register(PROVIDER)
    caller.send(type="invokefunction", function_id="f", action=ENQUEUE)
    job = provider.expect(type="invokefunction")
    del job["data"]["messageReceiptId"], job["invocation_id"]
    assert job == {
        "type": "invokefunction", "function_id": PROVIDER,
        "data": {"queue": "mails", "function_id": "f", "data": None, "traceparent": None,
                 "baggage": "iii.function.id=f"},
    }  # fmt: skip


def test_without_an_id_nobody_gets_a_receipt(join):
    provider, caller = join(), join()
    provider.register(PROVIDER, lambda _: None)
    caller.send(type="invokefunction", function_id="f", data=1, action=ENQUEUE)
    assert "messageReceiptId" in caller.call("f", 2, action=ENQUEUE)
    assert unexpected(caller) == []


def test_the_provider_s_own_error(join):
    provider, caller = join(), join()
    provider.register(PROVIDER)
    for error, text in [
        ({"code": "QUEUE_FULL", "message": "no room", "stacktrace": "t"}, "QUEUE_FULL: no room"),
        ({"code": "function_not_found", "message": "gone"}, "function_not_found: gone"),
    ]:
        call_id = caller.start_call("f", 1, action=ENQUEUE)
        provider.answer(provider.expect(type="invokefunction"), error=error)
        failed = caller.expect(type="invocationresult", invocation_id=call_id)
        assert failed["error"] == {"code": "enqueue_error", "message": text}


def test_a_provider_that_vanishes(join):
    provider, caller = join(), join()
    provider.register(PROVIDER)
    call_id = caller.start_call("f", 1, action=ENQUEUE)
    provider.expect(type="invokefunction")
    provider.cut()
    failed = caller.expect(type="invocationresult", invocation_id=call_id)
    assert failed["error"] == {"code": "enqueue_error", "message": "invocation_stopped: Invocation stopped"}


def test_a_caller_that_vanishes_changes_nothing(join):
    provider, caller = join(), join()
    provider.register(PROVIDER)
    caller.start_call("f", 1, action=ENQUEUE)
    job = provider.expect(type="invokefunction")
    caller.cut()
    provider.answer(job, 1)
    assert unexpected(provider) == []


def test_a_blank_namespace_comes_first(join):
    with pytest.raises(CallFailed, match="INVALID_NAMESPACE"):
        join().call("f", 1, action=ENQUEUE, namespace=" ")
