"""One attempt at a call: rules, addresses, request, response, on a real socket."""

import socket
import threading

import pytest

from iii_actors.actor import launch
from iii_actors.builtin.http_functions.caller import Attempt, Caller, Rules
from iii_actors.builtin.http_functions.line import Line
from iii_actors.builtin.http_functions.session import tls_context
from iii_actors.clock import SystemClock
from iii_actors.config.http_functions import SecuritySettings
from tests.builtin.http_functions.conftest import make_call
from tests.support.endpoint import response
from tests.support.probe import Watcher

TLS = tls_context(None)
OPEN = SecuritySettings(block_private_ips=False, require_https=False)
PUBLIC_ONLY = SecuritySettings(require_https=False)


@pytest.fixture
def attempt():
    """Make one attempt and return its outcome; a resolver, rules, a time limit may be given."""
    started = []

    def run(call, resolve=None, security=OPEN, most=1000, due_s=5.0, line=None):
        clock, told = SystemClock(), Watcher()
        told_ref = launch(told)
        caller = launch(Caller(told_ref, clock, resolve or (lambda *_: ["127.0.0.1"])))
        started.extend([caller, told_ref])
        rules = Rules(security, most, TLS)
        due = clock.monotonic() + due_s
        caller.tell(Attempt(7, call, call.target.endpoint, "the id", due, line or Line(), rules))
        ended = told.next()
        assert (ended.number, ended.caller) == (7, caller)
        return ended.outcome

    yield run
    for ref in started:
        ref.stop()


def at(server, host="127.0.0.1"):
    return f"http://{host}:{server.port}/"


def test_a_response(attempt, server):
    server.answer(200, b"[1]")
    ended = attempt(make_call(url=at(server), data={"a": 1}))
    assert (bytes(ended.result), ended.error, ended.may_repeat) == (b"[1]", None, False)
    asked = server.asked()
    assert asked.body == b'{"a":1,"_caller_worker_id":"w"}'
    assert asked.one("x-iii-invocation-id") == "the id"


def test_the_engine_s_own_calls_have_no_caller(attempt, server):
    attempt(make_call(url=at(server), data={"a": 1}, caller_id=None))
    assert server.asked().body == b'{"a":1}'


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1/", "Private IP blocked"),
        ("http://h/", "Private IP blocked"),
        ("ftp://h/", "HTTPS is required"),
    ],
)
def test_the_rules_are_applied_again(attempt, url, message):
    security = SecuritySettings(require_https=url.startswith("ftp"))
    ended = attempt(make_call(url=url), security=security)
    assert (ended.error.code, ended.error.message) == ("url_validation_failed", message)
    assert not ended.may_repeat


def test_a_name_is_asked_for_once_and_a_later_answer_does_not_matter(attempt, server):
    """DNS rebinding: the second answer is another address."""
    answers = [["127.0.0.1"], ["127.0.0.2"], ["127.0.0.3"]]
    asked = []

    def rebinding(host, port):
        asked.append(host)
        return answers[len(asked) - 1]

    assert attempt(make_call(url=at(server, "rebind.example")), rebinding).error is None
    assert asked == ["rebind.example"]
    assert server.asked().one("host") == f"rebind.example:{server.port}"


def test_a_name_that_becomes_private_is_not_connected_to(attempt, server):
    ended = attempt(make_call(url=at(server, "rebind.example")), lambda *_: ["1.1.1.1", "127.0.0.1"], PUBLIC_ONLY)
    assert ended.error.message == "Private IP blocked"
    assert server.connections == 0


def test_the_next_address_is_tried_when_one_refuses(attempt, server):
    ended = attempt(make_call(url=at(server, "two.example")), lambda *_: ["127.0.0.2", "127.0.0.1"])
    assert ended.error is None
    assert server.connections == 1


def test_nobody_listens(attempt, server):
    server.stop()
    ended = attempt(make_call(url=at(server, "two.example")), lambda *_: ["127.0.0.2", "127.0.0.1"])
    said = f"error sending request for url ({at(server, 'two.example')}): Connection refused (os error 111)"
    assert (ended.error.code, ended.error.message) == ("http_request_failed", said)
    assert ended.may_repeat


def test_a_name_without_address(attempt):
    def fail(*_):
        raise socket.gaierror(-2, "Name or service not known")

    ended = attempt(make_call(url="http://none.example/"), fail)
    assert ended.error.code == "http_request_failed"
    assert "dns error" in ended.error.message
    assert attempt(make_call(url="http://none.example/"), fail, PUBLIC_ONLY).error.message == "DNS lookup failed"


def test_an_unsupported_scheme(attempt):
    ended = attempt(make_call(url="ftp://h.example/"))
    said = "error sending request for url (ftp://h.example/): builder error: URL scheme is not allowed"
    assert (ended.error.code, ended.error.message) == ("http_request_failed", said)


def test_what_was_sent_is_not_repeated(attempt, server):
    server.behaviour = lambda *_: False
    ended = attempt(make_call(url=at(server)))
    assert (ended.error.code, ended.may_repeat) == ("http_request_failed", False)


def test_a_server_s_failure_may_be(attempt, server):
    server.answer(503)
    assert attempt(make_call(url=at(server))).may_repeat


def test_a_redirect_to_a_private_address_leads_nowhere(attempt, serve):
    first, second = serve(), serve()
    first.answer(302, b"", f"Location: {at(second)}")
    ended = attempt(make_call(url=at(first)))
    assert (bytes(ended.result), ended.error) == (b"", None)
    assert second.connections == 0


@pytest.mark.parametrize("chunked", [True, False])
def test_an_endless_body_ends(attempt, server, chunked):
    ended_early = threading.Event()

    def endless(sock, _):
        header = "Transfer-Encoding: chunked" if chunked else "Connection: close"
        sock.sendall(response(200, b"", header, length=False))
        part = b" " * 1000
        try:
            while True:
                sock.sendall(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        except OSError:
            ended_early.set()
        return False

    server.behaviour = endless
    ended = attempt(make_call(url=at(server)), most=100_000)
    assert (ended.error.code, ended.error.message) == (
        "http_response_failed",
        "the response is longer than 100000 bytes",
    )
    assert ended_early.wait(10)


@pytest.mark.parametrize(("size", "fits"), [(1000, True), (1001, False)])
def test_the_limit_is_exact(attempt, server, size, fits):
    server.answer(200, b'"' + b"x" * (size - 2) + b'"')
    assert (attempt(make_call(url=at(server)), most=1000).error is None) == fits


def test_time_that_is_up_before_it_begins(attempt, server):
    ended = attempt(make_call(url=at(server)), due_s=-1.0)
    assert ended.error.message.endswith("operation timed out")
    assert server.connections == 0


def test_a_server_that_says_nothing(attempt, server):
    server.behaviour = lambda *_: server.stopped.wait(10)
    ended = attempt(make_call(url=at(server)), due_s=0.1)
    assert (ended.error.code, ended.may_repeat) == ("http_request_failed", False)
    assert ended.error.message.endswith("operation timed out")


def test_a_line_that_is_cut_sets_the_thread_free(attempt, server):
    line = Line()

    def cut(*_):
        line.cut()
        server.stopped.wait(10)

    server.behaviour = cut
    assert attempt(make_call(url=at(server)), line=line, due_s=60.0).error.code == "http_request_failed"


def test_data_that_cannot_be_written_is_an_error_of_that_call(attempt, server):
    from msgspec import Raw
    from msgspec.structs import replace

    call = make_call(url=at(server))
    deep = replace(call.invoke.call, data=Raw(b"[" * 10**5 + b"]" * 10**5))
    ended = attempt(replace(call, invoke=replace(call.invoke, call=deep)))
    assert ended.error.code == "http_request_failed"
    assert "the data cannot be written" in ended.error.message


def test_a_fault_of_ours_is_logged_and_answered(attempt, caplog):
    def broken(*_):
        raise KeyError("a fault")

    ended = attempt(make_call(url="http://h.example/"), broken)
    assert ended.error.code == "invocation_error"
    assert "KeyError: 'a fault'" in caplog.text
