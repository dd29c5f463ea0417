"""`adapter: {name, config}` of cron and pub/sub: what may be chosen, and how a mistake is told."""

import pytest

from iii_actors.config import EngineConfig, default, parse
from iii_actors.config.adapters import RedisSettings
from iii_actors.config.cron import CronSettings, KvLockSettings
from iii_actors.config.pubsub import PubSubSettings
from iii_actors.config.settings import NoSettings
from iii_actors.errors import ConfigError


def settings_of(name, config=None):
    (instance,) = (
        one for one in EngineConfig(workers=[{"name": name, "config": config}]).instances if one.kind == name
    )
    return instance.settings


def refused(name, adapter):
    with pytest.raises(ConfigError) as failed:
        settings_of(name, {"adapter": adapter})
    return failed.value


def test_both_run_by_default():
    kinds = {one.kind: one.settings for one in default({}).instances}
    assert kinds["iii-pubsub"] == PubSubSettings()
    assert kinds["iii-cron"] == CronSettings()


@pytest.mark.parametrize(
    ("name", "config", "adapter", "settings"),
    [
        ("iii-pubsub", None, "local", NoSettings()),
        ("iii-pubsub", {"adapter": {"name": "local"}}, "local", NoSettings()),
        ("iii-pubsub", {"adapter": {"name": "local", "config": None}}, "local", NoSettings()),
        ("iii-pubsub", {"adapter": {"name": "redis"}}, "redis", RedisSettings(redis_url="redis://localhost:6379")),
        (
            "iii-pubsub",
            {"adapter": {"name": "redis", "config": {"redis_url": "rediss://h:1/2"}}},
            "redis",
            RedisSettings(redis_url="rediss://h:1/2"),
        ),
        ("iii-cron", None, "kv", KvLockSettings()),
        (
            "iii-cron",
            {"adapter": {"name": "kv", "config": {"lock_ttl_ms": 1000, "store_method": "file_based"}}},
            "kv",
            KvLockSettings(lock_ttl_ms=1000, store_method="file_based"),
        ),
        ("iii-cron", {"adapter": {"name": "redis", "config": {}}}, "redis", RedisSettings()),
    ],
)
def test_what_may_be_chosen(name, config, adapter, settings):
    chosen = settings_of(name, config).adapter
    assert (chosen.name, chosen.config) == (adapter, settings)


def test_the_protocol_s_defaults():
    assert KvLockSettings().model_dump() == {
        "lock_ttl_ms": 30_000,
        "lock_index": "cron_locks",
        "store_method": "in_memory",
        "file_path": "kv_store_data.db",
        "save_interval_ms": 5000,
    }


@pytest.mark.parametrize(
    ("name", "adapter", "place", "problem"),
    [
        (
            "iii-pubsub",
            {"name": "kafka"},
            ".name",
            'Adapter factory \'kafka\' not found. Available: ["local", "redis"]',
        ),
        ("iii-cron", {"name": "local"}, ".name", 'Adapter factory \'local\' not found. Available: ["kv", "redis"]'),
        ("iii-cron", {"name": 5}, ".name", "should be text, not 5"),
        ("iii-cron", {"config": {}}, ".name", "missing field `name`"),
        ("iii-cron", None, "", "should be a mapping, not null"),
        ("iii-cron", "redis", "", "should be a mapping, not 'redis'"),
        ("iii-pubsub", {"name": "local", "config": {"x": 1}}, ".config", "unknown field `x`"),
        (
            "iii-pubsub",
            {"name": "redis", "config": {"url": ""}},
            ".config",
            "unknown field `url`, expected one of `redis_url`",
        ),
        ("iii-pubsub", {"name": "redis", "config": {"redis_url": 5}}, ".config", "redis_url: should be text, not 5"),
        (
            "iii-pubsub",
            {"name": "redis", "config": {"redis_url": "h:1"}},
            ".config",
            "redis_url: not the URL of a Redis",
        ),
        ("iii-pubsub", {"name": "redis", "config": 5}, ".config", "should be a mapping, not 5"),
        (
            "iii-cron",
            {"name": "kv", "config": {"save_interval_ms": 99}},
            ".config",
            "save_interval_ms: should be greater",
        ),
        (
            "iii-cron",
            {"name": "kv", "config": {"store_method": "disk"}},
            ".config",
            "store_method: should be 'in_memory' or",
        ),
        ("iii-cron", {"name": "kv", "more": 1}, ".more", "unknown field `more`"),
    ],
)
def test_a_mistake_is_told_with_its_place(name, adapter, place, problem):
    error = refused(name, adapter)
    assert error.place == f"workers[0].config.adapter{place}"
    assert error.problem.startswith(problem)
    assert "\n" not in error.message


def test_an_unknown_key_beside_the_adapter_is_refused():
    with pytest.raises(ConfigError, match="unknown field `adaptor`, expected one of `adapter`"):
        settings_of("iii-pubsub", {"adaptor": {"name": "local"}})


def test_in_a_file_the_line_is_told_too():
    text = "workers:\n  - name: pubsub\n    config:\n      adapter:\n        name: kafka\n"
    with pytest.raises(
        ConfigError, match=r"^here:5: workers\[0\].config.adapter.name: Adapter factory 'kafka' not found"
    ):
        parse(text, "here", {})
