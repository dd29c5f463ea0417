"""Settings of the HTTP front (http.md §11)."""

import pytest
from pydantic import ValidationError

from iii_actors import limits
from iii_actors.config import parse
from iii_actors.config.http import HttpSettings
from iii_actors.errors import ConfigError


def test_defaults():
    settings = HttpSettings()
    assert (settings.port, settings.host, settings.default_timeout) == (3111, "127.0.0.1", 30_000)
    assert (settings.cors, settings.concurrency_request_limit, settings.middleware) == (None, 1024, [])
    assert settings.max_connections == limits.HTTP_MAX_CONNECTIONS


def test_a_whole_one_from_yaml():
    text = """
workers:
  - name: http
    config:
      port: ${P:0}
      host: 0.0.0.0
      default_timeout: 500
      cors: {allowed_origins: [https://a], allowed_methods: [GET]}
      concurrency_request_limit: 0
      middleware:
        - {function_id: auth}
        - {function_id: log, priority: -5, phase: preHandler}
"""
    config = parse(text, "c.yaml", {})
    (settings,) = config.settings_of(HttpSettings)
    assert (settings.port, settings.host, settings.concurrency_request_limit) == (0, "0.0.0.0", 1)
    assert settings.cors.allowed_origins == ["https://a"]
    assert [(one.function_id, one.phase, one.priority) for one in settings.middleware] == [
        ("auth", "preHandler", 0),
        ("log", "preHandler", -5),
    ]


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ("{prot: 1}", "workers[0].config.prot"),
        ("{port: 70000}", "workers[0].config.port"),
        ("{port: '3111'}", "workers[0].config.port"),
        ("{host: ''}", "workers[0].config.host"),
        ("{default_timeout: 0}", "workers[0].config.default_timeout"),
        ("{concurrency_request_limit: -1}", "workers[0].config.concurrency_request_limit"),
        ("{cors: {origins: []}}", "workers[0].config.cors.origins"),
        ("{cors: {allowed_origins: '*'}}", "workers[0].config.cors.allowed_origins"),
        ("{middleware: [{}]}", "workers[0].config.middleware[0].function_id"),
        ("{middleware: [{function_id: a, when: b}]}", "workers[0].config.middleware[0].when"),
        ("{middleware: [{function_id: ''}]}", "workers[0].config.middleware[0].function_id"),
    ],
)
def test_mistakes_are_named_with_their_place(config, place):
    with pytest.raises(ConfigError) as refused:
        parse(f"workers:\n  - name: iii-http\n    config: {config}\n", "c.yaml", {})
    assert place in str(refused.value)
    assert "c.yaml:3" in str(refused.value)


def test_they_are_frozen():
    with pytest.raises(ValidationError):
        HttpSettings().port = 5
