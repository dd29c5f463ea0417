import pytest
from pydantic import ValidationError

from iii_actors import limits
from iii_actors.config import BUILT_IN, EngineConfig, ListenerSettings, ObservabilitySettings
from iii_actors.errors import ConfigError


def entry(name, **config):
    return {"name": name, "config": config}


def refusal(**values):
    with pytest.raises(ConfigError) as caught:
        EngineConfig(**values)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_defaults():
    settings = EngineConfig()
    assert settings.registration_namespace_grace_ms == limits.NAMESPACE_GRACE_MS
    assert [one.id for one in settings.instances] == [name for name, one in BUILT_IN.items() if one.always]
    assert settings.listeners() == [ListenerSettings()]
    assert settings.observability() == ObservabilitySettings()
    assert settings.without_effect() == []


def test_the_default_listener_is_loopback():
    (listener,) = EngineConfig().listeners()
    assert (listener.host, listener.port) == ("127.0.0.1", 49134)


def test_listed_workers_come_first_and_modules_after_them():
    settings = EngineConfig(workers=[entry("configuration")], modules=[entry("iii-telemetry", anything=[1])])
    ids = [one.id for one in settings.instances]
    assert ids[:2] == ["configuration", "iii-telemetry"]
    assert sorted(ids) == sorted(name for name, one in BUILT_IN.items() if one.always)


def test_a_repeated_name_is_numbered():
    settings = EngineConfig(workers=[entry("iii-worker-manager", port=port) for port in (1, 2, 3)])
    assert [one.id for one in settings.instances if one.kind == "iii-worker-manager"] == [
        "iii-worker-manager",
        "iii-worker-manager#1",
        "iii-worker-manager#2",
    ]
    assert [listener.port for listener in settings.listeners()] == [1, 2, 3]


@pytest.mark.parametrize("name", ["iii-mine", "mine"])
def test_a_worker_that_is_not_built_in(name):
    assert refusal(workers=[entry("configuration"), entry(name)]) == (
        f"workers[1].name: failed to create worker '{name}': it is not part of this version (built in: "
        f"{', '.join(sorted(BUILT_IN))}); remove the entry"
    )


@pytest.mark.parametrize("name", ["http", "cron", "queue", "state", "pubsub"])
def test_both_spellings_of_a_name(name):
    assert refusal(workers=[entry(name)], modules=[entry(f"iii-{name}")]) == (
        f"modules[0]: Duplicate worker configurations: 'iii-{name}' is the deprecated name for '{name}', but both are "
        f"present. Remove 'iii-{name}' from your configuration."
    )


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("port", -1, "should be greater than or equal to 0, not -1"),
        ("port", True, "should be a whole number, not true"),
        ("port", 1.5, "should be a whole number, not 1.5"),
        ("port", None, "should be a whole number, not null"),
        ("host", 3, "should be text, not 3"),
        ("host", "", "should be some text, not ''"),
        ("host", " h", "not an address"),
        ("reader", "fast", "should be 'shared' or 'own', not 'fast'; leave it out for the default, 'shared'"),
        ("handshake_timeout_ms", 0, "should be greater than or equal to 1, not 0"),
        ("max_connections", "many" * 30, "should be a whole number, not 'manymany"),
        ("ping_interval_s", -0.5, "should be greater than or equal to 0, not -0.5; leave it out for the default, 0.0"),
        ("ping_interval_s", float("nan"), "should be "),
        ("ping_timeout_s", 0, "should be greater than 0, not 0"),
        ("outbox_bytes", [], "should be a whole number, not a list"),
    ],
)
def test_a_listener_setting_out_of_bounds(key, value, problem):
    assert refusal(workers=[entry("iii-worker-manager", **{key: value})]).startswith(
        f"workers[0].config.{key}: {problem}"
    )


def test_a_message_has_room_for_a_frame():
    assert refusal(workers=[entry("iii-worker-manager", max_frame_bytes=10, max_message_bytes=9)]).startswith(
        "workers[0].config: max_message_bytes (9) is less than max_frame_bytes (10); a message must have room for one frame"
    )


def test_two_listeners_on_one_address():
    twice = [entry("iii-worker-manager", port=5), entry("iii-worker-manager", port=5)]
    assert refusal(workers=twice) == (
        "workers[1].config: 127.0.0.1:5 is taken by workers[0]; give each listener its own port"
    )
    free = [entry("iii-worker-manager", port=0), entry("iii-worker-manager", port=0)]
    assert len(EngineConfig(workers=free).listeners()) == 2


def test_a_worker_without_settings():
    assert refusal(workers=[entry("iii-engine-functions", a=1)]) == (
        "workers[0].config.a: unknown field `a`; remove it: there is nothing to set here"
    )


@pytest.mark.parametrize("key", ["level", "log_level"])
@pytest.mark.parametrize("value", ["warn", "WARN"])
def test_the_log_level_has_two_names(key, value):
    settings = EngineConfig(workers=[entry("iii-observability", **{key: value})])
    assert settings.observability().level == "warn"
    assert settings.without_effect() == []


def test_an_unknown_level_is_refused():
    assert refusal(workers=[entry("iii-observability", level="loud")]).startswith(
        "workers[0].config.level: should be 'trace', 'debug', 'info', 'warn' or 'error', not 'loud'"
    )


def test_settings_that_do_nothing_yet_are_named():
    settings = EngineConfig(
        workers=[
            entry("iii-observability", exporter="memory", logs_batch_size=5, trace_storage={"enabled": True}),
            entry("configuration", ttl_seconds=0),
            entry("iii-telemetry", enabled=False),
            entry("iii-cron", adapter={"name": "kv", "config": {"lock_ttl_ms": 1, "file_path": "f"}}),
            entry("iii-cron", adapter={"name": "redis", "config": {"redis_url": "redis://h"}}),
            entry("iii-cron", adapter={"name": "kv"}),
        ]
    )
    assert settings.without_effect() == [
        "iii-observability: accepted, but without effect in this version: logs_batch_size, trace_storage",
        "iii-cron: accepted, but without effect in this version: adapter.config.file_path, adapter.config.lock_ttl_ms",
    ]


def test_listening():
    (listener,) = EngineConfig.listening(reader="own", max_connections=3).listeners()
    assert (listener.port, listener.host, listener.reader, listener.max_connections) == (0, "127.0.0.1", "own", 3)
    with pytest.raises(ConfigError, match="unknown field `prot`"):
        EngineConfig.listening(prot=3)


def test_the_command_lines_options_change_the_primary_listener_only():
    settings = EngineConfig(
        registration_namespace_grace_ms=7,
        workers=[entry("configuration"), entry("iii-worker-manager", port=1, reader="own")],
        modules=[entry("iii-worker-manager", port=2)],
    )
    changed = settings.changed(port=3, host="::1")
    assert [(one.port, one.host, one.reader) for one in changed.listeners()] == [
        (3, "::1", "own"),
        (2, "127.0.0.1", "shared"),
    ]
    assert changed.registration_namespace_grace_ms == 7
    assert [listener.port for listener in settings.listeners()] == [1, 2]


def test_options_without_a_listener_in_the_file_make_one():
    assert [listener.port for listener in EngineConfig().changed(port=9).listeners()] == [9]


def test_settings_do_not_change():
    settings = EngineConfig()
    with pytest.raises(ValidationError):
        settings.workers = []
    with pytest.raises(ValidationError):
        settings.listeners()[0].port = 1


@pytest.mark.parametrize("name", [name for name in BUILT_IN if name != "iii-exec"])  # whose commands nobody can guess
def test_every_built_in_has_settings_that_are_complete_by_default(name):
    assert BUILT_IN[name].settings() == BUILT_IN[name].settings.model_validate({})
