import json

import pytest

FUNCTIONS = {
    "functions": [
        {"function_id": "a::b", "namespace": "default", "worker_name": "shop", "description": "Adds\n\x1b]0;x\x07"},
        {"function_id": "longer::id", "namespace": "eu", "worker_name": "shop"},
    ]
}
WORKERS = {
    "workers": [
        {
            "id": "u1", "name": "shop", "namespace": "default", "status": "connected", "runtime": "python",
            "version": "1.2", "function_count": 12, "active_invocations": 0, "ip_address": "127.0.0.1",
        },
        {
            "id": "iii-engine-functions", "name": None, "namespace": "default", "status": "available",
            "runtime": "engine", "version": "0.1.0", "function_count": 7, "active_invocations": 3, "ip_address": None,
        },
    ]
}  # fmt: skip


@pytest.fixture
def listing(run, scripted):
    def run_list(*arguments):
        return run("list", *arguments, "--address", "127.0.0.1", "--port", scripted.port)

    return run_list


def test_functions(listing, scripted):
    scripted.returns("engine::functions::list", FUNCTIONS)
    outcome = listing("functions")
    assert outcome.code == 0
    assert outcome.out == (
        "FUNCTION    NAMESPACE  WORKER  DESCRIPTION\n"
        "a::b        default    shop    Adds \\x1b]0;x\\x07\n"
        "longer::id  eu         shop    -\n"
    )
    assert scripted.calls[0]["data"] == {}


def test_workers(listing, scripted):
    scripted.returns("engine::workers::list", WORKERS)
    assert listing("workers", "--all").out == (
        "WORKER  NAMESPACE  STATUS     RUNTIME  VERSION  FUNCTIONS  CALLS  ADDRESS    ID\n"
        "shop    default    connected  python   1.2             12      0  127.0.0.1  u1\n"
        "-       default    available  engine   0.1.0            7      3  -          iii-engine-functions\n"
    )
    assert scripted.calls[0]["data"] == {}


def test_triggers(listing, scripted):
    row = {"id": "t1", "trigger_type": "webhook", "function_id": "f", "worker_name": "w", "config_summary": '{"p":1}'}
    scripted.returns("engine::registered-triggers::list", {"registered_triggers": [row]})
    assert listing("triggers").out == (
        'TYPE     FUNCTION  WORKER  CONFIG   ID\nwebhook  f         w       {"p":1}  t1\n'
    )


def test_trigger_types(listing, scripted):
    row = {"id": "webhook", "namespace": "default", "worker_name": "w", "description": "d"}
    scripted.returns("engine::triggers::list", {"triggers": [row]})
    assert listing("trigger-types", "--all").out.splitlines()[1] == "webhook  default    w       d"
    assert scripted.calls[0]["data"] == {"include_internal": True}


def test_nothing_to_list(listing, scripted):
    scripted.returns("engine::functions::list", {"functions": []})
    assert listing("functions").out == (
        "FUNCTION  NAMESPACE  WORKER  DESCRIPTION\nno functions (--all shows the engine's own, too)\n"
    )
    assert listing("functions", "--all").out.endswith("\nno functions\n")


def test_json_is_the_answer_as_it_came(listing, scripted):
    scripted.returns("engine::functions::list", FUNCTIONS)
    assert json.loads(listing("functions", "--json").out) == FUNCTIONS


def test_an_error(listing, scripted):
    scripted.answers["engine::functions::list"] = lambda _message: {"error": {"code": "FORBIDDEN", "message": "no"}}
    outcome = listing("functions")
    assert (outcome.code, outcome.out) == (1, "")
    assert json.loads(outcome.err.removeprefix("Error: "))["code"] == "FORBIDDEN"


@pytest.mark.parametrize("answer", [None, [], {"functions": None}, {"functions": [1]}, {}])
def test_an_answer_of_another_shape(listing, scripted, answer):
    scripted.returns("engine::functions::list", answer)
    outcome = listing("functions")
    assert outcome.code == 1
    assert outcome.err == "Error: engine::functions::list answered with something that is no list of functions\n"


@pytest.mark.parametrize("arguments", [[], ["things"], ["functions", "--nope"]])
def test_arguments_that_are_not_understood(listing, arguments):
    assert listing(*arguments).code == 2
