import asyncio

import uvloop
from msgspec import Raw

from iii_actors.actor import LightActor, handles, launch
from iii_actors.builtin.http.bell import Bell
from iii_actors.builtin.http.calls import Calls
from iii_actors.core.messages import Completed, Invoke
from iii_actors.wire import messages as wire


class Functions(LightActor):
    """Keeps calls; answers them when told to."""

    def __init__(self):
        super().__init__()
        self.invokes = []
        self.batches = []

    @handles(Invoke)
    def invoke(self, invoke):
        self.invokes.append(invoke)

    def after_batch(self):
        self.batches.append(len(self.invokes))


def run(work):
    async def inside():
        loop = asyncio.get_running_loop()
        functions = Functions()
        calls = Calls(launch(functions), loop, Bell(loop))
        try:
            await work(functions, calls)
        finally:
            calls.stop()
            if functions.actor_ref.is_alive():
                functions.actor_ref.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(inside())


async def turns():
    for _ in range(5):
        await asyncio.sleep(0)


def test_calls_of_one_turn_leave_together_and_outcomes_come_back():
    async def work(functions, calls):
        got = []
        for name in "ab":
            calls.call(name, "ns", Raw(b"1"), lambda result, error, name=name: got.append((name, bytes(result), error)))
        assert functions.invokes == []
        await turns()
        assert functions.batches == [2]
        first, second = functions.invokes
        assert (first.call.function_id, first.namespace, bytes(first.call.data)) == ("a", "ns", b"1")
        assert first.internal, "a missing function is worded without a hint"
        assert (first.caller, first.invocation_id) == (None, first.call.invocation_id)
        assert first.invocation_id != second.invocation_id
        error = wire.ErrorBody("c", "m")
        second.reply_to.tell(Completed(second, wire.ABSENT, error))
        first.reply_to.tell(Completed(first, Raw(b"2")))
        await turns()
        assert got == [("b", b"", error), ("a", b"2", None)]

    run(work)


def test_metadata_and_trace_travel_along():
    async def work(functions, calls):
        calls.call("f", "ns", Raw(b"1"), print, metadata=Raw(b"{}"), traceparent="t", baggage="b")
        await turns()
        (invoke,) = functions.invokes
        assert (bytes(invoke.call.metadata), invoke.call.traceparent, invoke.call.baggage) == (b"{}", "t", "b")

    run(work)


def test_a_stopping_engine_fails_the_call():
    async def work(functions, calls):
        functions.actor_ref.stop()
        got = []
        calls.call("f", "ns", Raw(b"1"), lambda result, error: got.append(error.code))
        await turns()
        assert got == ["invocation_error"]

    run(work)
