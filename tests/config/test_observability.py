"""Settings of ``iii-observability``, and what the environment adds to them (config-and-cli.md §4)."""

import pytest

from iii_actors.config import EngineConfig
from iii_actors.errors import ConfigError


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    monkeypatch.delenv("OTEL_ENABLED", raising=False)


def settings(**config):
    return EngineConfig(workers=[{"name": "iii-observability", "config": config}]).observability()


def test_variables_fill_in_what_a_block_leaves_out(monkeypatch):
    given = {
        "OTEL_ENABLED": "false",
        "OTEL_SERVICE_NAME": "123",
        "SERVICE_VERSION": "7",
        "SERVICE_NAMESPACE": "prod",
        "OTEL_EXPORTER_TYPE": "both",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317",
        "OTEL_TRACES_SAMPLER_ARG": "0.5",
        "OTEL_MEMORY_MAX_SPANS": "10",
        "OTEL_LIVE_SPANS": "true",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    found = settings(memory_max_spans=5)
    assert (found.enabled, found.service_name, found.service_version) == (False, "123", "7")
    assert (found.service_namespace, found.exporter, found.endpoint) == ("prod", "both", "http://c:4317")
    assert (found.sampling_ratio, found.memory_max_spans, found.live_spans) == (0.5, 5, True)


def test_without_a_block_they_say_nothing(monkeypatch):
    monkeypatch.setenv("OTEL_ENABLED", "false")
    assert EngineConfig().observability().enabled is True


def test_an_empty_variable_counts_as_none(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_TYPE", "")
    assert settings().exporter == "memory"


def test_a_wrong_one_is_refused_by_its_key(monkeypatch):
    monkeypatch.setenv("OTEL_MEMORY_MAX_SPANS", "many")
    with pytest.raises(ConfigError, match=r"workers\[0\]\.config\.memory_max_spans"):
        settings()


def test_a_port_for_prometheus_is_opened_only_if_asked_for():
    assert settings().prometheus is None
    found = settings(prometheus={}).prometheus
    assert (found.host, found.port) == ("127.0.0.1", 9464)
