"""Outgoing HTTP requests as spans."""

import http.server
import json
import threading
import urllib.request

import pytest
import requests

from iii_worker import tracing
from iii_worker.observability import execute_traced_request
from tests.sdk.observability.conftest import attributes

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(dict(self.headers)).encode()
        self.send_response(404 if self.path.startswith("/missing") else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the base class's naming

    def log_message(self, *arguments):
        """Keep the tests' output clean."""


@pytest.fixture
def site():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def headers_of(answer):
    return {name.lower(): value for name, value in json.loads(answer).items()}


def test_it_is_a_span_and_the_trace_goes_along(telemetry, site):
    with tracing.activate(TRACEPARENT, "a=1", "f", b"{}"), execute_traced_request(f"{site}/x?key=secret") as answer:
        got = headers_of(answer.read())
    span, _ = telemetry.spans(2)
    assert (span["name"], span["kind"], span["traceId"]) == ("HTTP GET", 3, TRACE)
    assert got["traceparent"] == f"00-{TRACE}-{span['spanId']}-01"
    assert got["baggage"] == "a=1"
    shown = attributes(span)
    assert shown["http.response.status_code"] == "200"
    assert shown["url.full"] == f"{site}/x?..."
    assert "secret" not in json.dumps(span)


def test_an_error_status_is_an_answer_too(telemetry, site):
    request = urllib.request.Request(f"{site}/missing", data=b"x", method="POST")
    with execute_traced_request(request) as answer:
        assert answer.status == 404
    (span,) = telemetry.spans(1)
    assert (span["name"], span["status"]) == ("HTTP POST", {"code": 2, "message": "HTTP 404"})


def test_a_session_of_requests(telemetry, site):
    with requests.Session() as session:
        prepared = session.prepare_request(requests.Request("GET", site))
        with tracing.activate(TRACEPARENT, None, "f", b"{}"):
            answer = execute_traced_request(prepared, session=session)
    assert headers_of(answer.text)["traceparent"].startswith(f"00-{TRACE}-")
    assert attributes(telemetry.spans(2)[0])["http.response.status_code"] == "200"


def test_no_answer_at_all_is_raised_and_shown(telemetry):
    with pytest.raises(OSError):
        execute_traced_request("http://127.0.0.1:1/")
    assert telemetry.spans(1)[0]["status"]["code"] == 2


def test_without_telemetry_the_trace_goes_along_all_the_same(site):
    with tracing.activate(TRACEPARENT, None, "f"), execute_traced_request(site) as answer:
        assert headers_of(answer.read())["traceparent"] == TRACEPARENT


def test_what_is_no_request_is_refused():
    with pytest.raises(ValueError, match="use an http or https URL"):
        execute_traced_request("file:///etc/passwd")
    with pytest.raises(TypeError, match="with a session, give what its send"):
        execute_traced_request("http://x", session=object())
