"""What handlers return, and what engines say, through real sockets (http.md §8.1, §9, §10)."""

import re
from collections.abc import Iterator

import pytest

from tests.support.http_engine import Site, error_of, read_answer, site
from tests.support.peer import CallFailed
from tests.support.quiet import leave

VARY = "origin, access-control-request-method, access-control-request-headers"


@pytest.fixture(scope="module")
def shared() -> Iterator[Site]:
    with site() as made:
        yield made


def returning(value):
    return lambda _: value


def test_status_headers_and_json(shared):
    shared.route("j", returning({"status_code": 201, "headers": {"X-A": "b"}, "body": {"a": [1]}}))
    response = shared.get("/j")
    assert (response.status_code, response.content) == (201, b'{"a":[1]}')
    assert response.headers["x-a"] == "b"
    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-length"] == "9"
    assert "server" not in response.headers
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", response.headers["date"])


def test_a_string_with_a_content_type_goes_out_as_it_is(shared):
    shared.route("html", returning({"headers": {"Content-Type": "text/html"}, "body": "<p>ü</p>"}))
    response = shared.get("/html")
    assert (response.content, response.headers["content-type"]) == ("<p>ü</p>".encode(), "text/html")


def test_repeated_headers_are_kept(shared):
    shared.route("cookies", returning({"headers": ["Set-Cookie: a=1", "Set-Cookie: b=2"], "body": 1}))
    assert shared.get("/cookies").raw.headers.getlist("set-cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize("status", [204, 304])
def test_no_bytes_where_there_may_be_none(shared, status):
    shared.route(f"none{status}", returning({"status_code": status, "body": {"a": 1}}))
    with shared.raw() as client:
        for _ in range(2):
            client.send(b"GET /none%d HTTP/1.1\r\nHost: x\r\n\r\n" % status)
            got, headers, body = read_answer(client)
            assert (got, body) == (status, b"")
            assert "content-length" not in headers
            assert "transfer-encoding" not in headers


@pytest.mark.parametrize("status", [600, 799, 999, 418])
def test_every_number_can_be_a_status(shared, status):
    shared.route(f"odd{status}", returning({"status_code": status, "body": 1}))
    with shared.raw() as client:
        client.send(b"GET /odd%d HTTP/1.1\r\nHost: x\r\n\r\n" % status)
        assert read_answer(client)[0] == status


def test_head_has_its_own_route_or_none(shared):
    shared.route("head", returning({"body": "get"}))
    response = shared.ask("HEAD", "/head")
    assert (response.status_code, response.content) == (404, b"")
    shared.route("head", returning({"body": "12345"}), "HEAD")
    response = shared.ask("HEAD", "/head")
    assert (response.status_code, response.headers["content-length"], response.content) == (200, "7", b"")
    shared.route("headless", returning(1), "POST")
    assert shared.ask("HEAD", "/headless").status_code == 405


def test_a_handler_does_not_frame_the_message(shared):
    headers = {"Content-Length": "500", "Transfer-Encoding": "chunked", "Connection": "upgrade", "x-ok": "1"}
    shared.route("frame", returning({"headers": headers, "body": "hi"}))
    with shared.raw() as client:
        for _ in range(2):
            client.send(b"GET /frame HTTP/1.1\r\nHost: x\r\n\r\n")
            status, got, body = read_answer(client)
            assert (status, got["content-length"], body, got["x-ok"]) == (200, "4", b'"hi"', "1")
            assert "connection" not in got
            assert "transfer-encoding" not in got


def test_a_handler_may_have_the_connection_closed(shared):
    shared.route("bye", returning({"headers": {"Connection": "close"}, "body": 1}))
    with shared.raw() as client:
        client.send(b"GET /bye HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(client)[1]["connection"] == "close"
        assert client.rest() == b""


def test_a_handlers_own_date_is_the_only_one(shared):
    shared.route("date", returning({"headers": {"Date": "Thu, 01 Jan 1970 00:00:00 GMT"}, "body": 1}))
    assert shared.get("/date").raw.headers.getlist("date") == ["Thu, 01 Jan 1970 00:00:00 GMT"]


# --- failures --------------------------------------------------------------------------------------------------------


def test_a_path_that_nobody_serves(shared):
    response = shared.get("/nobody/serves/this")
    assert response.status_code == 404
    assert error_of(response) == {"code": "NOT_FOUND", "message": "Not Found"}


def test_a_handler_that_fails(shared, caplog):
    def fail(_):
        raise CallFailed({"code": "invocation_failed", "message": "boom", "stacktrace": "secret"})

    shared.route("fails", fail)
    response = shared.get("/fails")
    error = error_of(response)
    assert response.status_code == 500
    assert (error["code"], error["message"]) == ("invocation_failed", "boom")
    assert re.fullmatch("[0-9a-f]{1,12}", error["error_id"])
    assert "stacktrace" not in error
    assert any(error["error_id"] in record.getMessage() for record in caplog.records), "the log has the same id"


def test_a_worker_that_leaves_in_the_middle(shared):
    peer = shared.make()
    function_id = shared.route("leaves", worker=peer)
    with shared.raw() as client:
        client.send(b"GET /leaves HTTP/1.1\r\nHost: x\r\n\r\n")
        peer.expect(type="invokefunction", function_id=function_id)
        leave(shared.engine, peer, "cut")
        status, _, body = read_answer(client)
        assert status == 500
        assert b'"code":"invocation_stopped","message":"Invocation stopped"' in body


def test_failures_do_not_fill_the_log(shared, caplog):
    shared.bind("no::such", "flood")
    for _ in range(50):
        assert shared.get("/flood").status_code == 500
    assert sum("flood" in record.getMessage() for record in caplog.records) <= 15


# --- cross-origin ----------------------------------------------------------------------------------------------------


def test_cross_origin_headers_are_the_engines(shared):
    named = {"Access-Control-Allow-Origin": "https://mine", "Vary": "accept", "Access-Control-Expose-Headers": "x"}
    shared.route("cors", returning({"headers": named, "body": 1}))
    for path in ("/cors", "/no/such"):
        headers = shared.get(path, headers={"origin": "https://a.example"}).raw.headers
        assert headers.getlist("access-control-allow-origin") == ["*"]
        assert headers.getlist("access-control-expose-headers") == ["*"]
        assert VARY in headers.getlist("vary")
    assert shared.get("/cors").raw.headers.getlist("vary") == ["accept", VARY]


def test_a_preflight(shared):
    shared.route("pre", returning({"body": 1}), "PUT")
    response = shared.ask("OPTIONS", "/pre", headers={"origin": "https://a", "access-control-request-method": "PUT"})
    assert (response.status_code, response.content) == (200, b"")
    names = ("access-control-allow-origin", "access-control-allow-methods", "access-control-allow-headers")
    assert [response.headers[name] for name in names] == ["*", "*", "*"]
    assert (response.headers["vary"], response.headers["allow"]) == (VARY, "PUT")
    assert shared.status(b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") == 200


def test_listed_origins_are_echoed():
    with site(cors={"allowed_origins": ["https://a.example"], "allowed_methods": ["GET", "POST"]}) as own:
        own.route("x", returning({"body": 1}))
        for path, method in (("/x", "GET"), ("/x", "OPTIONS"), ("/none", "GET")):
            good = own.ask(method, path, headers={"origin": "https://a.example"})
            assert good.headers["access-control-allow-origin"] == "https://a.example"
            bad = own.ask(method, path, headers={"origin": "https://b.example"})
            assert "access-control-allow-origin" not in bad.headers
            assert bad.status_code == good.status_code
            assert good.headers["vary"] == VARY
        assert own.ask("OPTIONS", "/x").headers["access-control-allow-methods"] == "GET,POST"
