import base64
import hashlib
import hmac
import json

import pytest

from iii_actors.builtin.http_functions.invocation import endpoint
from iii_actors.builtin.http_functions.request import body, request
from iii_actors.wire.codec import raw

ENVIRON = {"S": "geheim ü"}


def made(content=b"{}", function_id="f", **members):
    at = endpoint(function_id, raw({"url": "https://h:8443/p"} | members), ENVIRON)
    return request(at, content, "the id", 1_700_000_000.9)


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        (b'{ "a" : [ 1.50 , 1e5 ] }', b'{"a":[1.50,1e5],"_caller_worker_id":"w"}'),
        (b"{ }", b'{"_caller_worker_id":"w"}'),
        (b'{"_caller_worker_id":"x","a":{"_caller_worker_id":"x"}}', b'{"_caller_worker_id":"w","a":{"_caller_worker_id":"x"}}'),
        (b"[1, 2]", b"[1,2]"),
        (b"null", b"null"),
        (b'"\\u00e9 \xc3\xa9"', b'"\\u00e9 \xc3\xa9"'),
        (b"123456789012345678901234567890", b"123456789012345678901234567890"),
    ],
)  # fmt: skip
def test_the_body_is_compact_and_names_the_caller(data, sent):
    assert body(data, "w") == sent


def test_without_a_caller_nothing_is_added():
    assert body(b'{ "a": 1 }', None) == b'{"a":1}'


def test_a_member_twice_is_a_member_once():
    sent = body(b'{"a":1,"a":2,"_caller_worker_id":"x","_caller_worker_id":"y"}', "w")
    assert json.loads(sent, object_pairs_hook=list) == [("a", 2), ("_caller_worker_id", "w")]


def test_what_cannot_be_read():
    with pytest.raises(RecursionError):
        body(b"[" * 10**5 + b"]" * 10**5, "w")


def test_the_headers_in_order():
    names = [name for name, _ in made(headers={"X-A": "1", "content-type": "x/y"}).headers]
    assert names[:7] == [
        "Host", "Content-Type", "x-iii-Function-Path", "x-iii-Invocation-ID", "x-iii-Timestamp", "X-A", "content-type",
    ]  # fmt: skip
    headers = dict(made().headers)
    assert headers["Host"] == "h:8443"
    assert headers["x-iii-Timestamp"] == "1700000000"
    assert headers["x-iii-Invocation-ID"] == "the id"
    assert headers["Content-Length"] == "2"


def test_own_headers_give_way():
    headers = made(headers={"user-agent": "me"}).headers
    assert [value for name, value in headers if name.lower() == "user-agent"] == ["me"]


def test_text_beyond_ascii_is_utf8():
    headers = dict(made(function_id="größe").headers)
    assert headers["x-iii-Function-Path"].encode("latin-1").decode() == "größe"


def test_the_signature_covers_time_and_body():
    content = b'{"a":"\xc3\xa9"}'
    headers = dict(made(content, auth={"type": "hmac", "secret_key": "S"}).headers)
    signed = b"1700000000:" + base64.b64encode(content)
    assert headers["x-iii-Signature"] == "sha256=" + hmac.new("geheim ü".encode(), signed, hashlib.sha256).hexdigest()


def test_credentials_come_after_configured_headers():
    headers = made(headers={"Authorization": "x"}, auth={"type": "bearer", "token_key": "S"}).headers
    given = [value for name, value in headers if name == "Authorization"]
    assert given == ["x", "Bearer geheim ü".encode().decode("latin-1")]
