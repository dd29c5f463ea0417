"""iii_actors.core.outcome: the one outcome of a call."""

from iii_actors.core.messages import Completed, Invoke
from iii_actors.core.outcome import complete, wire_error
from iii_actors.errors import FunctionNotFound
from iii_actors.wire import messages as wire

CALL = wire.InvokeFunction("f", "00000000-0000-4000-8000-000000000001")


def invoke(reply_to):
    return Invoke(CALL, "default", CALL.invocation_id, reply_to, None)


def test_the_caller_is_told_once(probe):
    caller = probe()
    complete(invoke(caller.actor_ref), wire.NULL)
    assert caller.told == [Completed(invoke(caller.actor_ref), wire.NULL)]


def test_nobody_is_told_where_nobody_asked():
    complete(invoke(None), wire.NULL)


def test_a_caller_that_has_gone_is_no_failure(probe):
    caller = probe()
    caller.actor_ref.stop()
    complete(invoke(caller.actor_ref), wire.NULL)
    assert caller.told == []


def test_an_error_goes_out_with_its_class_s_code():
    assert wire_error(FunctionNotFound("f", "default")) == wire.ErrorBody(
        "function_not_found", "Function f not found in namespace default."
    )


def test_an_unexpected_error_is_an_invocation_error():
    assert wire_error(ValueError("bad")) == wire.ErrorBody("invocation_error", "bad")
