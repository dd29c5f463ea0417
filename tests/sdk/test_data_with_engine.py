"""The data helpers between real workers, with the engine's own HTTP, state and pub/sub workers."""

import gc
import threading

import pytest
import requests
from pydantic import BaseModel

import iii_actors
import iii_worker
from iii_worker import HttpError, HttpRequest, HttpResponse, Update, http
from iii_worker.channel import create_channel
from iii_worker.pubsub import publish
from iii_worker.state import StateScope, list_scopes
from iii_worker.stream import Stream, create_stream
from tests.sdk.test_stream_provider import Memory

WAIT_S = 10.0
MIB = 1024 * 1024


class User(BaseModel):
    name: str
    visits: int = 0


@pytest.fixture(scope="module")
def engine():
    names = ("iii-http", "iii-state", "iii-pubsub")
    workers = [{"name": "iii-worker-manager", "config": {"port": 0}}]
    workers += [{"name": name, "config": {"port": 0} if name == "iii-http" else {}} for name in names]
    with iii_actors.Engine(iii_actors.EngineConfig(workers=workers)) as running:
        yield running


@pytest.fixture
def join(make_worker):
    yield make_worker
    gc.collect()  # an end that was left open warns here, in the test that left it


def serve(worker, function_id, handler):
    """Register a function; it is there for everybody when this returns: one connection is served in order."""
    worker.register_function(function_id, handler)
    assert worker.call("engine::functions::info", {"function_id": function_id}, timeout=WAIT_S)


# --- channels --------------------------------------------------------------------------------------------------------


def test_a_reader_arrives_as_an_object_and_a_writer_goes_as_a_reference(join):
    caller, worker = join(), join()

    def shout(data):
        assert isinstance(data["from"], iii_worker.ChannelReader)
        with data["from"] as source, data["to"] as sink:
            for part in source:
                sink.write(part.upper())
        return {"done": True}

    serve(worker, "shout", shout)
    there, back = create_channel(caller, timeout=WAIT_S), create_channel(caller, timeout=WAIT_S)
    answer = caller.call_async("shout", {"from": there.reader, "to": back.writer_ref})
    with there.writer as sink:
        sink.write(b"hello " * 50_000)
    assert back.reader.read() == b"HELLO " * 50_000
    back.close()
    assert answer.result(WAIT_S) == {"done": True}


def test_a_handler_may_answer_with_a_reader(join):
    caller, worker = join(), join()
    threads = []

    def dump(data):
        channel = create_channel(worker, timeout=WAIT_S)
        threads.append(threading.Thread(target=channel.writer.end, args=(b"x" * 3 * MIB,)))
        threads[0].start()
        return {"content": channel.reader}

    serve(worker, "dump", dump)
    with caller.call("dump", timeout=WAIT_S)["content"] as reader:
        assert len(reader.read()) == 3 * MIB
    threads[0].join(WAIT_S)


def test_handlers_that_stream_to_each_other_on_one_thread_do_not_starve(join):
    """A pool of one: the consumer must be let in while the producer waits for room."""
    worker, caller = join(handler_threads=1), join()

    def produce(data):
        with data["to"] as sink:
            for _ in range(32):
                sink.write(bytes(MIB))

    def consume(data):
        with data["from"] as source:
            return sum(len(part) for part in source)

    serve(worker, "produce", produce)
    serve(worker, "consume", consume)
    channel = create_channel(caller, timeout=WAIT_S)
    produced = caller.call_async("produce", {"to": channel.writer_ref})
    assert caller.call("consume", {"from": channel.reader_ref}, timeout=WAIT_S) == 32 * MIB
    produced.result(WAIT_S)


# --- HTTP ------------------------------------------------------------------------------------------------------------


class Site:
    def __init__(self, engine, worker):
        from iii_actors.builtin.http import Http

        front = next(one for one in engine._builtins if isinstance(one, Http))
        _, port = front.address
        self.base = f"http://127.0.0.1:{port}/"
        self.worker, self.session = worker, requests.Session()
        self.session.trust_env = False

    def route(self, method, path, fn):
        function_id = f"site::{method}::{path}"
        config = {"api_path": path, "http_method": method}
        self.worker.register_trigger({"type": "http", "function_id": function_id, "config": config})
        serve(self.worker, function_id, http(fn))

    def ask(self, method, path, **options):
        return self.session.request(method, self.base + path, timeout=WAIT_S, **options)


@pytest.fixture
def site(engine, join):
    made = Site(engine, join())
    yield made
    made.session.close()


def test_buffered_responses(site):
    def create(req: HttpRequest[User]):
        if req.body.name == "nobody":
            raise HttpError(404, "nobody is nobody", code="no_user")
        return HttpResponse(status_code=201, headers={"x-user": req.body.name}, body=req.body)

    site.route("POST", "users", create)
    answer = site.ask("POST", "users", json={"name": "Ada"})
    assert (answer.status_code, answer.json(), answer.headers["x-user"]) == (201, {"name": "Ada", "visits": 0}, "Ada")
    answer = site.ask("POST", "users", json={"visits": 1})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    answer = site.ask("POST", "users", json={"name": "nobody"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_user")


def test_streams_both_ways(site):
    def echo(req, res):
        res.status(202).headers({"content-type": "application/octet-stream"})
        for part in req.request_body:
            res.write(part)

    site.route("POST", "echo", echo)
    body = bytes(range(256)) * 4096 * 5
    answer = site.ask("POST", "echo", data=body, headers={"content-type": "application/octet-stream"})
    assert answer.status_code == 202
    assert answer.content == body


def test_bytes_empty_bodies_and_errors(site):
    site.route("GET", "png", lambda req: HttpResponse(headers={"content-type": "image/png"}, body=b"\x89PNG"))
    site.route("GET", "nothing", lambda req, res: res.status(202) and None)
    site.route("GET", "broken", lambda req: 1 / 0)
    png = site.ask("GET", "png")
    assert (png.content, png.headers["content-type"]) == (b"\x89PNG", "image/png")
    nothing = site.ask("GET", "nothing")
    assert (nothing.status_code, nothing.content) == (202, b"")
    broken = site.ask("GET", "broken")
    assert (broken.status_code, broken.json()["error"]["code"]) == (500, "invocation_failed")


def test_events_come_one_by_one_and_end_with_their_client(site):
    go_on, ended = threading.Event(), threading.Event()

    def ticks(req, res):
        try:
            with res.sse() as events:
                events.send("first", event="tick")
                assert go_on.wait(WAIT_S)
                while True:
                    events.send("x" * 65536)
        finally:
            ended.set()

    site.route("GET", "ticks", ticks)
    with site.ask("GET", "ticks", stream=True) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines(chunk_size=1)
        assert (next(lines), next(lines)) == (b"event: tick", b"data: first")
        go_on.set()
    assert ended.wait(WAIT_S)


# --- state, streams, pub/sub -----------------------------------------------------------------------------------------


def test_state(join):
    users = StateScope(join(namespace="elsewhere"), "users", User, timeout=WAIT_S)
    assert users.get("7") is None
    assert users.set("7", User(name="Ada")).new_value == {"name": "Ada", "visits": 0}
    result = users.update("7", Update.increment("visits", 2), Update.increment("name"), Update.set("name", "Bea"))
    assert [error.code for error in result.errors] == ["increment.not_number"]
    assert users.get("7") == User(name="Bea", visits=2)
    assert users.list() == [User(name="Bea", visits=2)]
    assert users.delete("7") == {"name": "Bea", "visits": 2}
    assert users.delete("7") is None
    other = StateScope(join(), "other")
    result = other.update("k", Update.append(["a", "b"], "x"), Update.merge({"c": 1}), Update.remove("c"))
    assert result.raise_for_errors().new_value == {"a": {"b": ["x"]}}
    assert "other" in list_scopes(join())


def test_a_stream_served_by_a_worker(join):
    """Through its functions: the engine's iii-stream finds them by the same ids."""
    caller = join()
    memory = Memory()
    server = join()
    provider = create_stream(server, "chat", memory)
    assert server.call("stream::list_groups(chat)", {"stream_name": "chat"}, timeout=WAIT_S) == []
    address = {"stream_name": "chat", "group_id": "g", "item_id": "i"}
    assert caller.call("stream::set(chat)", address | {"data": {"a": 1}}) == {"old_value": None, "new_value": {"a": 1}}
    assert caller.call("stream::get(chat)", address) == {"a": 1}
    with pytest.raises(iii_worker.InvocationError, match="invalid_request") as info:
        caller.call("stream::get(chat)", {"stream_name": "chat"})
    assert info.value.code == "invalid_request"
    provider.unregister()
    server.call("engine::functions::list", {}, timeout=WAIT_S)
    with pytest.raises(iii_worker.InvocationError, match="function_not_found"):
        caller.call("stream::get(chat)", address)


def test_a_stream_that_nobody_serves(join):
    with pytest.raises(iii_worker.InvocationError) as info:
        Stream(join(), "chat").get("g", "i")
    assert info.value.code == "function_not_found"


def test_publishing(join):
    caller, worker = join(), join()
    heard = threading.Event()
    got = []

    def hear(data):
        got.append(data)
        heard.set()

    worker.register_trigger({"type": "subscribe", "function_id": "hear", "config": {"topic": "orders"}})
    serve(worker, "hear", hear)
    publish(caller, "orders", {"id": 7})
    assert heard.wait(WAIT_S)
    assert {key: got[0][key] for key in got[0] if key != "_caller_worker_id"} == {"id": 7}
