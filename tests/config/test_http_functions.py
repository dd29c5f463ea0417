import pytest

from iii_actors import limits
from iii_actors.config import EngineConfig
from iii_actors.config.http_functions import HttpFunctionsSettings
from iii_actors.errors import ConfigError


def read(config):
    made = EngineConfig(workers=[{"name": "iii-http-functions", "config": config}])
    return next(made.settings_of(HttpFunctionsSettings))


def mistake(config):
    with pytest.raises(ConfigError) as refused:
        read(config)
    return str(refused.value)


def test_it_runs_only_where_it_is_listed():
    assert list(EngineConfig().settings_of(HttpFunctionsSettings)) == []


@pytest.mark.parametrize("config", [None, {}])
def test_defaults(config):
    settings = read(config)
    assert settings.security.url_allowlist == []
    assert settings.security.block_private_ips
    assert settings.security.require_https
    assert settings.retries.count == 0
    assert settings.max_response_bytes == limits.EXTERNAL_RESPONSE_BYTES
    assert settings.max_calls_per_host < settings.max_calls


@pytest.mark.parametrize("glob", ["*", "a?.example", "[ab].example", "[!ab]*", "[]a]", "[[]", "x[a-z]y[0-9]", "a]b"])
def test_globs(glob):
    assert read({"security": {"url_allowlist": [glob]}}).security.url_allowlist == [glob]


@pytest.mark.parametrize("glob", ["[", "a[b", "[]", "[!", "[!]", "[a]["])
def test_what_is_no_glob(glob):
    said = mistake({"security": {"url_allowlist": ["*", glob]}})
    assert said.startswith("workers[0].config.security.url_allowlist: ")
    assert "close it" in said


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"security": {"url_allowlist": [""]}}, "empty glob"),
        ({"security": {"url_allowlist": "*"}}, "should be a list"),
        ({"security": {"block_private_ips": "no"}}, "should be true or false"),
        ({"security": {"more": 1}}, "unknown field `more`, expected one of `url_allowlist`, `block_private_ips`, `require_https`"),
        ({"more": 1}, "unknown field `more`"),
        ({"retries": {"count": -1}}, "greater than or equal to 0"),
        ({"retries": {"count": limits.EXTERNAL_RETRIES + 1}}, "less than or equal to"),
        ({"retries": {"backoff_ms": 0}}, "greater than or equal to 1"),
        ({"max_calls": 0}, "greater than or equal to 1"),
        ({"max_calls": 2, "max_calls_per_host": 3}, "max_calls_per_host (3) is more than max_calls (2)"),
        ({"ca_bundle": "no/such/file"}, "there is no readable file 'no/such/file'; name a file"),
    ],
)  # fmt: skip
def test_mistakes(config, said):
    assert said in mistake(config)


def test_a_small_number_of_calls_needs_no_second_setting():
    assert read({"max_calls": 2}).max_calls == 2
