"""Settings of queues (queue.md §3, §8 to §10)."""

import pytest

from iii_actors import limits
from iii_actors.config import default, parse
from iii_actors.config.queue import QueueConfig, QueueSettings
from iii_actors.errors import ConfigError

TEXT = """\
workers:
  - name: iii-queue
    config:
"""


def of(text, name="iii-queue"):
    settings = parse(TEXT.replace("iii-queue", name) + text, "here", {})
    return next(one.settings for one in settings.instances if one.kind == "iii-queue"), settings.without_effect()


def test_it_runs_by_default_and_in_memory():
    (found,) = (one.settings for one in default({}).instances if one.kind == "iii-queue")
    assert found == QueueSettings()
    assert (found.adapter.name, found.adapter.config.store_method) == ("builtin", "in_memory")
    assert found.queues == {"default": QueueConfig()}
    assert default({}).without_effect() == []


def test_the_queue_default_is_as_the_protocol_has_it():
    one = QueueSettings().queues["default"]
    assert (one.max_retries, one.concurrency, one.type, one.backoff_ms) == (3, 10, "standard", 1000)
    assert (one.message_group_field, one.max_priority, one.priority_field) == (None, None, None)
    found, _ = of("      queue_configs: {default: {concurrency: 2}}\n")
    assert found.queues["default"].concurrency == 2


@pytest.mark.parametrize("name", ["queue", "iii-queue"])
def test_all_keys(name):
    text = """\
      adapter: {name: builtin, config: {store_method: file_based, file_path: ./jobs, durability: process}}
      auto_create: true
      forget_subscription_after_s: 60
      queue_configs:
        plain:
        orders:
          type: fifo
          message_group_field: customer
          concurrency: 4
          max_retries: 0
          backoff_ms: 0
          max_backoff_ms: 60000
          jitter: 1
          visibility_timeout_ms: 30000
          idempotency_window_ms: 1000
          max_jobs: 5
          max_priority: 255
          priority_field: rank
"""
    found, warnings = of(text, name)
    assert warnings == []
    assert found.adapter.config.durability == "process"
    assert (found.auto_create, found.forget_subscription_after_s) == (True, 60)
    assert found.queues["plain"] == QueueConfig()
    assert found.queues["orders"] == QueueConfig(
        type="fifo", message_group_field="customer", concurrency=4, max_retries=0, backoff_ms=0, max_backoff_ms=60000,
        jitter=1.0, visibility_timeout_ms=30000, idempotency_window_ms=1000, max_jobs=5, max_priority=255,
        priority_field="rank",
    )  # fmt: skip


def test_a_file_is_on_disk_unless_it_is_said():
    found, _ = of("      adapter: {name: builtin, config: {store_method: file_based}}\n")
    assert (found.adapter.config.durability, found.adapter.config.file_path) == ("disk", "kv_store_data.db")


def test_what_has_no_effect_is_said():
    text = """\
      adapter: {name: builtin, config: {poll_interval_ms: 5, cleverness: 3}}
      queue_configs: {mails: {poll_interval_ms: 50}}
"""
    _, warnings = of(text)
    assert warnings == [
        "iii-queue: accepted, but without effect in this version: queue_configs.mails.poll_interval_ms, "
        "adapter.config.cleverness, adapter.config.poll_interval_ms"
    ]


def test_the_other_adapters():
    found, _ = of("      adapter: {name: redis, config: {redis_url: redis://there}}\n")
    assert found.adapter.config.redis_url == "redis://there"
    found, _ = of("      adapter: {name: rabbitmq}\n")
    assert (found.adapter.config.amqp_url, found.adapter.config.max_attempts) == (limits.AMQP_URL, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "      queue_configs: {q: {type: lifo}}\n",
            "here:4: workers[0].config.queue_configs: Queue 'q' has invalid type 'lifo'. Must be 'standard' or 'fifo'",
        ),
        (
            "      queue_configs: {q: {type: fifo}}\n",
            "here:4: workers[0].config.queue_configs: Queue 'q' is of type 'fifo' but 'message_group_field' is not set",
        ),
        ("      queue_configs: {q: {concurrency: 0}}\n", "Queue 'q' has 'concurrency' 0; it must be at least 1"),
        (
            "      queue_configs: {q: {max_priority: 0}}\n",
            "Queue 'q' has 'max_priority' 0; it must be between 1 and 255",
        ),
        ("      queue_configs: {q: {max_priority: 256}}\n", "it must be between 1 and 255"),
        ("      queue_configs: {q: {max_retries: -1}}\n", "workers[0].config.queue_configs.q.max_retries: should be"),
        ("      queue_configs: {q: {max_retries: many}}\n", "should be a whole number, not 'many'"),
        (
            "      queue_configs: {q: {retries: 1}}\n",
            "workers[0].config.queue_configs.q.retries: unknown field `retries`, expected one of `max_retries`",
        ),
        ("      queue_configs: {q: 5}\n", "workers[0].config.queue_configs.q: should be a mapping, not 5"),
        ("      queue_configs: {q: {jitter: 2}}\n", "workers[0].config.queue_configs.q.jitter: should be"),
        ("      queue_configs: {'': {}}\n", "the name of a queue has 1 to 1024 characters"),
        ("      queues: {}\n", "workers[0].config.queues: unknown field `queues`, expected one of `adapter`"),
        ("      adapter: {name: bridge}\n", "the adapter 'bridge' is not part of this version"),
        ("      adapter: {name: kafka}\n", 'not found. Available: ["builtin", "rabbitmq", "redis"]'),
        ("      adapter: {name: rabbitmq, config: {amqp_url: localhost}}\n", "not the URL of a RabbitMQ; write for"),
        (
            "      adapter: {name: builtin, config: {durability: forever}}\n",
            "durability: should be 'disk', 'process' or 'memory', not 'forever'",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place_and_mend(text, message):
    with pytest.raises(ConfigError) as refused:
        of(text)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
