import pytest

from iii_worker import HttpAuthApiKey, HttpAuthBearer, HttpAuthHmac, HttpInvocationConfig
from iii_worker.external import invocation_from

URL = "https://example.test/hook"


@pytest.mark.parametrize(
    ("config", "wire"),
    [
        (HttpInvocationConfig(URL), {"url": URL, "method": "POST"}),
        (HttpInvocationConfig(URL, "get", 500), {"url": URL, "method": "GET", "timeout_ms": 500}),
        (
            HttpInvocationConfig(URL, headers={"X-A": "1"}, auth=HttpAuthBearer("TOKEN")),
            {
                "url": URL,
                "method": "POST",
                "headers": {"X-A": "1"},
                "auth": {"type": "bearer", "token_key": "TOKEN"},
            },
        ),
        (
            HttpInvocationConfig(URL, auth=HttpAuthHmac("SECRET")),
            {"url": URL, "method": "POST", "auth": {"type": "hmac", "secret_key": "SECRET"}},
        ),
        (
            HttpInvocationConfig(URL, auth={"type": "api_key", "header": "X-Key", "value_key": "KEY"}),
            {"url": URL, "method": "POST", "auth": {"type": "api_key", "header": "X-Key", "value_key": "KEY"}},
        ),
    ],
)
def test_on_the_wire(config, wire):
    assert config.to_wire() == wire
    assert HttpInvocationConfig(**wire).to_wire() == wire


def test_a_mapping_is_taken_for_one():
    config = invocation_from({"url": URL, "auth": {"type": "bearer", "token_key": "T"}, "timeout_ms": None})
    assert config == HttpInvocationConfig(URL, auth=HttpAuthBearer("T"))
    assert invocation_from(config) is config
    assert invocation_from(print) is None
    assert HttpInvocationConfig(URL, auth=HttpAuthApiKey("X", "K")).auth == HttpAuthApiKey("X", "K")


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"url": ""}, ValueError, "url is ''"),
        ({"url": 7}, ValueError, "url is 7"),
        ({"url": URL, "method": "HEAD"}, ValueError, "method is 'HEAD': it must be one of GET"),
        ({"url": URL, "timeout_ms": 0}, ValueError, "timeout_ms is 0"),
        ({"url": URL, "timeout_ms": 1.5}, ValueError, "timeout_ms is 1.5"),
        ({"url": URL, "headers": {"a": 1}}, TypeError, "headers: 'a': 1 must be texts"),
        ({"url": URL, "auth": {"type": "basic"}}, ValueError, "auth must be one of HttpAuthHmac"),
        ({"url": URL, "auth": {"type": "bearer"}}, ValueError, "auth of type 'bearer' has token_key"),
        ({"url": URL, "auth": "x"}, ValueError, "auth must be one of"),
        ({"address": URL}, TypeError, "must have url; given were address"),
        ({"url": URL, "verb": "GET"}, TypeError, "an HTTP invocation has url, method"),
    ],
)
def test_what_is_wrong_is_named(given, error, message):
    with pytest.raises(error) as caught:
        invocation_from(given)
    assert message in str(caught.value)
