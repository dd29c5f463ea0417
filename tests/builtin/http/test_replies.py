import json
import re

import pytest
from msgspec import Raw

from iii_actors.builtin.http import replies
from iii_actors.builtin.http.replies import from_handler, from_middleware, legal_header
from iii_actors.wire.messages import ErrorBody

JSON = (b"content-type", b"application/json")


def handler(value):
    return from_handler(Raw(value if isinstance(value, bytes) else json.dumps(value).encode()))


@pytest.mark.parametrize(
    ("given", "status"),
    [(201, 201), (999, 999), (200, 200), (99, 200), (1000, 200), (-5, 200), (101, 200), ("201", 200), (201.0, 200),
     (True, 200), (None, 200), (10**30, 200)],
)  # fmt: skip
def test_the_status_is_an_integer_that_can_end_a_request_or_200(given, status):
    assert handler({"status_code": given, "body": 1}).status == status


@pytest.mark.parametrize("value", ["text", 5, [1], {"statusCode": 404, "status": 404}, {}, True])
def test_what_is_no_response_object_is_not_the_body(value):
    assert handler(value) == (200, [JSON], b"{}")


@pytest.mark.parametrize(
    ("body", "sent"),
    [("hi", b'"hi"'), (None, b"null"), ({"a": [1, 2]}, b'{"a":[1,2]}'), ([], b"[]"), (False, b"false")],
)
def test_without_a_content_type_it_is_json(body, sent):
    assert handler({"body": body}) == (200, [JSON], sent)
    assert handler({"body": body, "headers": {"x": "y"}}).headers == [(b"x", b"y"), JSON]


@pytest.mark.parametrize(
    ("body", "sent"), [("hi", b"hi"), ("ü\n", "ü\n".encode()), (None, b""), ({"a": 1}, b'{"a":1}'), (5, b"5")]
)
def test_with_a_content_type_a_string_is_sent_as_it_is(body, sent):
    made = handler({"body": body, "headers": {"Content-Type": "application/json"}})
    assert made == (200, [JSON], sent)


def test_a_missing_body_is_an_empty_object():
    assert handler({"status_code": 202}).body == b"{}"
    assert handler({"headers": {"content-type": "text/plain"}}).body == b"{}"


def test_the_workers_spaces_are_left_out_and_its_numbers_left_alone():
    assert handler(b'{"body": {"a" : 1.0, "b": [1e2 , 123456789012345678901234567890]}}').body == (
        b'{"a":1.0,"b":[1e2,123456789012345678901234567890]}'
    )


def test_headers_as_an_object():
    made = handler({"headers": {"X-A": " v ", "n": 5, "bad name": "x", "bad": "a\nb", "u": "ü", "": "x"}, "body": 1})
    assert made.headers == [(b"x-a", b"v"), JSON]


def test_headers_as_a_list_keep_repeats():
    made = handler(
        {"headers": ["Set-Cookie: a=1; Path=/", "Set-Cookie:b=2", "none", 5, " X : y:z ", "b\rad: x"], "body": 1}
    )
    assert made.headers == [(b"set-cookie", b"a=1; Path=/"), (b"set-cookie", b"b=2"), (b"x", b"y:z"), JSON]


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Upgrade", "TE", "Trailer"])
def test_framing_is_not_the_handlers_business(name):
    assert legal_header(name, "5") is None
    assert handler({"headers": {name: "5"}, "body": 1}).headers == [JSON]


@pytest.mark.parametrize("result", [b"{", b'{"status_code": 1e999}', b'{"headers": "\\ud800"}', b"[" * 5000])
def test_anything_at_all_makes_an_answer(result):
    assert from_handler(Raw(result)) == (200, [JSON], b"{}")


# --- middleware ------------------------------------------------------------------------------------------------------


def verdict(value):
    return from_middleware(Raw(json.dumps(value).encode()))


@pytest.mark.parametrize(
    "value", [None, {"action": "continue", "context": {"a": 1}}, {}, {"action": "deny"}, 5, [], {"action": "respond"}]
)
def test_anything_but_respond_goes_on(value):
    assert verdict(value) is None


def test_no_result_goes_on():
    assert from_middleware(Raw(b"")) is None


def test_respond_is_always_json():
    assert verdict({"action": "respond", "response": {"status_code": 401, "body": "no"}}) == (401, [JSON], b'"no"')
    made = verdict(
        {"action": "respond", "response": {"headers": {"Content-Type": "text/plain", "x": "y"}, "body": "no"}}
    )
    assert made == (200, [(b"content-type", b"text/plain"), (b"x", b"y")], b'"no"')
    assert verdict({"action": "respond", "response": {}}) == (200, [JSON], b"null")
    assert verdict({"action": "respond", "response": None}) == (200, [JSON], b"null")


@pytest.mark.parametrize("headers", [{"a": "b", "c": 5}, ["a: b"], "a: b", 5])
def test_respond_with_headers_that_are_no_strings_loses_them_all(headers):
    made = verdict({"action": "respond", "response": {"headers": headers, "status_code": 400}})
    assert made == (400, [JSON], b"null")


# --- the engine's own ------------------------------------------------------------------------------------------------


def test_a_failure_carries_its_code_and_an_id():
    reply, error_id = replies.failed(ErrorBody("invocation_failed", "boom", "stack"))
    assert re.fullmatch("[0-9a-f]{1,12}", error_id)
    assert (reply.status, reply.headers) == (500, [JSON])
    assert json.loads(reply.body) == {
        "error": {"code": "invocation_failed", "message": "boom", "error_id": error_id}
    }, "and no stack trace"
    assert replies.failed(ErrorBody("a", "b"))[1] != error_id


def test_the_fixed_ones():
    assert json.loads(replies.NOT_FOUND.body) == {"error": {"code": "NOT_FOUND", "message": "Not Found"}}
    assert json.loads(replies.NOT_MET.body) == {
        "error": {"code": "CONDITION_NOT_MET", "message": "Request condition not met"},
        "skipped": True,
    }
    assert replies.NOT_MET.status == 422
    assert replies.TIMED_OUT == (504, [], b"")
    assert replies.method_not_allowed(b"GET,HEAD") == (405, [(b"allow", b"GET,HEAD")], b"")
