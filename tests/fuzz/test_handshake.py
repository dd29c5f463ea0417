"""Arbitrary heads of requests give a request or a refusal. How to run longer: README.rst."""

from hypothesis import given
from hypothesis import strategies as st

from iii_actors.transport.handshake import Refused, accept, parse, refusal
from tests.fuzz.examples import examples
from tests.support.raw import upgrade_request

lines = st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass"))
PIECES = [
    b"GET",
    b"/",
    b" ",
    b"HTTP/1.1",
    b"\r\n",
    b"\r",
    b"\n",
    b":",
    b"connection",
    b"upgrade",
    b"websocket",
    b"\x00",
]
PIECES += [b"sec-websocket-key", b"sec-websocket-version", b"13", b"\xff", b"\xc2\xa0", b",", b"\t", b"=", b"?"]


def survive(head):
    end = head.find(b"\r\n\r\n")
    head = head + b"\r\n\r\n" if end < 0 else head[: end + 4]
    try:
        request = parse(head, lambda path: path == "/")
    except Refused as refused:
        answer = refusal(refused)
        assert answer.startswith(b"HTTP/1.1 %d " % refused.status)
        assert answer.count(b"\r\n\r\n") == 1
    else:
        assert request.path == "/"
        answer = accept(request)
        assert answer.startswith(b"HTTP/1.1 101 ")
        assert answer.count(b"\r\n\r\n") == 1
        for name, value in request.headers:
            assert name == name.lower() == name.strip() != ""
            assert "\n" not in value


@examples()
@given(head=st.binary(max_size=300))
def test_any_bytes(head):
    survive(head)


@examples(200)
@given(parts=st.lists(lines, max_size=10))
def test_any_lines(parts):
    survive(b"\r\n".join([b"GET / HTTP/1.1", *parts]))


@examples(500)
@given(
    edits=st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(0, 10), st.sampled_from(PIECES) | st.binary(max_size=5)),
        max_size=4,
    )
)
def test_damaged_requests(edits):
    head = upgrade_request()
    for place, cut, put in edits:
        at = place % (len(head) + 1)
        head = head[:at] + put + head[at + cut :]
    survive(head)
