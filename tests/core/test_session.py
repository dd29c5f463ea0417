"""iii_actors.core.session: what each frame means, and when (core.md §3); the registries are real, the socket is not."""

import logging
import threading

import msgspec
import pytest

from iii_actors.actor import Round, ask
from iii_actors.clock import ManualClock
from iii_actors.core import session
from iii_actors.core.enqueue import EnqueueDesk
from iii_actors.core.functions import Functions
from iii_actors.core.invocations import Invocations
from iii_actors.core.messages import (
    Completed,
    Drop,
    FindFunction,
    FindWorker,
    Forward,
    ListFunctions,
    ListTriggers,
    ListWorkers,
    RemoveFunctionsOf,
    Send,
    WorkerEvent,
)
from iii_actors.core.queries import WatchWorkers
from iii_actors.core.refs import Core
from iii_actors.core.services import Services
from iii_actors.core.session import REGISTER_WORKER, Session
from iii_actors.core.triggers import Triggers
from iii_actors.core.workers import Workers
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw

ID = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def core(start, probe, clock):
    invocations, services = start(Invocations()), start(Services())
    functions = start(Functions(invocations, services))
    return Core(
        clock=clock, functions=functions, invocations=invocations, triggers=start(Triggers()),
        workers=start(Workers(clock)), services=services, channels=probe().actor_ref,
        enqueue=start(EnqueueDesk(functions)), namespace_grace_s=5.0,
    )  # fmt: skip


class Worker:
    """A session with a probe in its connection's place."""

    def __init__(self, core, connection):
        self.core, self.connection, self.cuts = core, connection, 0
        self.session = Session(core, connection.actor_ref, "::1", self._cut)
        self.id = self.session.worker_id
        self.session.open()
        [self.greeting] = connection.take()

    def _cut(self):
        self.cuts += 1

    def says(self, *messages):
        with Round():
            for message in messages:
                self.session.receive_waiting(message)

    def names_itself(self, call_id=ID, **details):
        self.says(wire.InvokeFunction(REGISTER_WORKER, call_id, data=raw(details)))
        answers = [msgspec.json.decode(one.result) for one in self.connection.of(Completed) if one.error is None]
        return answers[-1] if answers else None

    def functions(self):
        found = ask(self.core.functions, ListFunctions())
        return sorted((one.namespace, one.function_id) for one in found if one.target.worker_id == self.id)


@pytest.fixture
def worker(core, probe):
    return lambda: Worker(core, probe())


def grace_over(clock):
    """Let the grace time pass and wait for the thread that ends it."""
    clock.advance(5.0)
    for thread in threading.enumerate():
        if thread.name == "iii-grace":
            thread.join(10)


FUNCTION = wire.RegisterFunction("f")
REGISTRATIONS = (
    FUNCTION,
    wire.RegisterTriggerType("hook", "d"),
    wire.RegisterTrigger("t", "hook", "f"),
    wire.RegisterService("s"),
)


# --- coming and the namespace ------------------------------------------------------------------------------------------


def test_the_greeting_is_first_and_the_record_is_there(worker, core, probe):
    watcher = probe()
    ask(core.workers, WatchWorkers(watcher.actor_ref))
    one = worker()
    assert type(one.greeting.message) is wire.WorkerRegistered
    assert one.greeting.message.worker_id == one.id
    assert one.greeting.message.reattach_token != one.id
    assert ask(core.workers, FindWorker(one.id)).ip_address == "::1"
    assert watcher.take() == [WorkerEvent("worker_connected", one.id)]


def test_registrations_wait_for_the_namespace(worker, core):
    one = worker()
    one.says(*REGISTRATIONS)
    assert one.functions() == []
    assert one.names_itself(namespace="team") == {"success": True}
    assert one.functions() == [("team", "f")]
    [trigger] = ask(core.triggers, ListTriggers())
    assert (trigger.home, trigger.provider_namespace) == ("team", "team")


def test_grace_ends_in_default_and_stays_there(worker, core, clock, caplog):
    one = worker()
    one.says(FUNCTION)
    clock.advance(4.9)
    assert one.functions() == []
    with caplog.at_level(logging.WARNING):
        grace_over(clock)
    assert one.functions() == [("default", "f")]
    assert "did not register itself in time" in caplog.text
    assert one.names_itself(namespace="team", name="n") == {"success": True}
    one.says(wire.RegisterFunction("g"))
    assert one.functions() == [("default", "f"), ("default", "g")]
    assert ask(core.workers, FindWorker(one.id)).namespace == "default"


def test_naming_oneself_ends_the_grace(worker, clock, caplog):
    one = worker()
    one.names_itself(namespace="team")
    with caplog.at_level(logging.WARNING):
        grace_over(clock)
    assert caplog.text == ""
    one.says(FUNCTION)
    assert one.functions() == [("team", "f")]


def test_a_second_naming_moves_nothing(worker):
    one = worker()
    one.names_itself(namespace="team")
    assert one.names_itself(namespace="other") == {"success": True}
    one.says(FUNCTION)
    assert one.functions() == [("team", "f")]


def test_a_failing_entry_is_skipped(worker, core, monkeypatch, caplog):
    one = worker()
    apply = one.session._registrations.apply
    monkeypatch.setattr(
        one.session._registrations,
        "apply",
        lambda message, namespace: 1 / 0 if message.id == "bad" else apply(message, namespace),
    )
    one.says(wire.RegisterFunction("a"), wire.RegisterFunction("bad"), wire.RegisterFunction("b"))
    with caplog.at_level(logging.ERROR):
        one.names_itself()
    assert one.functions() == [("default", "a"), ("default", "b")]
    assert "ZeroDivisionError" in caplog.text


def test_the_grace_ends_in_the_middle_of_a_round(worker, clock, monkeypatch, caplog):
    """The thread that ends the grace holds the lock and asks the registry that this round has promised to run."""
    one = worker()
    settling = threading.Event()
    settle = one.session._settle
    monkeypatch.setattr(one.session, "_settle", lambda namespace: (settling.set(), settle(namespace)))
    call = wire.InvokeFunction("f", None, action=wire.Void())
    one.says(FUNCTION)
    with Round():
        one.session.receive_waiting(call)
        clock.advance(5.0)
        assert settling.wait(10)
        one.session.receive_waiting(wire.RegisterFunction("g"))
    assert one.functions() == [("default", "f"), ("default", "g")]
    assert "Timeout" not in caplog.text


# --- the register call -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [wire.NULL, raw([]), raw("x"), raw({"pid": -1}), raw({"name": 1})])
def test_wrong_input_is_answered_and_settles_nothing(worker, data):
    one = worker()
    one.says(FUNCTION, wire.InvokeFunction(REGISTER_WORKER, ID, data=data))
    [completed] = one.connection.take()
    assert completed.error.code == "deserialization_error"
    assert completed.error.message.startswith(f"Failed to deserialize input for {REGISTER_WORKER}: ")
    assert one.functions() == []


@pytest.mark.parametrize(("name", "shown"), [({}, "<unnamed>"), ({"name": "n"}, "n")])
@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_namespace_is_refused(worker, name, shown, blank):
    one = worker()
    one.says(FUNCTION, wire.InvokeFunction(REGISTER_WORKER, ID, data=raw({"namespace": blank, **name})))
    [completed] = one.connection.take()
    assert completed.error == wire.ErrorBody(
        "INVALID_NAMESPACE",
        f"namespace is empty: worker '{shown}' declared \"{blank}\". "
        "Give it a name, or omit the field to register in 'default'.",
    )
    assert one.functions() == []


@pytest.mark.parametrize(("call_id", "action"), [(None, None), (None, wire.Void()), (ID, wire.Void())])
def test_who_does_not_ask_gets_no_answer(worker, call_id, action):
    one = worker()
    one.says(FUNCTION, wire.InvokeFunction(REGISTER_WORKER, call_id, action=action, data=raw({})))
    assert one.connection.take() == []
    assert one.functions() == [("default", "f")]


def test_the_register_call_is_the_connection_s_only_in_default(worker):
    one = worker()
    one.says(wire.InvokeFunction(REGISTER_WORKER, ID, namespace="team", data=raw({})))
    [completed] = one.connection.take()
    assert completed.error.code == "function_not_found"
    one.says(wire.InvokeFunction(REGISTER_WORKER, ID, action=wire.Enqueue("q"), data=raw({})))
    [completed] = one.connection.take()
    assert completed.error.code == "enqueue_error"
    assert one.functions() == []


def test_the_loser_of_a_name_is_told_and_closed(worker):
    one, two = worker(), worker()
    one.names_itself(name="n")
    two.says(FUNCTION, wire.InvokeFunction(REGISTER_WORKER, ID, data=raw({"name": "n"})))
    told = two.connection.take()
    rejected = wire.RegistrationRejected("WORKER_NAMESPACE_CONFLICT", "default", one.id, worker_name="n")
    assert told[0] == Send(rejected)
    assert bytes(told[1].result) == b'{"success":false}'
    assert told[2] == Drop(0)
    two.says(wire.RegisterFunction("g"))
    assert two.functions() == []


# --- what is not buffered ----------------------------------------------------------------------------------------------


def test_calls_and_pings_do_not_wait_for_the_namespace(worker):
    one = worker()
    one.says(wire.Ping(), wire.InvokeFunction("nobody", ID))
    pong, completed = one.connection.take()
    assert type(pong.message) is wire.Pong
    assert completed.error.code == "function_not_found"


@pytest.mark.parametrize(
    "message", [wire.Pong(), wire.WorkerRegistered("a", "b"), wire.RegistrationRejected("c", "n", "o", "w")]
)
def test_what_only_the_engine_says_is_ignored(worker, message):
    one = worker()
    assert one.session.receive(message) is True
    assert one.connection.take() == []


@pytest.mark.parametrize("message", [*REGISTRATIONS, wire.Reattach("a"), wire.InvokeFunction(REGISTER_WORKER)])
def test_what_may_wait_is_refused_on_the_reading_thread(worker, message):
    assert worker().session.receive(message) is False


def test_a_blank_target_namespace(worker):
    one = worker()
    one.says(wire.InvokeFunction("f", None, namespace=" "), wire.InvokeFunction("f", ID, namespace=""))
    [completed] = one.connection.take()
    assert completed.error.code == "INVALID_NAMESPACE"
    assert completed.invoke.invocation_id == ID


# --- going -------------------------------------------------------------------------------------------------------------


def test_cleaning_up_leaves_nothing(worker, core, probe, clock):
    watcher = probe()
    one, two = worker(), worker()
    ask(core.workers, WatchWorkers(watcher.actor_ref))
    one.names_itself(name="n")
    one.says(*REGISTRATIONS)
    two.names_itself()
    two.says(wire.InvokeFunction("f", ID))
    [forward] = one.connection.of(Forward)
    assert forward.invoke.invocation_id == ID
    watcher.take()
    one.session.departure.run()
    assert one.functions() == []
    assert ask(core.functions, FindFunction("f", None)) == (None, [])
    assert ask(core.triggers, ListTriggers()) == []
    assert [record.worker_id for record in ask(core.workers, ListWorkers())] == [two.id]
    stopped = two.connection.of(Completed)[-1]
    assert stopped.error == wire.ErrorBody("invocation_stopped", "Invocation stopped")
    assert not one.connection.actor_ref.is_alive()
    assert watcher.take() == [WorkerEvent("worker_disconnected", one.id)]
    one.says(wire.RegisterFunction("late"))
    assert one.functions() == []


def test_one_registry_s_failure_does_not_keep_the_others(worker, core, monkeypatch, caplog):
    one, two = worker(), worker()
    one.names_itself()
    one.says(FUNCTION)
    two.says(wire.InvokeFunction("f", ID))
    monkeypatch.setattr(session, "RemoveFunctionsOf", lambda worker_id: RemoveFunctionsOf([worker_id]))
    one.session.departure.run()
    assert "TypeError" in caplog.text
    assert two.connection.of(Completed)[-1].error.code == "invocation_stopped"
    assert ask(core.workers, FindWorker(one.id)) is None


def test_what_was_buffered_is_dropped(worker, clock):
    one = worker()
    one.says(FUNCTION)
    one.session.departure.run()
    grace_over(clock)
    assert one.functions() == []


def test_reattach_evicts_the_predecessor_first(worker):
    old, new = worker(), worker()
    old.names_itself(name="n")
    old.says(FUNCTION)
    assert new.session.receive(wire.Reattach(old.id, "wrong")) is False
    new.says(wire.Reattach(old.id, "wrong"), wire.Reattach(new.id, new.greeting.message.reattach_token))
    assert old.functions() == [("default", "f")]
    threading.Thread(target=old.session.departure.run).start()
    new.says(wire.Reattach(old.id, old.greeting.message.reattach_token), FUNCTION)
    assert new.names_itself(name="n") == {"success": True}
    assert (old.functions(), new.functions()) == ([], [("default", "f")])
