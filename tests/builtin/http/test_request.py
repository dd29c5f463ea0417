import json

import pytest

from iii_actors.builtin.http.request import Payloads, header_map, query_map
from iii_actors.builtin.http.routes import route_of
from iii_actors.core.messages import ChannelKey
from tests.support.records import trigger


@pytest.mark.parametrize(
    ("query", "decoded"),
    [
        (b"q=hello", {"q": "hello"}),
        (b"a=b+c%20d", {"a": "b c d"}),
        (b"e", {"e": ""}),
        (b"e=", {"e": ""}),
        (b"=v", {"": "v"}),
        (b"a=1&a=2", {"a": "2"}),
        (b"a=1&&b=2&", {"a": "1", "b": "2"}),
        (b"a=b=c", {"a": "b=c"}),
        (b"a=%zz&b=%4&c=%", {"a": "%zz", "b": "%4", "c": "%"}),
        (b"u=%C3%BC&v=%ff", {"u": "ü", "v": "\ufffd"}),
        (b"k%3D1=%26", {"k=1": "&"}),
        (b"a=1;b=2", {"a": "1;b=2"}),
        (b"", {}),
    ],
)
def test_a_query_is_decoded_as_a_form(query, decoded):
    assert query_map(query) == decoded


def test_headers_are_text_the_last_of_each_and_empty_if_not_visible_ascii():
    headers = [
        (b"x-a", b"1"),
        (b"x-a", b"2"),
        (b"x-tab", b"a\tb c"),
        (b"x-utf8", "ü".encode()),
        (b"x-del", b"a\x7fb"),
        (b"x-empty", b""),
        (b"x-sign", b'~!@#$%^&*()"\\'),
    ]
    assert header_map(headers) == {
        "x-a": "2",
        "x-tab": "a\tb c",
        "x-utf8": "",
        "x-del": "",
        "x-empty": "",
        "x-sign": '~!@#$%^&*()"\\',
    }


def payloads(path, values, query=b"", headers=None, method="GET"):
    one = trigger("t", "http", config={"api_path": path, "http_method": method})
    return Payloads(route_of(one), values, query, headers or {})


def test_the_handlers_payload_is_exactly_this():
    made = payloads("test/items/:id", ("42",), b"q=hello", {"host": "h:3111"})
    upload, response = ChannelKey("u-id", "key"), ChannelKey("r-id", "key2")
    assert json.loads(bytes(made.handler(b'{"n":[1]}', upload, response))) == {
        "path_params": {"id": "42"},
        "query_params": {"q": "hello"},
        "headers": {"host": "h:3111"},
        "path": "test/items/:id",
        "method": "GET",
        "body": {"n": [1]},
        "trigger": {"type": "http", "path": "test/items/:id", "method": "GET"},
        "request_body": {"channel_id": "u-id", "access_key": "key", "direction": "read"},
        "response": {"channel_id": "r-id", "access_key": "key2", "direction": "write"},
    }


def test_the_condition_gets_the_same_without_channels_and_middleware_less():
    made = payloads("/a/:x", ("1",), headers={"a": "b"}, method="put")
    assert json.loads(bytes(made.condition(b"null"))) == {
        "path_params": {"x": "1"},
        "query_params": {},
        "headers": {"a": "b"},
        "path": "/a/:x",
        "method": "PUT",
        "body": None,
        "trigger": {"type": "http", "path": "/a/:x", "method": "PUT"},
    }
    assert json.loads(bytes(made.middleware())) == {
        "phase": "preHandler",
        "request": {"path_params": {"x": "1"}, "query_params": {}, "headers": {"a": "b"}, "method": "PUT"},
        "context": {},
    }


def test_values_stay_encoded_the_last_of_a_name_wins_and_nameless_ones_are_left_out():
    made = payloads("/:a/{b}/:a", ("x%20y", "n", 'q"\\'))
    assert json.loads(bytes(made.middleware()))["request"]["path_params"] == {"a": 'q"\\'}
    assert json.loads(bytes(payloads("/{b}/{*c}", ("n",)).middleware()))["request"]["path_params"] == {}
