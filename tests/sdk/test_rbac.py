"""Models of access rules: tolerant of what comes in, silent about what was not said."""

import json

import pytest

import iii_worker
from iii_worker.values import to_json


def written(value):
    return json.loads(to_json(value))


def test_inputs_take_what_engines_send():
    given = {"headers": {"a": "b"}, "query_params": {"t": ["1"]}, "ip_address": "::1", "_caller_worker_id": "x"}
    request = iii_worker.AuthInput.model_validate(given)
    assert (request.headers, request.query_params, request.ip_address) == ({"a": "b"}, {"t": ["1"]}, "::1")
    call = iii_worker.MiddlewareFunctionInput.model_validate({"function_id": "f", "payload": [1], "action": None})
    assert (call.function_id, call.payload, call.action, call.context) == ("f", [1], None, None)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (iii_worker.OnFunctionRegistrationInput, {"function_id": "f"}),
        (iii_worker.OnTriggerTypeRegistrationInput, {"trigger_type_id": "t"}),
        (iii_worker.OnTriggerRegistrationInput, {"trigger_id": "1", "trigger_type": "t", "function_id": "f"}),
    ],
)
def test_hooks_inputs(kind, key):
    made = kind.model_validate(key | {"context": {"team": "a"}, "namespace": "default", "later": 1})
    assert made.context == {"team": "a"}
    assert key.items() <= made.model_dump().items()


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (iii_worker.AuthResult(), {}),
        (
            iii_worker.AuthResult(allowed_functions=["f"], context={"team": "a"}),
            {"allowed_functions": ["f"], "context": {"team": "a"}},
        ),
        (iii_worker.AuthResult(allowed_trigger_types=None), {"allowed_trigger_types": None}),
        (iii_worker.OnFunctionRegistrationResult(), {}),
        (iii_worker.OnFunctionRegistrationResult(metadata=None), {"metadata": None}),
        (iii_worker.OnFunctionRegistrationResult(function_id="g"), {"function_id": "g"}),
        (iii_worker.OnTriggerRegistrationResult(config={"a": 1}), {"config": {"a": 1}}),
        (iii_worker.OnTriggerTypeRegistrationResult(description="d"), {"description": "d"}),
    ],
)
def test_results_say_what_was_said(result, said):
    """A member that is null clears what was asked for (core.md §10.5): so none is null that nobody set."""
    assert written(result) == said


def test_a_handler_with_these_hints(make_worker):
    worker = make_worker()

    @worker.function("access::authenticate")
    def authenticate(request: iii_worker.AuthInput) -> iii_worker.AuthResult:
        return iii_worker.AuthResult(context={"from": request.ip_address})

    assert worker.call("access::authenticate", {"ip_address": "::1"}) == {"context": {"from": "::1"}}
