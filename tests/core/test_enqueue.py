"""iii_actors.core.enqueue: the ``enqueue`` action (core.md §7.5)."""

import uuid

import msgspec
import pytest

from iii_actors.core.enqueue import PROVIDER, EnqueueDesk
from iii_actors.core.messages import Completed, Enqueue, Invoke
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw

ID = "00000000-0000-4000-8000-000000000001"
NO_PROVIDER = (
    "No queue provider is installed. `TriggerAction::Enqueue` routes through the `engine::queue::enqueue` provider, "
    "which the standalone queue worker registers. Add it with `iii worker add queue`. "
    "(underlying: Function engine::queue::enqueue not found in namespace default)"
)


@pytest.fixture
def functions(probe):
    return probe()


@pytest.fixture
def desk(start, functions):
    return start(EnqueueDesk(functions.actor_ref))


@pytest.fixture
def caller(probe):
    return probe()


MAILS = wire.Enqueue("mails")


def enqueue(desk, caller, namespace="default", action=MAILS, **members):
    call = wire.InvokeFunction("mail.send", ID, data=raw({"a": 1}), metadata=raw({"m": 1}), **members)
    desk.tell(Enqueue(Invoke(call, namespace, ID, caller.actor_ref, None), action))


def handed_over(functions):
    [invoke] = functions.take()
    return invoke


def test_the_provider_gets_the_job(desk, functions, caller):
    enqueue(desk, caller)
    invoke = handed_over(functions)
    assert (invoke.namespace, invoke.caller, invoke.internal) == ("default", None, True)
    assert invoke.call.function_id == PROVIDER
    assert invoke.call.metadata is wire.ABSENT
    job = msgspec.json.decode(invoke.call.data)
    receipt = job.pop("messageReceiptId")
    assert str(uuid.UUID(receipt)) == receipt
    assert job == {
        "queue": "mails",
        "function_id": "mail.send",
        "data": {"a": 1},
        "traceparent": None,
        "baggage": "iii.function.id=mail.send",
    }


def test_the_target_s_namespace_and_trace_travel_with_it(desk, functions, caller):
    enqueue(desk, caller, "team", traceparent="t", baggage="a=1")
    job = msgspec.json.decode(handed_over(functions).call.data)
    assert (job["namespace"], job["traceparent"], job["baggage"]) == ("team", "t", "a=1,iii.function.id=mail.send")


def test_what_else_is_said_of_a_job_is_passed_on_as_it_is(desk, functions, caller):
    said = {"delay_ms": 5, "run_at": "x", "idempotency_key": None, "max_retries": 1.5, "priority": [], "group": "g"}
    action = msgspec.json.decode(msgspec.json.encode({"type": "enqueue", "queue": "q", **said}), type=wire.Enqueue)
    enqueue(desk, caller, action=action)
    job = msgspec.json.decode(handed_over(functions).call.data)
    assert {key: job[key] for key in said} == said


@pytest.mark.parametrize(
    ("result", "receipt"),
    [
        (raw({"messageReceiptId": "earlier", "duplicate": True}), "earlier"),
        (raw({"messageReceiptId": 5}), None),
        (raw("text"), None),
        (wire.ABSENT, None),
    ],
)
def test_a_job_with_a_key_may_have_a_receipt_already(desk, functions, caller, result, receipt):
    enqueue(desk, caller, action=wire.Enqueue("mails", idempotency_key=raw("k")))
    invoke = handed_over(functions)
    desk.tell(Completed(invoke, result))
    [completed] = caller.take()
    own = msgspec.json.decode(invoke.call.data)["messageReceiptId"]
    assert msgspec.json.decode(completed.result) == {"messageReceiptId": receipt or own}


@pytest.mark.parametrize("result", [wire.ABSENT, wire.NULL, raw({"any": "thing"}), raw({"messageReceiptId": "theirs"})])
def test_whatever_the_provider_returns_is_a_receipt(desk, functions, caller, result):
    enqueue(desk, caller)
    invoke = handed_over(functions)
    desk.tell(Completed(invoke, result))
    [completed] = caller.take()
    receipt = msgspec.json.decode(invoke.call.data)["messageReceiptId"]
    assert msgspec.json.decode(completed.result) == {"messageReceiptId": receipt}
    assert completed.error is None
    assert completed.invoke.invocation_id == ID


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (wire.ErrorBody("function_not_found", f"Function {PROVIDER} not found in namespace default"), NO_PROVIDER),
        (wire.ErrorBody("function_not_found", "gone"), "function_not_found: gone"),
        (wire.ErrorBody("full", "no room", "trace"), "full: no room"),
    ],
)
def test_the_provider_s_error_is_the_caller_s(desk, functions, caller, error, message):
    enqueue(desk, caller)
    desk.tell(Completed(handed_over(functions), wire.ABSENT, error))
    [completed] = caller.take()
    assert completed.error == wire.ErrorBody("enqueue_error", message)
