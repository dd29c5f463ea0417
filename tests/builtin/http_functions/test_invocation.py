import pytest

from iii_actors import limits
from iii_actors.builtin.http_functions.errors import InvalidInvocation, UrlRefused
from iii_actors.builtin.http_functions.invocation import ApiKey, Bearer, Hmac, endpoint
from iii_actors.wire.codec import raw

ENVIRON = {"SECRET": "s3cr3t", "EMPTY": "", "TWO_LINES": "a\nb"}


def read(**members):
    return endpoint("f", raw({"url": "https://h/"} | members), ENVIRON)


def mistake(function_id="f", **members):
    with pytest.raises(InvalidInvocation) as refused:
        endpoint(function_id, raw({"url": "https://h/"} | members), ENVIRON)
    return refused.value.message


def test_defaults():
    read_so = read()
    assert (read_so.function_id, read_so.method, read_so.headers, read_so.auth) == ("f", "POST", (), None)
    assert read_so.timeout_s == 30
    assert read_so.url.host == "h"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_methods(method):
    assert read(method=method).method == method


@pytest.mark.parametrize("method", ["get", "HEAD", "OPTIONS", "", 1, None])
def test_other_methods(method):
    assert "`$.method`" in mistake(method=method)


def test_unknown_members_are_ignored_and_null_is_absence_where_it_may_be():
    assert read(more=1, timeout_ms=None, auth=None) == read()


@pytest.mark.parametrize(("given", "used"), [(0, 0), (1, 0.001), (1500, 1.5), (10**15, 3600)])
def test_timeouts(given, used):
    assert read(timeout_ms=given).timeout_s == used


@pytest.mark.parametrize("timeout_ms", [-1, 1.5, "1", True])
def test_wrong_timeouts(timeout_ms):
    assert "timeout_ms" in mistake(timeout_ms=timeout_ms)


def test_secrets_are_read_now_and_never_shown():
    hmac = read(auth={"type": "hmac", "secret_key": "SECRET"})
    bearer = read(auth={"type": "bearer", "token_key": "SECRET"})
    key = read(auth={"type": "api_key", "header": "X-Key", "value_key": "SECRET"}, headers={"X-More": "s3cr3t"})
    assert (hmac.auth, bearer.auth, key.auth) == (Hmac(b"s3cr3t"), Bearer("s3cr3t"), ApiKey("X-Key", "s3cr3t"))
    assert "s3cr3t" not in repr([hmac, bearer, key])


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        ({"type": "hmac", "secret_key": "NONE"}, "`invocation.auth.secret_key` names the environment variable 'NONE', which is not set in the engine's process; set it"),
        ({"type": "bearer", "token_key": "EMPTY"}, "`invocation.auth.token_key` names the environment variable 'EMPTY', which is empty"),
        ({"type": "bearer", "token_key": "TWO_LINES"}, "environment variable TWO_LINES has control characters"),
        ({"type": "api_key", "header": "X", "value_key": "TWO_LINES"}, "environment variable TWO_LINES has control characters"),
        ({"type": "api_key", "header": "a b", "value_key": "SECRET"}, "`invocation.auth.header`: 'a b' is not a header's name"),
        ({"type": "api_key", "header": "Host", "value_key": "SECRET"}, "'Host' is set by the engine; remove it"),
        ({"type": "api_key", "value_key": "SECRET"}, "missing required field `header`"),
        ({"type": "digest"}, "Invalid value 'digest' - at `$.auth.type`"),
        ({}, "missing required field `type`"),
        ("bearer", "`$.auth`"),
    ],
)  # fmt: skip
def test_wrong_credentials(auth, said):
    message = mistake(auth=auth)
    assert said in message
    assert "a\nb" not in message


@pytest.mark.parametrize("name", ["", "a b", "a:b", "ü", "a\n", "(x)"])
def test_wrong_names_of_headers(name):
    assert f"{name!r} is not a header's name" in mistake(headers={name: "x"})


@pytest.mark.parametrize("value", ["a\r\nb: c", "\x00", "a\n", "\x7f"])
def test_wrong_values_of_headers_are_not_shown(value):
    message = mistake(headers={"X": value})
    assert "control characters" in message
    assert repr(value)[1:-1] not in message.removesuffix("sent")


@pytest.mark.parametrize(
    "name", ["Content-Length", "transfer-encoding", "HOST", "Connection", "Expect", "TE", "Upgrade"]
)
def test_the_engine_s_own_headers(name):
    assert "is set by the engine; remove it" in mistake(headers={name: "x"})


def test_many_headers():
    assert len(read(headers={f"x-{n}": "" for n in range(limits.EXTERNAL_HEADERS)}).headers) == limits.EXTERNAL_HEADERS
    assert "at most" in mistake(headers={f"x-{n}": "" for n in range(limits.EXTERNAL_HEADERS + 1)})


def test_an_id_that_no_header_can_hold():
    assert "rename it" in mistake("a\r\nX: y")
    assert endpoint("größe", raw({"url": "https://h/"}), {}).function_id == "größe"


@pytest.mark.parametrize("invocation", [b"1", b"null", b"[]", b"{}", b'{"url":null}', b"{", b""])
def test_what_is_no_invocation(invocation):
    with pytest.raises(InvalidInvocation, match="`invocation` is wrong"):
        endpoint("f", invocation, {})


def test_a_wrong_url():
    with pytest.raises(UrlRefused):
        read(url="no url")
