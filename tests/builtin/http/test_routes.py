"""The owner of the routes, told and asked alone."""

import pytest

from iii_actors.actor import ask, launch
from iii_actors.builtin.http.routes import Routes, route_of
from iii_actors.core.messages import AcknowledgeTrigger, BindTrigger, UnbindTrigger
from iii_actors.errors import TriggerRegistrationFailed
from tests.support.probe import Probe, caller_of
from tests.support.records import trigger


@pytest.fixture
def actor():
    ref = launch(Routes("iii-http"))
    yield ref
    ref.stop()


def http(trigger_id, path="a", method="GET", owner=None, **more):
    one = trigger(trigger_id, "http", config={"api_path": path, "http_method": method, **more})
    if owner is None:
        return one
    import msgspec

    return msgspec.structs.replace(one, owner=caller_of(owner, Probe()))


def bind(ref, *triggers):
    for one in triggers:
        ask(ref, BindTrigger(one))


def served(ref):
    routes = ref._actor_weakref().routes()
    return [(route.title, route.trigger.id) for route in routes]


@pytest.mark.parametrize(
    ("given", "method"),
    [({}, "GET"), ({"http_method": "post"}, "POST"), ({"http_method": None}, "GET"), ({"http_method": 5}, "GET")],
)
def test_the_method_is_get_unless_it_is_named_in_any_case(given, method):
    assert route_of(trigger("t", "http", config={"api_path": "a", **given})).method == method


def test_what_is_of_the_wrong_type_is_ignored():
    config = {"api_path": "a", "condition_function_id": 5, "middleware_function_ids": "m", "description": "d"}
    route = route_of(trigger("t", "http", config=config))
    assert (route.condition, route.middleware) == (None, ())
    config = {"api_path": "a", "condition_function_id": "c", "middleware_function_ids": ["m", 1, None, "n"]}
    route = route_of(trigger("t", "http", config=config))
    assert (route.condition, route.middleware) == ("c", ("m", "n"))


@pytest.mark.parametrize("config", [None, 5, [], {}, {"api_path": None}, {"api_path": 5}, "x"])
def test_without_a_path_it_is_refused(actor, config):
    with pytest.raises(TriggerRegistrationFailed) as refused:
        bind(actor, trigger("t", "http", config=config))
    assert refused.value.message == "api_path is required for http triggers"
    assert served(actor) == []


def test_same_shape_other_spelling_conflicts_and_the_first_goes_on(actor):
    bind(actor, http("t1", "/a/:x"))
    with pytest.raises(TriggerRegistrationFailed) as refused:
        bind(actor, http("t2", "a/:y", "get"))
    assert refused.value.message == (
        "Route 'GET a/:y' conflicts with already-registered route 'GET /a/:x': routes with identical structure but "
        "different path-parameter names are not supported"
    )
    assert served(actor) == [("GET /a/:x", "t1")]
    bind(actor, http("t3", "a/:y", "POST"))
    assert served(actor) == [("GET /a/:x", "t1"), ("POST a/:y", "t3")]


def test_the_same_key_is_replaced_silently_and_not_restored(actor):
    bind(actor, http("t1", "a/:x", owner="w1"), http("t2", "/a/:x", owner="w2"))
    assert served(actor) == [("GET /a/:x", "t2")]
    ask(actor, UnbindTrigger(http("t1", "a/:x", owner="w1")))
    assert served(actor) == [("GET /a/:x", "t2")]
    ask(actor, UnbindTrigger(http("t2", "/a/:x", owner="w2")))
    assert served(actor) == []


def test_a_trigger_registered_again_moves(actor):
    bind(actor, http("t", "old/:a"), http("t", "new"))
    assert served(actor) == [("GET new", "t")]
    bind(actor, http("t", "new/:a"), http("t", "new/:b"))
    assert served(actor) == [("GET new/:b", "t")], "a route does not conflict with itself"


def test_a_refused_change_leaves_the_old_route(actor):
    bind(actor, http("t", "a"))
    with pytest.raises(TriggerRegistrationFailed):
        bind(actor, http("t", "a/*"))
    assert served(actor) == [("GET a", "t")]


def test_only_its_owner_takes_a_route_away(actor):
    bind(actor, http("t", "a", owner="w1"))
    ask(actor, UnbindTrigger(http("t", "a", owner="w2")))
    assert served(actor) == [("GET a", "t")]
    ask(actor, UnbindTrigger(http("unknown", "a", owner="w1")))
    ask(actor, UnbindTrigger(http("t", "a", owner="w1")))
    assert served(actor) == []


def test_a_method_that_is_never_served_is_accepted(actor):
    bind(actor, http("t", "a", "PURGE"))
    assert served(actor) == []
    ask(actor, UnbindTrigger(http("t", "a", "PURGE")))
    bind(actor, http("t", "a"))
    assert served(actor) == [("GET a", "t")]


def test_told_instead_of_asked_a_refusal_is_told_too(actor):
    probe = Probe()
    launch(probe)
    actor.tell(BindTrigger(http("t", "a/:"), probe.actor_ref))
    (answer,) = probe.of(AcknowledgeTrigger)
    assert answer.worker_id == "iii-http"
    assert (answer.result.id, answer.result.error.code) == ("t", "trigger_registration_failed")
    actor.tell(BindTrigger(http("t2", "a"), probe.actor_ref))
    assert len(probe.told) == 1
    assert served(actor) == [("GET a", "t2")]
    probe.actor_ref.stop()
