"""`tokens:` of a listener (ours): who is let in, with what, for how long; and how that goes with an auth function."""

import threading
from datetime import UTC, datetime

import pytest

from iii_actors.access.tokens import hashed
from iii_actors.clock import ManualClock
from tests.support.peer import CallFailed
from tests.support.raw import RawClient
from tests.support.rbac import rules

TOKEN, OTHER = "iii_one", "iii_two"
START = 1_700_000_000.0


def entry(token=TOKEN, name="one", **more):
    return {"name": name, "hash": hashed(token), **more}


def bearer(token, scheme="Bearer"):
    return {"additional_headers": {"Authorization": f"{scheme} {token}"}}


def moment(seconds):
    return datetime.fromtimestamp(START + seconds, UTC).isoformat()


def error(message):
    return {"error": {"code": "AUTH_ERROR", "message": message}, "type": "error"}


UNKNOWN = error("this listener needs a token, and the one shown is not known to it")
MISSING = error(
    "this listener needs a token: send the header `Authorization: Bearer <token>`, or ?token= in the URL",
)


@pytest.fixture(scope="module", params=["shared", "own"])
def world(request):
    tokens = [entry(), entry(OTHER, "two", forbidden_functions=["private"])]
    with rules(tokens=tokens, reader=request.param) as made:
        made.admin.register("private", lambda _: "reached")
        yield made


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("", bearer(TOKEN)),
        ("", bearer(f"  {TOKEN} ", "bEARER")),
        (f"?token={TOKEN}", {}),
        ("?a=1&token=%69ii_one", {}),
        (f"?token={OTHER}", bearer(TOKEN)),
    ],
)
def test_a_token_lets_in(world, query, options):
    client = world.join(query, announce=True, **options)
    assert client.call("private") == "reached"


@pytest.mark.parametrize("path", ["", "otel"])
@pytest.mark.parametrize(
    ("query", "options", "refusal"),
    [
        ("", {}, MISSING),
        ("?token=", {}, MISSING),
        ("?tokens=iii_one", {}, MISSING),
        ("", bearer(TOKEN, "Basic"), MISSING),
        ("", bearer("forged"), UNKNOWN),
        ("", bearer(TOKEN[:-1]), UNKNOWN),
        ("", bearer(TOKEN + "x"), UNKNOWN),
        ("", bearer(hashed(TOKEN)), UNKNOWN),
        ("", bearer("x" * 10_000), UNKNOWN),
        (f"?token={TOKEN}", bearer("forged"), UNKNOWN),
        ("?token=%FF%00", {}, UNKNOWN),
    ],
)
def test_whatever_else_does_not(world, path, query, options, refusal):
    assert world.refused(query, path, **options) == refusal


def test_each_token_has_its_own_rights(world):
    with pytest.raises(CallFailed, match="remove from rbac"):
        world.join(**bearer(OTHER)).call("private")


def test_telemetry_is_let_in(world):
    with RawClient(world.address) as client:
        client.upgrade(f"/otel?token={TOKEN}")


# --- what a token may give -----------------------------------------------------------------------------------------------


def outcome(client, function_id, **members):
    try:
        return client.call(function_id, {}, **members) is not None
    except CallFailed as failed:
        assert failed.code == "FORBIDDEN"
        return False


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ({}, {"private", "pub::a", "other"}),
        ({"allowed_functions": []}, set()),
        ({"allowed_functions": ["private"]}, {"private"}),
        ({"namespaces": {"default": ["pub::*"]}}, {"pub::a"}),
        ({"forbidden_functions": ["other"]}, {"private", "pub::a"}),
    ],
)
@pytest.mark.parametrize("rbac", [None, {}, {"expose_functions": ['match("pub::*")']}])
def test_what_may_be_called(given, allowed, rbac):
    """Without rules everything may, unless the token says what; with rules, what they expose and the token allows."""
    if rbac is not None:
        allowed = set() if not given or "forbidden_functions" in given else allowed
        allowed |= {"pub::a"} if rbac else set()
    with rules(tokens=[entry(**given)], rbac=rbac) as made:
        for function_id in ("private", "pub::a", "other"):
            made.admin.register(function_id, lambda _: True)
        client = made.join(**bearer(TOKEN))
        assert {one for one in ("private", "pub::a", "other") if outcome(client, one)} == allowed


def test_registrations_and_context():
    given = {
        "function_registration_prefix": "p",
        "allowed_trigger_types": ["hook"],
        "allow_trigger_type_registration": False,
        "context": {"team": [1]},
    }
    with rules(tokens=[entry(**given)], middleware_function_id="mw") as made:
        made.admin.register("mw", lambda data: data["context"])
        client = made.join(announce=True, **bearer(TOKEN))
        assert client.call("anything") == {"team": [1]}
        client.register("f", lambda _: "mine")
        assert made.admin.call("p::f") == "mine"
        client.send(type="registertriggertype", id="tt", description="d")
        client.barrier()
        types = {one["id"] for one in made.admin.call("engine::triggers::list", {})["triggers"]}
        assert "tt" not in types


def test_by_default_it_may_register_everything():
    with rules(tokens=[entry()]) as made:
        client = made.join(announce=True, **bearer(TOKEN))
        client.send(type="registertriggertype", id="tt", description="d")
        client.register("f", lambda _: "mine")
        assert made.admin.call("f") == "mine"
        types = {one["id"] for one in made.admin.call("engine::triggers::list", {})["triggers"]}
        assert "tt" in types


# --- time ----------------------------------------------------------------------------------------------------------------


def test_an_expired_token_is_refused():
    clock = ManualClock(START)
    tokens = [entry(expires_at=moment(-1)), entry(OTHER, "two", expires_at=moment(60))]
    with rules(clock, tokens=tokens, rbac={"auth_function_id": "never-asked"}) as made:
        expired = error("the token 'one' has expired; ask for a new one")
        assert made.refused(**bearer(TOKEN)) == expired
        made.join(**bearer(OTHER))
        clock.advance(59)
        made.join(**bearer(OTHER))
        clock.advance(1)
        assert made.refused(**bearer(OTHER))["error"]["message"].startswith("the token 'two' has expired")


@pytest.mark.parametrize("reader", ["shared", "own"])
def test_a_session_ends_with_its_token(reader):
    clock = ManualClock(START)
    with rules(clock, tokens=[entry(expires_at=moment(60)), entry(OTHER, "two")], reader=reader) as made:
        client, other = made.join(**bearer(TOKEN)), made.join(**bearer(OTHER))
        left = made.join(**bearer(TOKEN))
        left.close()
        clock.advance(59.9)
        client.barrier()
        clock.advance(0.2)
        assert client.expect(type="error")["error"]["code"] == "AUTH_ERROR"
        assert client.closed.wait(10)
        other.barrier()


def test_a_token_that_lasts_for_ages():
    """No timer is set so far ahead: the clock could not wait so long."""
    with rules(tokens=[entry(expires_at="9999-12-31T23:59:59Z")]) as made:
        client = made.join(**bearer(TOKEN))
        client.barrier()
        fired = threading.Event()
        made.engine.core.clock.call_later(0.0, fired.set)
        assert fired.wait(10)


def test_a_session_outlives_the_looks_at_its_token():
    clock = ManualClock(START)
    with rules(clock, tokens=[entry(expires_at=moment(10_000))]) as made:
        client = made.join(**bearer(TOKEN))
        clock.advance(9_999)
        client.barrier()
        clock.advance(2)
        assert client.expect(type="error")["error"]["code"] == "AUTH_ERROR"


# --- together with an auth function ----------------------------------------------------------------------------------------


def test_a_known_token_wins_over_the_auth_function_and_all_others_are_its_matter():
    told = []

    def auth(visitor):
        told.append(visitor["headers"].get("authorization"))
        if visitor["headers"].get("authorization") != "Bearer jwt":
            raise CallFailed({"code": "no", "message": "who are you?"})
        return {"allowed_functions": ["private"]}

    with rules(tokens=[entry()], rbac={"auth_function_id": "auth"}) as made:
        made.admin.register("auth", auth)
        made.admin.register("private", lambda _: True)
        assert not outcome(made.join(**bearer(TOKEN)), "private")
        assert told == []
        assert outcome(made.join(**bearer("jwt")), "private")
        assert made.refused(**bearer("forged")) == error("who are you?")
        assert made.refused() == error("who are you?")
        assert told == ["Bearer jwt", "Bearer forged", None]


def test_the_auth_functions_own_worker_may_come_with_a_token():
    with rules(tokens=[entry()], rbac={"auth_function_id": "auth"}) as made:
        assert made.refused()["error"]["message"] == "Function auth not found in namespace default"
        made.join(announce=True, **bearer(TOKEN)).register("auth", lambda _: {})
        made.join()


def test_no_tokens_at_all_let_nobody_in():
    with rules(tokens=[]) as made:
        assert made.refused(**bearer(TOKEN)) == UNKNOWN
        assert made.refused() == MISSING


def test_the_log_has_the_name_and_never_the_token(caplog):
    caplog.set_level("DEBUG")
    with rules(tokens=[entry()]) as made:
        made.join(**bearer(TOKEN))
        made.refused(**bearer("iii_forged"))
        made.refused(f"?token={OTHER}")
    text = "\n".join(one.getMessage() for one in caplog.records if one.name.startswith("iii_actors"))
    assert "with the token 'one'" in text
    assert not [secret for secret in (TOKEN, OTHER, "iii_forged") if secret in text]
