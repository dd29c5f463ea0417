"""HTTP handlers behind a front that invokes them as the engine does."""

import gc
import logging
import threading

import pytest
from pydantic import BaseModel

import iii_actors
from iii_worker.channel import ChannelReader
from iii_worker.errors import Error
from iii_worker.http import ApiRequest, ApiResponse, HttpError, HttpRequest, HttpResponse, StreamRequest, http
from tests.support.http_front import Front, straight
from tests.support.sdk_channels import WAIT_S


@pytest.fixture(scope="module")
def engine():
    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=0)) as running:
        yield running


@pytest.fixture
def ask(engine):
    front = Front(engine)

    def request(fn, *args, **options):
        return front.request(straight(http(fn), engine.url), *args, **options)

    yield request
    gc.collect()  # an end that was left open warns here, in the test that left it


class NewUser(BaseModel):
    name: str
    age: int = 0


# --- requests --------------------------------------------------------------------------------------------------------


def test_a_request_says_what_the_front_said(ask):
    seen = []

    def handler(req):
        seen.append(req)
        return {"status_code": 204}

    answer = ask(
        handler,
        "POST",
        b'{"a":1}',
        headers={"content-type": "application/json", "x-id": "7"},
        path_params={"id": "42"},
        query_params={"q": "hello"},
    )
    assert answer.status == 204
    (req,) = seen
    assert isinstance(req, StreamRequest)
    assert (req.method, req.path, req.body) == ("POST", "things/:id", {"a": 1})
    assert (req.path_params, req.query_params) == ({"id": "42"}, {"q": "hello"})
    assert req.header("X-ID") == "7"
    assert req.header("missing", "d") == "d"
    assert req.trigger == {"type": "http", "path": "things/:id", "method": "POST"}
    assert isinstance(req.request_body, ChannelReader)
    assert "request_body" not in repr(req)


def test_an_upload_is_read_while_it_comes(ask):
    body = bytes(range(256)) * 4096

    def handler(req, res):
        size = 0
        for part in req.request_body:
            assert len(part) <= 65536
            size += len(part)
        return HttpResponse(body={"size": size})

    assert ask(handler, "POST", body).json() == {"size": len(body)}


def test_an_upload_goes_back_out(ask):
    body = bytes(range(256)) * 4096

    def handler(req, res):
        res.status(201).headers({"content-type": "application/octet-stream"})
        for part in req.request_body:
            res.write(part)

    answer = ask(handler, "POST", body)
    assert (answer.status, answer.headers) == (201, {"content-type": "application/octet-stream"})
    assert answer.body == body


@pytest.mark.parametrize("read", ["nothing", "a part"])
def test_an_upload_that_is_not_wanted(ask, read):
    def handler(req, res):
        if read == "a part":
            assert req.request_body.read(1) == b"x"
        return HttpResponse(status_code=413)

    assert ask(handler, "POST", b"x" * 5_000_000).status == 413


def test_the_body_in_other_forms(ask):
    def form(req):
        return {"body": req.form()}

    def text(req):
        return {"body": req.text()}

    def as_json(req):
        return {"body": req.json()}

    assert ask(form, "POST", b"a=1&b=x+y&a=2&c=").json() == {"a": "2", "b": "x y", "c": ""}
    assert (
        ask(text, "POST", "ä".encode("latin-1"), headers={"content-type": 'text/plain; charset="latin-1"'}).json()
        == "ä"
    )
    assert ask(as_json, "POST", b"[1]").json() == [1]
    assert ask(as_json, "POST", b"[1]", headers={"content-type": "application/json"}).json() == [1]


@pytest.mark.parametrize(
    ("read", "body", "headers", "status", "match"),
    [
        (lambda req: req.json(), b"{", {"content-type": "application/json"}, 400, "not JSON"),
        (lambda req: req.json(), b"", {}, 400, "not JSON"),
        (lambda req: req.text(), b"\xff", {}, 400, "not text"),
        (lambda req: req.text(), b"x", {"content-type": "text/plain; charset=none-such"}, 400, "not text"),
        (lambda req: req.read(3), b"1234", {}, 413, "longer than 3 bytes"),
    ],
)
def test_a_bad_body_is_the_clients_fault(ask, read, body, headers, status, match):
    answer = ask(read, "POST", body, headers=headers)
    assert answer.status == status
    assert match in answer.json()["error"]["message"]


def test_a_body_is_checked_into_a_model(ask):
    def handler(req: HttpRequest[NewUser], res):
        assert isinstance(req.body, NewUser)
        return HttpResponse(status_code=201, body=req.body)

    json_type = {"content-type": "application/json"}
    answer = ask(handler, "POST", b'{"name":"Ada"}', headers=json_type)
    assert (answer.status, answer.json()) == (201, {"name": "Ada", "age": 0})
    answer = ask(handler, "POST", b'{"age":"old"}', headers=json_type)
    assert answer.status == 400
    error = answer.json()["error"]
    assert error["code"] == "invalid_request"
    assert "body.name: Field required" in error["message"]
    assert "body.age" in error["message"]
    assert "old" not in error["message"]


def test_the_older_names():
    assert ApiRequest is HttpRequest
    assert ApiResponse is HttpResponse


# --- buffered responses ----------------------------------------------------------------------------------------------


def test_a_response_has_its_status(ask):
    answer = ask(lambda req: HttpResponse(status_code=404, headers={"x-a": "1"}, body={"error": "none"}))
    assert (answer.status, answer.headers, answer.json()) == (404, {"x-a": "1"}, {"error": "none"})
    assert not answer.streamed


def test_what_goes_on_the_wire_is_what_the_engine_understands():
    handler = http(lambda req: HttpResponse(statusCode=404, body=1))
    assert handler({}) == {"status_code": 404, "body": 1}
    assert HttpResponse(status_code=404).model_dump() == {"status_code": 404, "headers": {}, "body": None}


def test_a_dict_with_an_envelope(ask):
    answer = ask(lambda req: {"status_code": 201, "body": [1]})
    assert (answer.status, answer.json()) == (201, [1])


def test_header_lines_may_repeat_a_name(ask):
    cookies = ["Set-Cookie: a=1", "Set-Cookie: b=2"]

    def handler(req, res):
        res.headers({"x-a": "1"})
        return HttpResponse(headers=cookies)

    assert ask(handler).headers == ["x-a: 1", *cookies]


def test_what_was_set_before_is_added(ask):
    def handler(req, res):
        res.status(202).headers({"X-A": "1", "X-B": "1"})
        return HttpResponse(headers={"x-b": "2"}, body=1)

    answer = ask(handler)
    assert (answer.status, answer.headers) == (202, {"X-A": "1", "x-b": "2"})
    assert not answer.streamed


def test_what_is_returned_wins(ask):
    def handler(req, res):
        res.status(202)
        return HttpResponse(status_code=200)

    assert ask(handler).status == 200


@pytest.mark.parametrize("body", [b"\x89PNG", bytearray(b"x" * 100_000), b""])
def test_a_body_of_bytes_goes_through_the_channel(ask, body):
    headers = {"content-type": "image/png"}
    answer = ask(lambda req: HttpResponse(status_code=203, headers=headers, body=body))
    assert (answer.status, answer.headers, answer.body) == (203, headers, bytes(body))
    assert answer.streamed
    assert ask(lambda req: {"headers": ["a: 1", "b: 2"], "body": body}).headers == {"a": "1", "b": "2"}


def test_a_header_cannot_be_sent_twice_with_bytes(ask):
    answer = ask(lambda req: {"headers": ["a: 1", "a: 2"], "body": b"x"})
    assert answer.status == 500
    assert "'a' is there twice" in str(answer.error)


@pytest.mark.parametrize("status", ["404", 99, 1000, True, 2.0])
def test_a_status_that_is_none_is_an_error(ask, status):
    answer = ask(lambda req: {"status_code": status})
    assert answer.status == 500
    assert "status_code is" in str(answer.error)


@pytest.mark.parametrize("value", [{"id": 1}, {"statusCode": 404}, [1], "text", 5, NewUser(name="n")])
def test_what_is_no_response_is_warned_of_once(engine, caplog, value):
    front, handler = Front(engine), http(lambda req: value)
    with caplog.at_level(logging.WARNING, "iii_worker"):
        for _ in range(2):
            assert front.request(straight(handler, engine.url)).json() == {}
    assert caplog.text.count("HttpResponse(body=...)") == 1
    assert type(value).__name__ in caplog.text


# --- errors ----------------------------------------------------------------------------------------------------------


def test_an_http_error_is_the_response(ask):
    def handler(req, res):
        res.status(200).headers({"x": "y"})
        raise HttpError(404, "there is no user 7", code="user_not_found", headers={"x-e": "1"})

    answer = ask(handler)
    assert (answer.status, answer.headers) == (404, {"x-e": "1"})
    assert answer.json() == {"error": {"code": "user_not_found", "message": "there is no user 7"}}


def test_any_other_error_is_the_engines_matter(ask):
    def handler(req, res):
        res.status(200)
        raise KeyError("x")

    answer = ask(handler)
    assert answer.status == 500
    assert isinstance(answer.error, KeyError)


def test_an_error_in_the_middle_breaks_the_response_off(ask):
    def handler(req, res):
        res.write("half")
        assert started.wait(WAIT_S)
        raise HttpError(404, "too late")

    started = threading.Event()
    answer = ask(handler, started=started)
    assert (answer.status, answer.body) == (200, b"half")


def test_a_client_that_goes_is_no_error(ask):
    ended = threading.Event()

    def handler(req, res):
        try:
            while True:
                res.write(b"x" * 65536)
        finally:
            ended.set()

    answer = ask(handler, hang_up_after=2)
    assert ended.wait(WAIT_S)
    assert answer.error is None


# --- calls that are not HTTP -----------------------------------------------------------------------------------------


def test_a_direct_call_gives_the_buffered_response():
    handler = http(lambda req, res: HttpResponse(body=req.path_params))
    assert handler({"path_params": {"id": "1"}}) == {"body": {"id": "1"}}
    assert http(lambda req: None)({}) is None
    assert http(lambda req: {"body": req.read().decode()})({}) == {"body": ""}


def test_a_direct_call_has_nothing_to_stream_to():
    def handler(req, res):
        assert not res.streamable
        res.write("x")

    with pytest.raises(Error, match="called directly"):
        http(handler)({})


def test_a_payload_that_is_no_request():
    with pytest.raises(Error, match="not list") as info:
        http(lambda req: None)([])
    assert info.value.code == "invalid_request"


# --- shapes of handlers ----------------------------------------------------------------------------------------------


def test_metadata_is_passed_to_who_asks():
    def handler(req, res, *, metadata):
        return {"body": metadata}

    assert http(handler)({}, metadata={"a": 1}) == {"body": {"a": 1}}


@pytest.mark.parametrize("fn", [lambda: None, lambda a, b, c: None])
def test_a_handler_takes_a_request_and_maybe_a_response(fn):
    with pytest.raises(TypeError, match=r"def handler\(req, res\)"):
        http(fn)


def test_methods_and_any_arguments():
    class Shop:
        def list(self, req):
            return {"body": "list"}

        def __call__(self, *args):
            return {"body": len(args)}

    assert http(Shop().list)({}) == {"body": "list"}
    assert http(Shop())({}) == {"body": 2}


def test_the_wrapper_is_called_like_its_function_and_takes_one_argument():
    import inspect

    @http
    def download(req, res):
        """Download it."""

    assert (download.__name__, download.__doc__) == ("download", "Download it.")
    assert list(inspect.signature(download).parameters) == ["payload"]
