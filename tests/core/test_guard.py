"""iii_actors.core.guard: asking about visitors, on the thread of their connection."""

import pykka
import pytest
from msgspec import Raw

import iii_actors
from iii_actors.access.errors import AuthError
from iii_actors.access.policy import Policy
from iii_actors.access.visitor import Visitor
from iii_actors.clock import ManualClock
from iii_actors.config import EngineConfig
from iii_actors.core.gate import Gate
from iii_actors.core.guard import Gone, Guard
from iii_actors.core.messages import Completed, Invoke
from iii_actors.core.refs import Core
from iii_actors.limits import AUTH_WAIT_S, HOOK_WAIT_S
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw
from tests.support.probe import Probe

VISITOR = Visitor((("a", "b"),), "", "::1")


class Registry(Probe):
    """Stands for the functions: :attr:`answer` is the outcome of every call; None: it hangs."""

    answer = None

    def on_receive(self, message):
        super().on_receive(message)
        if isinstance(message, Invoke) and self.answer is not None:
            message.reply_to.tell(Completed(message, *self.answer))


@pytest.fixture
def world(start):
    class World:
        clock = ManualClock()
        functions = Registry()

    start(World.functions)
    World.core = Core(World.clock, *[World.functions.actor_ref] * 7, namespace_grace_s=5.0)
    [settings] = EngineConfig.listening(rbac={"auth_function_id": "auth"}).listeners()
    World.guard = Guard(World.core, Policy(settings))
    yield World
    World.guard.stop()


def test_the_auth_functions_answer_becomes_rights(world):
    world.functions.answer = (raw({"allowed_functions": ["f"]}),)
    access = world.guard.admit(VISITOR, lambda: False)
    assert access.grants.allowed_functions == ["f"]
    [invoke] = world.functions.of(Invoke)
    assert (invoke.call.function_id, invoke.namespace, invoke.caller, invoke.internal) == (
        "auth",
        "default",
        None,
        True,
    )
    assert bytes(invoke.call.data) == b'{"headers":{"a":"b"},"query_params":{},"ip_address":"::1"}'


def test_its_error_refuses(world):
    world.functions.answer = (wire.ABSENT, wire.ErrorBody("nope", "who?"))
    with pytest.raises(AuthError, match="who\\?"):
        world.guard.admit(VISITOR, lambda: False)


@pytest.mark.parametrize("answer", [b"", b"null"])
def test_no_result_refuses(world, answer):
    world.functions.answer = (Raw(answer) if answer else wire.ABSENT,)
    with pytest.raises(AuthError, match="auth function returned no result"):
        world.guard.admit(VISITOR, lambda: False)


def test_silence_has_an_end(world):
    """The clock is moved by the one who waits, when it looks whether its client is there."""
    with pytest.raises(AuthError, match="has not answered within 10 s"):
        world.guard.admit(VISITOR, lambda: world.clock.advance(AUTH_WAIT_S))
    assert world.guard.verdict("hook", raw({}), lambda: world.clock.advance(HOOK_WAIT_S)) is None


def test_nobody_is_waited_for_on_behalf_of_one_who_has_left(world):
    with pytest.raises(Gone):
        world.guard.admit(VISITOR, lambda: True)


def test_an_engine_that_stops_lets_nobody_in(world):
    world.functions.actor_ref.stop()
    with pytest.raises(Gone):
        world.guard.admit(VISITOR, lambda: False)


def test_a_hooks_answer_is_passed_on_and_its_error_is_a_denial(world):
    world.functions.answer = (raw([1]),)
    assert bytes(world.guard.verdict("hook", raw({}), lambda: False)) == b"[1]"
    world.functions.answer = (wire.ABSENT, wire.ErrorBody("x", "y"))
    assert world.guard.verdict("hook", raw({}), lambda: False) is None


def gates():
    return {ref.actor_urn for ref in pykka.ActorRegistry.get_by_class(Gate)}


def test_a_listeners_gate_goes_with_it():
    before = gates()
    with iii_actors.Engine(EngineConfig.listening(rbac={})) as engine:
        first = gates() - before
        assert len(first) == 1
        engine.reconfigure(EngineConfig.listening(rbac={"expose_functions": ['match("f")']}))
        second = gates() - before
        assert len(second) == 1
        assert first != second
        assert "Gate" in {one.name for one in engine.actors()}
        engine.reconfigure(EngineConfig.listening())
        assert gates() == before
    assert gates() == before
