"""Settings of telemetry and the environment variables behind them."""

import pytest

from iii_worker.observability.config import OtelConfig, otel_config_from, telemetry_url

VARIABLES = ["OTEL_ENABLED", "OTEL_SERVICE_NAME", "SERVICE_VERSION", "SERVICE_NAMESPACE", "SERVICE_INSTANCE_ID"]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_the_defaults():
    config = OtelConfig().resolved(installed=True)
    assert (config.enabled, config.service_name, config.service_version) == (True, "iii-python-sdk", "unknown")
    assert (config.spans_flush_interval_ms, config.logs_flush_interval_ms, config.logs_batch_size) == (100, 100, 1)
    assert (config.logs_enabled, config.metrics_enabled, config.metrics_export_interval_ms) == (True, True, 60000)
    assert config.fetch_instrumentation_enabled
    assert config.resource()["service.instance.id"] == config.service_instance_id
    assert "service.namespace" not in config.resource()


@pytest.mark.parametrize(
    ("given", "variable", "installed", "enabled"),
    [
        (None, None, True, True),
        (None, None, False, False),
        (True, None, False, True),
        (True, "false", False, True),
        (False, "true", True, False),
        *[(None, off, True, False) for off in ("false", "0", "no", "OFF")],
        (None, "1", False, True),
        (None, "perhaps", False, False),
    ],
)
def test_who_decides_whether_it_is_on(monkeypatch, given, variable, installed, enabled):
    if variable is not None:
        monkeypatch.setenv("OTEL_ENABLED", variable)
    assert OtelConfig(enabled=given).resolved(installed=installed).enabled is enabled


def test_the_environment_names_the_service_unless_the_code_does(monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    monkeypatch.setenv("SERVICE_NAMESPACE", "prod")
    assert OtelConfig().resolved(installed=True).resource()["service.name"] == "shop"
    assert OtelConfig(service_name="x").resolved(installed=True).resource()["service.name"] == "x"
    assert OtelConfig().resolved(installed=True).resource()["service.namespace"] == "prod"


def test_a_mapping_will_do():
    assert otel_config_from({"service_name": "x"}) == OtelConfig(service_name="x")
    assert otel_config_from(None) == OtelConfig()


def test_an_unknown_setting_is_named_with_the_known_ones():
    with pytest.raises(TypeError, match=r"no setting serviceName; there are enabled, service_name"):
        otel_config_from({"serviceName": "x"})


@pytest.mark.parametrize("name", ["logs_batch_size", "metrics_export_interval_ms", "spans_flush_interval_ms"])
def test_a_value_out_of_range_is_refused(name):
    with pytest.raises(ValueError, match=f"otel: {name} is -1: it must"):
        OtelConfig(**{name: -1})


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("ws://127.0.0.1:49134", "ws://127.0.0.1:49134/otel"),
        ("ws://host/", "ws://host/otel"),
        ("wss://host/base?token=x", "wss://host/base/otel?token=x"),
        ("http://[::1]:80", "ws://[::1]:80/otel"),
    ],
)
def test_where_telemetry_goes(address, url):
    assert telemetry_url(address) == url
