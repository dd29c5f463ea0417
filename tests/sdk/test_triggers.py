"""Triggers: what is sent, what becomes of refusals, and waiting until one is live."""

import logging

import pytest
from pydantic import BaseModel

import iii_worker
from iii_worker import InvocationError, NotJsonError, RegisterTriggerInput, TriggerRegistrationError

WAIT_S = 10.0


class Place(BaseModel):
    city: str


@pytest.fixture
def worker(fake, make_client):
    return make_client(fake.url, worker_name="users")


@pytest.fixture
def peer(fake, worker):
    return fake.accept()


def refusal(trigger, code="trigger_registration_failed", message="no such city", **members):
    error = {"code": code, "message": message}
    frame = {"id": trigger.id, "trigger_type": trigger.type, "function_id": trigger.function_id, "error": error}
    return {"type": "triggerregistrationresult"} | frame | members


# --- what is sent ----------------------------------------------------------------------------------------------------


def test_a_trigger_is_sent_with_a_config_always(worker, peer):
    trigger = worker.register_trigger({"type": "weather", "function_id": "users::warn"})
    frame = peer.next("registertrigger")
    assert frame == {
        "type": "registertrigger",
        "id": trigger.id,
        "trigger_type": "weather",
        "function_id": "users::warn",
        "config": {},
    }
    assert (trigger.type, trigger.function_id, trigger.error) == ("weather", "users::warn", None)


def test_everything_that_is_given_is_sent(worker, peer):
    worker.register_trigger(
        RegisterTriggerInput("weather", "f", Place(city="Oslo"), {"tag": 1}, namespace="a", trigger_namespace="b")
    )
    frame = peer.next("registertrigger")
    assert frame["config"] == {"city": "Oslo"}
    assert frame["metadata"] == {"tag": 1}
    assert (frame["namespace"], frame["trigger_namespace"]) == ("a", "b")


def test_the_workers_own_namespace_is_the_functions(fake, make_client):
    worker = make_client(fake.url, namespace="shop")
    worker.register_trigger({"type": "weather", "function_id": "f"})
    frame = fake.accept().next("registertrigger")
    assert frame["namespace"] == "shop"
    assert "trigger_namespace" not in frame


@pytest.mark.parametrize(
    ("given", "kind", "config"),
    [
        ({"type": "workers.available"}, "engine::workers-available", {}),
        ({"type": "functions.available"}, "engine::functions-available", {}),
        ({"type": "stream", "config": {"stream": "chat"}}, "stream", {"stream_name": "chat"}),
        ({"type": "own", "config": {"stream": "chat"}}, "own", {"stream": "chat"}),
    ],
)
def test_older_names_are_sent_as_the_present_ones(worker, peer, given, kind, config):
    worker.register_trigger({"function_id": "f"} | given)
    frame = peer.next("registertrigger")
    assert (frame["trigger_type"], frame["config"]) == (kind, config)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"type": "", "function_id": "f"}, ValueError, "a trigger's type is blank"),
        ({"type": "t", "function_id": 7}, TypeError, "a trigger's function_id is 7"),
        ({"type": "t", "function_id": "f", "namespace": " "}, ValueError, "a trigger's namespace is blank"),
        ({"type": "t", "function_id": "f", "trigger_namespace": ""}, ValueError, "trigger_namespace is blank"),
        ({"type": "t", "function_id": "f", "config": {"at": float("nan")}}, NotJsonError, "config.at is nan"),
        ({"type": "t", "function_id": "f", "condition": "c"}, TypeError, "there is no key 'condition'"),
    ],
)
def test_bad_input_is_refused_here(worker, given, error, said):
    with pytest.raises(error, match=said):
        worker.register_trigger(given)
    assert worker.triggers == []


def test_unregistering(worker, peer):
    trigger = worker.register_trigger({"type": "weather", "function_id": "f"})
    assert worker.triggers == [trigger]
    trigger.unregister()
    trigger.unregister()
    worker.register_service({"id": "end"})
    peer.next("registerservice")
    assert [frame for frame in peer.seen if frame["type"] == "unregistertrigger"] == [
        {"type": "unregistertrigger", "id": trigger.id, "trigger_type": "weather"}
    ]
    assert worker.triggers == []


def test_after_a_reconnect_those_that_are_left_are_sent_again(fake, worker, peer):
    gone = worker.register_trigger({"type": "weather", "function_id": "gone"})
    kept = worker.register_trigger({"type": "weather", "function_id": "kept"})
    peer.next("registertrigger", id=kept.id)
    gone.unregister()
    peer.drop()
    again = fake.accept()
    again.next("ping")
    assert [frame["id"] for frame in again.seen if frame["type"] == "registertrigger"] == [kept.id]


# --- refusals --------------------------------------------------------------------------------------------------------


def test_a_refusal_is_logged_with_the_reason_and_kept(worker, peer, caplog):
    trigger = worker.register_trigger({"type": "weather", "function_id": "f"})
    peer.next("registertrigger")
    peer.send(refusal(trigger))
    with pytest.raises(TriggerRegistrationError) as raised:
        wait_with(peer, trigger, {"code": "NOT_FOUND", "message": "not found"})
    assert raised.value.code == "trigger_registration_failed"
    assert raised.value.message == "no such city"
    assert str(raised.value) == "the 'weather' trigger for 'f' was refused: trigger_registration_failed: no such city"
    assert isinstance(trigger.error, TriggerRegistrationError)
    assert trigger.error.trigger_id == trigger.id
    assert any("no such city" in record.message for record in caplog.records if record.levelno == logging.WARNING)


def wait_with(peer, trigger, error):
    """``trigger.wait`` with an engine that answers like this."""
    future = peer_thread(lambda: peer.answer(peer.call(), error=error))
    try:
        return trigger.wait(WAIT_S)
    finally:
        future.result(WAIT_S)


def peer_thread(job):
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(job)
    finally:
        pool.shutdown(wait=False)


def test_an_acceptance_and_nonsense_change_nothing(worker, peer, caplog):
    trigger = worker.register_trigger({"type": "weather", "function_id": "f"})
    peer.next("registertrigger")
    peer.send(refusal(trigger, error=None))
    peer.send({"type": "triggerregistrationresult"})
    peer.send({"type": "triggerregistrationresult", "id": 7, "error": {"code": 1, "message": None}})
    peer.send(refusal(trigger, id="somebody-else's"))
    called = peer_thread(lambda: peer.answer(peer.call(), {"id": trigger.id}))
    assert trigger.wait(WAIT_S) is True
    called.result(WAIT_S)
    assert trigger.error is None


def test_what_was_refused_and_is_live_later_is_no_error_any_more(worker, peer):
    trigger = worker.register_trigger({"type": "weather", "function_id": "f"})
    peer.next("registertrigger")
    peer.send(refusal(trigger))
    with pytest.raises(TriggerRegistrationError):
        wait_with(peer, trigger, {"code": "NOT_FOUND", "message": "not found"})
    called = peer_thread(lambda: peer.answer(peer.call(), {"id": trigger.id}))
    assert trigger.wait(WAIT_S) is True
    called.result(WAIT_S)
    assert trigger.error is None


# --- waiting, with a real engine -------------------------------------------------------------------------------------


def test_wait_says_whether_it_is_live(make_worker):
    worker, provider = make_worker(), make_worker()
    trigger = worker.register_trigger({"type": "weather", "function_id": "f"})
    assert trigger.wait(0.2) is False, "nobody provides the type: that is no error"
    assert trigger.error is None
    kind = provider.register_trigger_type({"id": "weather", "description": "d"})
    assert trigger.wait(WAIT_S) is True
    assert [one.id for one in kind.bindings] == [trigger.id]
    trigger.unregister()
    assert trigger.wait(WAIT_S) is False


class Choosy(iii_worker.TriggerHandler):
    def register_trigger(self, config):
        if config.config.get("city") != "Oslo":
            raise ValueError("only Oslo has weather")

    def unregister_trigger(self, config):
        pass


def test_wait_raises_what_the_provider_says(make_worker):
    worker, provider = make_worker(), make_worker()
    provider.register_trigger_type({"id": "weather", "description": "d"}, Choosy())
    refused = worker.register_trigger({"type": "weather", "function_id": "f", "config": {"city": "Bonn"}})
    with pytest.raises(TriggerRegistrationError, match="only Oslo has weather"):
        refused.wait(WAIT_S)
    assert worker.register_trigger({"type": "weather", "function_id": "f", "config": {"city": "Oslo"}}).wait(WAIT_S)


def test_wait_passes_on_that_the_engine_does_not_tell(worker, peer):
    trigger = worker.register_trigger({"type": "weather", "function_id": "f"})
    with pytest.raises(InvocationError, match="FORBIDDEN"):
        wait_with(peer, trigger, {"code": "FORBIDDEN", "message": "not you"})


def test_wait_wants_a_time_that_can_be_waited(worker):
    trigger = worker.register_trigger({"type": "weather", "function_id": "f"})
    with pytest.raises(ValueError, match="timeout is 0"):
        trigger.wait(0)


def test_after_shutdown_nobody_waits_in_vain(worker, peer):
    trigger = worker.register_trigger({"type": "weather", "function_id": "f"})
    worker.shutdown()
    with pytest.raises(InvocationError, match="SHUTDOWN"):
        trigger.wait(WAIT_S)
