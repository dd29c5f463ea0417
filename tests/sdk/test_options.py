"""What a client is made with: a mistake is named where it is made, with the mend (spec sdk.md §1)."""

import pytest

import iii_worker
from iii_worker import AddressError, InitOptions, ReconnectionConfig
from iii_worker.limits import DEFAULT_ENGINE_URL
from iii_worker.options import resolve_address

NOWHERE = "ws://127.0.0.1:1"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"worker_name": 5}, "worker_name is 5: it must be a text"),
        ({"namespace": 5}, "namespace is 5: it must be a text"),
        ({"invocation_timeout_ms": "5"}, "invocation_timeout_ms is '5': it must be a number of milliseconds"),
        ({"connect_timeout": "5"}, "connect_timeout is '5': it must be a number of seconds"),
        ({"wait": 5}, "wait is 5: .* connect_timeout"),
        ({"handler_threads": "4"}, "handler_threads is '4': it must be a whole number"),
        ({"headers": "token"}, "headers is of type str: it must be a dict of texts"),
        ({"headers": {"X-Attempt": 5}}, "headers: 'X-Attempt' has a value of type int"),
        ({"telemetry": "x"}, "telemetry is 'x': it must be a dict or TelemetryOptions"),
        ({"telemetry": {"lang": "en"}}, "telemetry has no field 'lang'; there are language,"),
        ({"reconnection_config": {"initial_delay": 5}}, "reconnection_config has no field 'initial_delay'"),
        ({"reconnection_config": {"initial_delay_ms": "5"}}, "initial_delay_ms is '5': it must be a number"),
    ],
)
def test_an_option_of_another_type_is_named(options, said):
    for give in (lambda: iii_worker.init(NOWHERE, **options), lambda: InitOptions(**options)):
        with pytest.raises(TypeError, match=said):
            give()


@pytest.mark.parametrize("value", ["s3cret\n", "a\r\nX-Other: b", "\x00"])
def test_a_header_that_would_break_the_request_is_named_and_not_shown(value):
    with pytest.raises(ValueError, match=r"'Authorization'.*strip\(\)") as caught:
        iii_worker.init(NOWHERE, headers={"Authorization": value})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("options", ["users", ["users"], 5])
def test_options_that_are_none_are_not_ignored(options):
    with pytest.raises(TypeError, match="worker_name="):
        iii_worker.init(NOWHERE, options)


def test_nested_options_may_be_dicts_in_the_class_too():
    options = InitOptions(reconnection_config={"max_retries": 3}, telemetry={"framework": "f"})
    assert options.reconnection_config == ReconnectionConfig(max_retries=3)
    assert options.telemetry.framework == "f"


def test_the_address(monkeypatch):
    monkeypatch.setenv("III_URL", " ws://other:1\n")
    assert resolve_address(" ws://one:1 ") == "ws://one:1"
    assert resolve_address(None) == "ws://other:1"
    monkeypatch.setenv("III_URL", " ")
    assert resolve_address("") == DEFAULT_ENGINE_URL
    with pytest.raises(AddressError, match="address is 49134: give a text"):
        iii_worker.init(49134)
