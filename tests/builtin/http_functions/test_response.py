import pytest

from iii_actors.builtin.http_functions.response import outcome
from iii_actors.wire import messages as wire


def ended(status, content=b"", reason=""):
    got = outcome(status, reason, content)
    return got.error if got.error is not None else bytes(got.result)


@pytest.mark.parametrize("status", [200, 201, 299])
def test_success(status):
    assert ended(status) == b""
    assert ended(status, b'\n {"a": 1} ') == b'{"a": 1}'
    assert ended(status, b"null") == b"null"
    assert ended(status, b"<p>").code == "invalid_response"


@pytest.mark.parametrize("content", [b"<p>", b"1 2", b"NaN", b"1e400", b"\xff", b'"\\ud800"', b"[" * 10**5, b" "])
def test_success_that_is_not_json(content):
    error = ended(200, content)
    assert error.code == "invalid_response"
    assert error.message


def test_in_between():
    assert ended(302) == b""
    assert ended(304, b"<p>") == b""
    assert ended(300, b"[1]") == b"[1]"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b'{"error":{"code":"C","message":"m","stacktrace":"s"}}', wire.ErrorBody("C", "m")),
        (b'{"error":{"code":"C"}}', wire.ErrorBody("C", "HTTP request failed")),
        (b'{"error":{"message":"m","code":null}}', wire.ErrorBody("http_error", "m")),
        (b'{"error":{}}', wire.ErrorBody("http_error", "HTTP request failed")),
        (b'{"error":[]}', wire.ErrorBody("http_error", "HTTP request failed")),
        (b'{"error":null}', wire.ErrorBody("http_error", "HTTP request failed")),
        (b'{"errors":{}}', wire.ErrorBody("http_error", "HTTP 400 Bad Request")),
        (b'["error"]', wire.ErrorBody("http_error", "HTTP 400 Bad Request")),
        (b"", wire.ErrorBody("http_error", "HTTP 400 Bad Request")),
        (b"{", wire.ErrorBody("http_error", "HTTP 400 Bad Request")),
    ],
)
def test_failure(content, error):
    assert ended(400, content) == error


@pytest.mark.parametrize(
    ("status", "said"),
    [(404, "Not Found"), (413, "Payload Too Large"), (422, "Unprocessable Entity"), (500, "Internal Server Error"), (503, "Service Unavailable")],
)  # fmt: skip
def test_the_usual_words_whatever_the_server_says(status, said):
    assert ended(status, reason="Other").message == f"HTTP {status} {said}"


def test_the_server_s_words_for_other_statuses():
    assert ended(520, reason="Web\x1b Server").message == "HTTP 520 Web Server"
    assert ended(999).message == "HTTP 999"


def test_what_may_be_repeated():
    repeatable = [status for status in range(100, 600) if outcome(status, "", b"").may_repeat]
    assert repeatable == list(range(500, 600))


@pytest.mark.parametrize("status", [101, 103])
def test_what_is_no_final_response(status):
    assert ended(status).code == "http_response_failed"
