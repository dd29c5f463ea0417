"""What the tests of external functions share: endpoints, calls, actors that stand for the engine."""

import contextlib

import pytest

from iii_actors.builtin.http_functions.invocation import endpoint as read_endpoint
from iii_actors.clock import ManualClock
from iii_actors.core.functions import Function
from iii_actors.core.messages import Caller, Forward, Invoke, Target
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import caller_member, raw
from tests.support import endpoint as servers
from tests.support.records import NOBODY


@pytest.fixture
def server():
    with servers.endpoint() as started:
        yield started


@pytest.fixture
def serve():
    """A maker of servers."""
    with contextlib.ExitStack() as stack:
        yield lambda *arguments, **members: stack.enter_context(servers.endpoint(*arguments, **members))


@pytest.fixture
def clock():
    return ManualClock()


def make_call(invocation_id="i", function_id="f", data=None, caller_id="w", **invocation):
    """A call of an external function, as the core tells it."""
    at = read_endpoint(function_id, raw(invocation), {})
    call = wire.InvokeFunction(function_id, invocation_id, data=raw(data))
    caller = Caller(caller_id, NOBODY, caller_member(caller_id)) if caller_id else None
    definition = wire.RegisterFunction(function_id, invocation=raw(invocation))
    target = Target("owner", NOBODY, endpoint=at)
    function = Function("default", function_id, definition, target)
    return Forward(Invoke(call, "default", invocation_id, None, caller), function, target)
