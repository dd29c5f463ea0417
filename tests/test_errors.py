"""Codes and texts as the specification words them: core.md §7.6, engine-functions.md §4."""

import copy
import pickle

import pytest

from iii_actors import errors
from iii_actors.errors import (
    ChannelSendFailed,
    ConfigError,
    DeserializationError,
    EngineError,
    EnqueueError,
    Forbidden,
    FunctionNotFound,
    InvalidArguments,
    InvalidNamespace,
    InvocationError,
    InvocationStopped,
    ListenError,
    NotFound,
    SerializationError,
    TopicNotSet,
    TriggerRegistrationFailed,
    UnregisterFailed,
)

TEXTS = [
    (FunctionNotFound("a::b", "default"), "function_not_found", "Function a::b not found in namespace default."),
    (
        FunctionNotFound("a::b", "default", ["zoo", "bar"]),
        "function_not_found",
        "Function a::b not found in namespace default. It is registered in namespace(s): bar, zoo.",
    ),
    (
        FunctionNotFound("a::b", "default", ["zoo"], internal=True),
        "function_not_found",
        "Function a::b not found in namespace default",
    ),
    (InvocationStopped(), "invocation_stopped", "Invocation stopped"),
    (InvocationError(), "invocation_error", "channel closed"),
    (ChannelSendFailed(), "channel_send_failed", "channel closed"),
    (
        EnqueueError.no_provider(),
        "enqueue_error",
        "No queue provider is installed. `TriggerAction::Enqueue` routes through the `engine::queue::enqueue` provider, "
        "which the standalone queue worker registers. Add it with `iii worker add queue`. (underlying: Function "
        "engine::queue::enqueue not found in namespace default)",
    ),
    (EnqueueError.from_provider("FULL", "no room"), "enqueue_error", "FULL: no room"),
    (
        InvalidNamespace(),
        "INVALID_NAMESPACE",
        "`namespace` is empty: it was named and left blank. Give it a name, or omit it to use `default`.",
    ),
    (
        InvalidNamespace("trigger_namespace"),
        "INVALID_NAMESPACE",
        "`trigger_namespace` is empty: it was named and left blank. Give it a name, or omit it to use `default`.",
    ),
    (
        InvalidNamespace.declared("users", " "),
        "INVALID_NAMESPACE",
        "namespace is empty: worker 'users' declared \" \". Give it a name, or omit the field to register in 'default'.",
    ),
    (
        InvalidNamespace.declared(None, ""),
        "INVALID_NAMESPACE",
        "namespace is empty: worker '<unnamed>' declared \"\". Give it a name, or omit the field to register in "
        "'default'.",
    ),
    (Forbidden.not_exposed("f"), "FORBIDDEN", "function 'f' not allowed (add to rbac.expose_functions)"),
    (Forbidden.explicitly("f"), "FORBIDDEN", "function 'f' not allowed (remove from rbac.forbidden_functions)"),
    (
        Forbidden.namespace("x", ["b", "a"]),
        "FORBIDDEN",
        "namespace 'x' not allowed for this session (permitted: a, b)",
    ),
    (Forbidden.not_visible("f"), "FORBIDDEN", "Function 'f' is not visible to this session."),
    (Forbidden.trigger_target("f", "x"), "FORBIDDEN", "function 'f' not allowed in namespace 'x'"),
    (Forbidden.trigger_type("t"), "FORBIDDEN", "Trigger type 't' is not allowed for this session."),
    (
        DeserializationError.missing("engine::workers::info", "name"),
        "deserialization_error",
        "Failed to deserialize input for engine::workers::info: missing field `name`",
    ),
    (SerializationError("too deep"), "serialization_error", "too deep"),
    (TopicNotSet(), "topic_not_set", "Topic is not set"),
    (InvalidArguments.both_ids(), "INVALID_ARGUMENTS", "pass either `function_id` or `function_ids`, not both"),
    (
        InvalidArguments.no_ids(),
        "INVALID_ARGUMENTS",
        "missing field `function_id` (or `function_ids` for a batch)",
    ),
    (
        InvalidArguments.empty_ids(),
        "INVALID_ARGUMENTS",
        "`function_ids` must be a non-empty array of function ids",
    ),
    (InvalidArguments.too_many_ids(), "INVALID_ARGUMENTS", "too many function_ids (max 32)"),
    (NotFound.function("f"), "NOT_FOUND", "Function 'f' is not registered."),
    (
        NotFound.function_ambiguous("f", ["b", "a"]),
        "NOT_FOUND",
        "Function 'f' is ambiguous: it is registered in namespace(s): a, b. Pass `namespace` to select one.",
    ),
    (NotFound.trigger_type("t", "x"), "NOT_FOUND", "Trigger type 't' is not registered in namespace 'x'."),
    (NotFound.registered_trigger("i"), "NOT_FOUND", "Registered trigger 'i' was not found."),
    (NotFound.worker("w"), "NOT_FOUND", "Worker 'w' is not connected."),
    (
        NotFound.worker_elsewhere("w", ["b", "a"]),
        "NOT_FOUND",
        "Worker 'w' is not connected in the requested namespace; it is connected in namespace(s): a, b.",
    ),
    (
        NotFound.worker_ambiguous("w", ["b", "a"]),
        "NOT_FOUND",
        "Worker 'w' is ambiguous: it is connected in namespace(s): a, b. Pass `namespace` to disambiguate.",
    ),
    (TriggerRegistrationFailed("no"), "trigger_registration_failed", "no"),
    (TriggerRegistrationFailed.from_provider("BAD", "no"), "trigger_registration_failed", "BAD: no"),
    (UnregisterFailed("no"), "unregister_failed", "no"),
    (ConfigError("f.yaml:3", "wrong", "right it"), "config_error", "f.yaml:3: wrong; right it"),
    (ConfigError("f.yaml:3", "wrong"), "config_error", "f.yaml:3: wrong"),
    (
        ListenError("127.0.0.1", 80, "Permission denied"),
        "listen_error",
        "cannot listen on 127.0.0.1:80: Permission denied; stop what holds the address or choose another port",
    ),
    (ListenError("h", 80, "no", "do"), "listen_error", "cannot listen on h:80: no; do"),
]


@pytest.mark.parametrize(("error", "code", "message"), TEXTS, ids=lambda value: getattr(value, "code", ""))
def test_code_and_message(error, code, message):
    assert error.body() == {"code": code, "message": message}
    assert str(error) == message
    assert error.args == (message,)


@pytest.mark.parametrize("error", [row[0] for row in TEXTS], ids=lambda error: error.code)
@pytest.mark.parametrize("copied", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))], ids=["copy", "pickle"])
def test_a_copy_is_the_same_error(error, copied):
    twin = copied(error)
    assert type(twin) is type(error)
    assert twin.body() == error.body()
    assert vars(twin) == vars(error)


def test_every_public_error_is_in_the_table_and_has_a_code_of_its_own():
    classes = {getattr(errors, name) for name in errors.__all__} - {EngineError}
    assert {type(error) for error, _, _ in TEXTS} == classes
    assert len({cls.code for cls in classes}) == len(classes)
    assert all(issubclass(cls, EngineError) for cls in classes)


def test_the_module_shows_its_tree():
    for name in errors.__all__:
        assert name in errors.__doc__
