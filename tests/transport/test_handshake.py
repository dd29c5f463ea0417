"""Requests and their answers (core.md §1.1), without sockets."""

import pytest

from iii_actors.limits import MAX_HEADER_LINES
from iii_actors.transport.handshake import Refused, accept, parse, refusal
from tests.support.raw import ACCEPT, KEY, upgrade_request

PATHS = {"/", "/otel", "/ws/channels/abc"}


def read(head):
    return parse(head, PATHS.__contains__)


def refused(head):
    with pytest.raises(Refused) as raised:
        read(head)
    return raised.value


# --- upgrades --------------------------------------------------------------------------------------------------------


def test_an_upgrade_request():
    request = read(upgrade_request("/otel?token=a%20b&x", "Cookie: a=1", "cookie:b=2"))
    assert (request.path, request.query, request.key) == ("/otel", "token=a%20b&x", KEY)
    assert request.headers == (
        ("host", "localhost"),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", KEY),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
    )


@pytest.mark.parametrize(
    "head",
    [
        upgrade_request(connection="upgrade"),
        upgrade_request(connection="UPGRADE"),
        upgrade_request(connection="keep-alive, Upgrade"),
        upgrade_request("/", "Connection: keep-alive", "Connection: Upgrade", connection=None),
        upgrade_request(connection="keep-alive,upgrade , te"),
        upgrade_request(upgrade="WebSocket"),
        upgrade_request(upgrade="h2c, websocket"),
        upgrade_request().upper().replace(KEY.upper().encode(), KEY.encode()),
        upgrade_request(host=None),
        upgrade_request("/", "sec-websocket-protocol: iii", "sec-websocket-extensions: permessage-deflate"),
        upgrade_request("/", "origin: https://elsewhere.example"),
        upgrade_request("/?"),
        upgrade_request("/?a/b?c"),
        upgrade_request("/ws/channels/abc?key=k&dir=read"),
        upgrade_request("/", "empty:"),
        upgrade_request("/", "tabs:\t a \t"),
        upgrade_request("/", "latin: \xe4\xf6"),
        upgrade_request("/?\xff"),
    ],
    ids=lambda head: ascii(head[:100]),
)
def test_what_is_an_upgrade(head):
    assert read(head).key == KEY


def test_spaces_around_a_value_are_not_part_of_it():
    assert dict(read(upgrade_request("/", "tabs:\t a  b \t")).headers)["tabs"] == "a  b"


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/x", "//", "/otel/", "/OTEL", "/ws", "/ws/channels/", "*", "http://localhost/", "/%2f"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "BREW"])
def test_an_unknown_path_is_not_found_whatever_the_method(path, method):
    answer = refused(upgrade_request(path, method=method))
    assert (answer.status, answer.text) == (404, "")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "get", "BREW"])
def test_another_method_is_not_allowed(method):
    answer = refused(upgrade_request(method=method))
    assert answer.status == 405
    assert ("allow", "GET,HEAD") in answer.headers


@pytest.mark.parametrize("version", ["1.0", "0.9", "2.0", "1.2"])
def test_another_version_of_http_must_be_upgraded(version):
    answer = refused(upgrade_request().replace(b"HTTP/1.1", b"HTTP/" + version.encode()))
    assert answer.status == 426
    assert answer.text


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (upgrade_request(connection=None), "'upgrade'"),
        (upgrade_request(connection="keep-alive"), "'upgrade'"),
        (upgrade_request(connection="upgrades"), "'upgrade'"),
        (upgrade_request(upgrade=None), "'websocket'"),
        (upgrade_request(upgrade="h2c"), "'websocket'"),
        (upgrade_request(sec_websocket_version=None), "'13'"),
        (upgrade_request(sec_websocket_version="8"), "'13'"),
        (upgrade_request(sec_websocket_version="13, 8"), "'13'"),
        (upgrade_request(sec_websocket_version=""), "'13'"),
        (upgrade_request(sec_websocket_key=None), "Key"),
        (upgrade_request(sec_websocket_key=""), "Key"),
        (upgrade_request(sec_websocket_key="x"), "Key"),
        (upgrade_request(sec_websocket_key="AAAA"), "Key"),
        (upgrade_request(sec_websocket_key=KEY[:-2]), "Key"),
        (upgrade_request(sec_websocket_key=KEY + "AAAA"), "Key"),
        (upgrade_request(sec_websocket_key="!" * 24), "Key"),
        (upgrade_request(sec_websocket_key="\xe4" * 24), "Key"),
        (upgrade_request("/", f"sec-websocket-key: {KEY}"), "Key"),
        (upgrade_request(method="HEAD"), "'upgrade'"),
        (b"GET / HTTP/1.1\r\n\r\n", "'upgrade'"),
    ],
    ids=lambda value: ascii(value[:60]),
)
def test_what_is_no_upgrade_is_told_why(head, said):
    answer = refused(head)
    assert answer.status == 400
    assert said in answer.text


def test_another_websocket_version_is_told_ours():
    assert ("sec-websocket-version", "13") in refused(upgrade_request(sec_websocket_version="8")).headers


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b" ",
        b"GET",
        b"GET /",
        b"GET / HTTP",
        b"GET / HTTP/1",
        b"GET / HTTP/1.1 ",
        b" GET / HTTP/1.1",
        b"GET  / HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET / http/1.1",
        b"GET / HTTP/11.1",
        b"GET / HTTP/1.1\n",
        b"GE T / HTTP/1.1",
        b"G\xe4T / HTTP/1.1",
        b"GET\t/\tHTTP/1.1",
        b"GET /\xa0 HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0 ",
        b"\xff" * 100,
    ],
)
def test_what_is_no_http_request(first):
    head = upgrade_request().replace(b"GET / HTTP/1.1", first, 1)
    assert refused(head).status == 400


@pytest.mark.parametrize(
    "line",
    [
        b"no colon",
        b": no name",
        b"space before : colon",
        b"tab\t: colon",
        b" folded: line",
        b"\tfolded",
        b"n\xe4me: value",
        b"na me: value",
        b"na\x00me: value",
        b"name: a\nsmuggled: b",
        b"\nsmuggled: b",
        b"name: a\rsmuggled: b",
        b"name: a\x00b",
    ],
)
def test_a_malformed_header_line(line):
    """CR, LF and NUL in a value are refused too: RFC 9110 §5.5; whoever reads the headers later need not fear them."""
    assert refused(upgrade_request("/")[:-2] + line + b"\r\n\r\n").status == 400


def test_too_many_header_lines():
    lines = [f"x-{number}: y" for number in range(MAX_HEADER_LINES - 5)]
    assert read(upgrade_request("/", *lines)).key == KEY
    assert refused(upgrade_request("/", *lines, "one: more")).status == 431


# --- answers ---------------------------------------------------------------------------------------------------------


def test_the_answer_to_an_upgrade_agrees_to_nothing_else():
    offer = ("sec-websocket-protocol: iii", "sec-websocket-extensions: permessage-deflate; client_max_window_bits")
    answer = accept(read(upgrade_request("/", *offer)))
    head, rest = answer.split(b"\r\n\r\n")
    assert rest == b""
    first, *lines = head.decode().split("\r\n")
    assert first == "HTTP/1.1 101 Switching Protocols"
    assert dict(line.split(": ") for line in lines) == {
        "connection": "upgrade",
        "upgrade": "websocket",
        "sec-websocket-accept": ACCEPT,
    }


@pytest.mark.parametrize("status", [400, 404, 405, 408, 426, 431, 503])
@pytest.mark.parametrize("text", ["", "why: ü"])
def test_a_refusal_is_a_whole_http_answer(status, text):
    answer = refusal(Refused(status, text, (("allow", "GET,HEAD"),)))
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert first.startswith(f"HTTP/1.1 {status} ")
    assert body.decode() == text
    assert headers["content-length"] == str(len(text.encode()))
    assert headers["connection"] == "close"
    assert headers["allow"] == "GET,HEAD"
    assert ("content-type" in headers) is bool(text)
