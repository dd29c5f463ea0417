"""Settings of streams (stream.md §7)."""

import pytest

from iii_actors.config import default, parse
from iii_actors.config.stream import StreamSettings
from iii_actors.errors import ConfigError

TEXT = """\
workers:
  - name: iii-stream
    config:
"""


def of(text):
    settings = parse(TEXT + text, "here", {})
    return next(one.settings for one in settings.instances if one.kind == "iii-stream"), settings.without_effect()


def test_it_runs_by_default_and_in_memory():
    (found,) = (one.settings for one in default({}).instances if one.kind == "iii-stream")
    assert found == StreamSettings()
    assert (found.adapter.name, found.adapter.config.store_method) == ("kv", "in_memory")
    assert default({}).without_effect() == []


def test_without_settings_nothing_is_warned_of():
    assert of("      adapter: {name: kv}\n") == (StreamSettings(), [])


def test_a_bound_that_is_not_ours_is_accepted_with_a_warning():
    _, warnings = of("      adapter: {name: kv, config: {channel_size: 256}}\n")
    assert warnings == ["iii-stream: accepted, but without effect in this version: adapter.config.channel_size"]


def test_the_socket_is_for_this_machine_only_unless_it_is_said():
    found, _ = of("      adapter: {name: kv}\n")
    assert (found.host, found.port, found.auth_function) == ("127.0.0.1", 3112, None)
    text = "      port: ${STREAMS_PORT:3114}\n      host: 0.0.0.0\n      auth_function: auth\n      outbox_bytes: 5\n"
    found, warnings = of(text)
    assert (found.host, found.port, found.auth_function, found.outbox_bytes) == ("0.0.0.0", 3114, "auth", 5)
    assert warnings == []


def test_redis():
    found, warnings = of("      adapter: {name: redis, config: {redis_url: redis://there}}\n")
    assert (found.adapter.config.redis_url, warnings) == ("redis://there", [])


def test_a_file():
    config = "{store_method: file_based, file_path: ./data/stream_store, save_interval_ms: 500, durability: disk}"
    found, warnings = of(f"      adapter: {{name: kv, config: {config}}}\n")
    chosen = found.adapter.config
    assert (chosen.store_method, chosen.file_path, chosen.durability) == ("file_based", "./data/stream_store", "disk")
    assert warnings == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "      prot: 3112\n",
            "here:4: workers[0].config.prot: unknown field `prot`, expected one of `port`",
        ),
        ("      port: abc\n", "here:4: workers[0].config.port: should be a whole number, not 'abc'"),
        ("      port: 65536\n", "here:4: workers[0].config.port: should be"),
        ("      host: ''\n", "here:4: workers[0].config.host: should be some text, not ''"),
        ("      auth_function: 5\n", "here:4: workers[0].config.auth_function: should be text, not 5"),
        (
            "      adapter:\n        name: bucket\n",
            'here:5: workers[0].config.adapter.name: Adapter factory \'bucket\' not found. Available: ["bridge", "kv", "redis"]',
        ),
        ("      host: ' '\n", "here:4: workers[0].config.host: not an address"),
        ("      max_message_bytes: 5\n", "is less than max_frame_bytes"),
        (
            "      adapter:\n        name: kv\n        config: {channel_size: 0}\n",
            "workers[0].config.adapter.config: channel_size: should be",
        ),
        (
            "      adapter:\n        name: kv\n        config: {file: x}\n",
            "workers[0].config.adapter.config: unknown field `file`, expected one of",
        ),
        ("      adapter: {name: kv, more: 1}\n", "workers[0].config.adapter.more: unknown field `more`"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_mend(text, message):
    with pytest.raises(ConfigError) as refused:
        of(text)
    assert message in str(refused.value)
    assert refused.value.mend or "should be" in refused.value.problem
    assert "\n" not in str(refused.value)
