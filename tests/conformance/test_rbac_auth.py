"""core.md §10.2: the auth function, what it is told, what it may answer, and every way in which it can fail."""

import json
import threading

import pytest

from iii_actors.clock import ManualClock
from iii_actors.limits import AUTH_WAIT_S
from tests.support.peer import CallFailed
from tests.support.raw import BINARY, CLOSE, TEXT, RawClient, client_frame, upgrade_request
from tests.support.rbac import rules

RBAC = {"auth_function_id": "auth", "expose_functions": ['match("pub::*")']}


@pytest.fixture(scope="module", params=["shared", "own"])
def world(request):
    with rules(rbac=RBAC, reader=request.param) as made:
        made.admin.register("pub::a", lambda data: data)
        yield made


def auth(world, answer):
    """Have the auth function answer so; returns the list of what it is told."""
    told = []

    def handler(data):
        told.append(data)
        if isinstance(answer, Exception):
            raise answer
        return answer

    world.admin.register("auth", handler)
    return told


def error(message):
    return {"error": {"code": "AUTH_ERROR", "message": message}, "type": "error"}


# --- what it is told ---------------------------------------------------------------------------------------------------


def test_it_is_told_headers_query_and_address(world):
    told = auth(world, {})
    headers = [("X-Key", "a"), ("Authorization", "Bearer t"), ("x-key", "b")]
    world.join("?a=1&b=%20x&a=2&c&=d&e==&", additional_headers=headers)
    [visitor] = told
    assert sorted(visitor) == ["headers", "ip_address", "query_params"]
    assert visitor["headers"]["x-key"] == "b"
    assert visitor["headers"]["authorization"] == "Bearer t"
    assert all(name == name.lower() for name in visitor["headers"])
    assert visitor["query_params"] == {"a": ["1", "2"], "b": ["%20x"], "c": [""], "": ["d"], "e": ["="]}
    assert visitor["ip_address"] == "127.0.0.1"


def test_it_is_called_after_the_upgrade_and_before_the_worker_has_an_id(world):
    entered, answer = threading.Event(), threading.Event()

    def handler(_):
        entered.set()
        assert answer.wait(10)
        return {}

    world.admin.register("auth", handler)
    before = len(workers(world))
    with RawClient(world.address) as client:
        call = {"type": "invokefunction", "function_id": "pub::a", "data": {"n": 1}, "invocation_id": ID}
        client.send(upgrade_request("/") + client_frame(TEXT, json.dumps(call).encode()))
        assert client.head().startswith("HTTP/1.1 101")
        assert entered.wait(10)
        assert len(workers(world)) == before
        answer.set()
        assert client.message()["type"] == "workerregistered"
        assert client.expect(type="invocationresult")["invocation_id"] == ID


ID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


def workers(world):
    found = world.admin.call("_internal.list_workers", {})["workers"]
    return [one for one in found if one["id"] != world.admin.worker_id]


# --- what it answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"later_versions": 1},
        {"context": None},
        {"context": [1]},
        {"allowed_trigger_types": None, "function_registration_prefix": None},
        {"namespaces": {}, "allowed_functions": [], "forbidden_functions": []},
    ],
)
def test_every_key_may_be_left_out(world, answer):
    auth(world, answer)
    client = world.join()
    assert client.call("pub::a", {"n": 1})["n"] == 1
    with pytest.raises(CallFailed, match="FORBIDDEN"):
        client.call("private")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "auth function returned no result"),
        (CallFailed({"code": "nope", "message": "who are you?"}), "who are you?"),
        (3, "Expected `object`, got `int`"),
        ([], "Expected `object`, got `array`"),
        ("yes", "Expected `object`, got `str`"),
        (False, "Expected `object`, got `bool`"),
        ({"namespaces": []}, "$.namespaces"),
        ({"namespaces": {"a": "f"}}, "$.namespaces"),
        ({"allowed_functions": None}, "$.allowed_functions"),
        ({"allowed_functions": [1]}, "$.allowed_functions"),
        ({"forbidden_functions": {}}, "$.forbidden_functions"),
        ({"allowed_trigger_types": "all"}, "$.allowed_trigger_types"),
        ({"allow_trigger_type_registration": 1}, "$.allow_trigger_type_registration"),
        ({"allow_function_registration": "no"}, "$.allow_function_registration"),
        ({"function_registration_prefix": 1}, "$.function_registration_prefix"),
    ],
)
@pytest.mark.parametrize("path", ["", "otel"])
def test_whatever_is_no_answer_refuses(world, answer, message, path):
    auth(world, answer)
    before = workers(world)
    frame = world.refused(path=path)
    assert frame["type"] == "error"
    assert frame["error"]["code"] == "AUTH_ERROR"
    assert message in frame["error"]["message"]
    assert workers(world) == before


def test_a_function_that_is_not_there():
    with rules(rbac=RBAC) as made:
        assert made.refused() == error("Function auth not found in namespace default")


def test_a_function_in_another_namespace_does_not_count():
    with rules(rbac=RBAC) as made:
        made.other("blue", ["auth"])
        assert made.refused() == error("Function auth not found in namespace default")


def test_a_worker_that_leaves_while_it_is_asked():
    with rules(rbac=RBAC) as made, RawClient(made.address) as client:
        made.admin.register("auth")
        client.upgrade()
        made.admin.expect(type="invokefunction", function_id="auth")
        made.admin.cut()
        assert client.message() == error("Invocation stopped")
        assert client.frame() == (CLOSE, b"")


def test_one_that_hangs_has_an_end():
    clock = ManualClock()
    with rules(clock, rbac=RBAC) as made:
        made.admin.register("auth")
        with RawClient(made.address) as client:
            client.upgrade()
            asked = made.admin.expect(type="invokefunction", function_id="auth")
            clock.advance(AUTH_WAIT_S - 0.1)
            clock.advance(0.2)
            assert client.message() == error("the auth function has not answered within 10 s; try again later")
            assert client.frame() == (CLOSE, b"")
            made.admin.answer(asked, {})
            made.admin.barrier()


def test_a_client_that_leaves_while_it_is_asked_about_is_not_waited_for():
    with rules(ManualClock(), rbac=RBAC) as made:
        made.admin.register("auth")
        with RawClient(made.address) as client:
            client.upgrade()
            asked = made.admin.expect(type="invokefunction", function_id="auth")
        assert made.engine._listeners[1].wait_until_empty(10)
        made.admin.answer(asked, {})
        made.admin.barrier()
        assert workers(made) == []


def test_the_engine_stops_while_it_is_asked():
    with rules(ManualClock(), rbac=RBAC) as made:
        made.admin.register("auth")
        with RawClient(made.address) as client:
            client.upgrade()
            made.admin.expect(type="invokefunction", function_id="auth")
            made.engine.stop()
            client.rest()


# --- what else is behind it --------------------------------------------------------------------------------------------


def test_telemetry_passes_the_same_gate(world):
    told = auth(world, {})
    with RawClient(world.address) as client:
        client.upgrade("/otel?k=v")
        client.send(client_frame(BINARY, b'OTLP{"resourceSpans":[]}') + client_frame(9, b"there?"))
        assert client.frame() == (10, b"there?")
    assert told[0]["query_params"] == {"k": ["v"]}


def test_a_channel_needs_its_key_only(world):
    told = auth(world, None)
    made = world.admin.call("engine::channels::create", {})
    ref = made["writer"]
    with RawClient(world.address) as client:
        client.upgrade(f"/ws/channels/{ref['channel_id']}?key={ref['access_key']}&dir=write")
    assert told == []


def test_sessions_do_not_share_what_they_may(world):
    auth(world, {"allowed_functions": ["private"]})
    world.admin.register("private", lambda data: data)
    allowed = world.join()
    auth(world, {})
    other = world.join()
    assert allowed.call("private", {}) is not None
    with pytest.raises(CallFailed, match="FORBIDDEN"):
        other.call("private", {})


def test_a_plain_listener_asks_nobody(world):
    told = auth(world, None)
    peer = world.other("default", [])
    world.admin.register("private", lambda data: data)
    assert peer.call("private", {"n": 1})["n"] == 1
    assert told == []
