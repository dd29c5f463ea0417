"""What a span may show of payloads."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iii_worker.limits import TRACE_PAYLOAD_MAX_BYTES
from iii_worker.observability.redact import (
    REDACTED_PLACEHOLDER,
    is_secret_key,
    payloads_shown,
    redact,
    redact_and_truncate,
    redacted_json,
    resolve_max_bytes_from_env,
)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    monkeypatch.delenv("III_TRACE_PAYLOAD_MAX_BYTES", raising=False)
    monkeypatch.delenv("III_DISABLE_TRACE_PAYLOADS", raising=False)


@pytest.mark.parametrize(
    "key",
    [
        *("password", "newPassword", "db_passwd", "secret", "client-secret", "Authorization", "Proxy-Authorization"),
        *("api_key", "apiKey", "X-API-Key", "access_key", "privateKey", "credential", "credentials", "Set-Cookie"),
        *("token", "access_token", "refreshToken", "passphrase", "pwd", "jwt"),
    ],
)
def test_secret_looking_keys(key):
    assert is_secret_key(key)
    assert redact({"x": [{key: {"inner": 1}}]}) == {"x": [{key: REDACTED_PLACEHOLDER}]}
    assert json.loads(redact_and_truncate({"x": [{key: {"inner": "}"}}, 1]})[0]) == {
        "x": [{key: REDACTED_PLACEHOLDER}, 1]
    }


@pytest.mark.parametrize("key", ["name", "max_tokens", "tokens", "author", "keys", "pass", ""])
def test_other_keys(key):
    assert not is_secret_key(key)
    assert redact({key: 1}) == {key: 1}


def test_values_are_not_keys():
    assert redacted_json(b'["password", {"say": "token: x", "k": "secret"}]') == (
        '["password", {"say": "token: x", "k": "secret"}]',
        False,
    )


def test_the_text_is_otherwise_as_it_was():
    text = b' { "a" : [1.50, true,null, "\\u00e9\\""] ,\n"password"  :  [ "x]", {"y": "\\"}"} ] , "z":"q"}'
    assert redacted_json(text)[0] == (
        ' { "a" : [1.50, true,null, "\\u00e9\\""] ,\n"password"  :  "[REDACTED]" , "z":"q"}'
    )


def test_an_escaped_key_is_known_too():
    assert redacted_json(b'{"pass\\u0077ord": "x"}')[0] == '{"pass\\u0077ord": "[REDACTED]"}'


@pytest.mark.parametrize("value", [b'"x"', b"1", b"null", b"[1,[2]]", b'{"a":{"b":1}}', b'"a\\"b"', b"-1.5e3"])
def test_every_kind_of_value_is_hidden(value):
    assert redacted_json(b'{"token":' + value + b',"b":1}')[0] == '{"token":"[REDACTED]","b":1}'


def test_a_long_text_is_cut():
    text, cut = redact_and_truncate({"a": "x" * 100}, 40)
    assert (text, cut) == ('{"a":"' + "x" * 20 + "...[TRUNCATED]", True)
    assert redact_and_truncate({"a": 1}, 40) == ('{"a":1}', False)
    assert redact_and_truncate("é" * 100, 41)[0].encode().__len__() <= 41


def test_a_secret_that_the_cut_goes_through_is_hidden():
    text, cut = redacted_json(b'{"password":"' + b"s" * 1000 + b'"}', 100)
    assert cut
    assert "sss" not in text


def test_the_greatest_length_is_the_environments_or_the_default(monkeypatch):
    assert len(redact_and_truncate("x" * 100_000)[0]) == TRACE_PAYLOAD_MAX_BYTES
    monkeypatch.setenv("III_TRACE_PAYLOAD_MAX_BYTES", "50")
    assert len(redact_and_truncate("x" * 100_000)[0]) == 50
    for nonsense in ("", "0", "-1", "many"):
        monkeypatch.setenv("III_TRACE_PAYLOAD_MAX_BYTES", nonsense)
        assert resolve_max_bytes_from_env() is None


@pytest.mark.parametrize(("value", "shown"), [("1", False), ("TRUE", False), ("0", True), ("", True)])
def test_payloads_can_be_switched_off(monkeypatch, value, shown):
    monkeypatch.setenv("III_DISABLE_TRACE_PAYLOADS", value)
    assert payloads_shown() is shown


def test_what_has_no_form_in_json_fails_nothing():
    class Odd:
        def __str__(self):
            raise RuntimeError

    assert redact_and_truncate({"a": Odd()}) == ("[UNSERIALISABLE]", False)


def test_deep_values_are_cut_off():
    deep = value = {}
    for _ in range(500):
        value["a"] = {}
        value = value["a"]
    assert "[TRUNCATED]" in str(redact(deep))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "password", "api-key", "é", '"', "b\\"]), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(JSON, st.booleans())
def test_text_and_values_are_redacted_alike(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only).encode()
    shown, cut = redacted_json(text)
    assert not cut
    assert json.loads(shown) == redact(value)


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 60))
def test_no_bytes_make_it_fail_and_none_make_it_longer_than_asked(raw, limit):
    shown, _ = redacted_json(raw, limit)
    assert len(shown.encode()) <= limit
