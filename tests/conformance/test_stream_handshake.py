"""The subscription socket's door: paths, refusals, pings, and the auth function (stream.md §6.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

import iii_actors
from tests.support.asking import bind
from tests.support.peer import CallFailed, Peer, peers
from tests.support.raw import CLOSE, PING, PONG, TEXT, RawClient, client_frame, upgrade_request
from tests.support.subscriber import Subscriber, socket_address


def engine_with(**settings: object) -> iii_actors.Engine:
    stream = {"name": "iii-stream", "config": {"port": 0, **settings}}
    workers = [{"name": "iii-worker-manager", "config": {"port": 0}}, stream]
    return iii_actors.Engine(iii_actors.EngineConfig(workers=workers))


@pytest.fixture(scope="module")
def plain() -> Iterator[iii_actors.Engine]:
    with engine_with() as running:
        yield running


@pytest.fixture(scope="module")
def asking() -> Iterator[iii_actors.Engine]:
    with engine_with(auth_function="who", handshake_timeout_ms=10_000) as running:
        yield running


@pytest.fixture
def peer(asking: iii_actors.Engine) -> Iterator[Peer]:
    with peers(asking.url) as make:
        yield make()
    for listener in asking._listeners:
        assert listener.wait_until_empty(10)


@contextmanager
def raw(engine: iii_actors.Engine) -> Iterator[RawClient]:
    with RawClient(socket_address(engine)) as client:
        yield client


# --- paths and refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/?a=b", "/?", "/?a=/b&%zz"])
def test_only_the_root_upgrades_with_any_query(plain, path):
    with raw(plain) as client:
        client.upgrade(path)
        client.send(client_frame(PING, b"x"))
        assert client.frame() == (PONG, b"x"), "and nothing came before it"


@pytest.mark.parametrize("path", ["/stream/name/group/", "/otel", "/ws/channels/x?key=k&dir=read", "//", "/x?a=b"])
def test_every_other_path_is_not_there(plain, path):
    with raw(plain) as client:
        client.send(upgrade_request(path))
        head = client.head()
        assert head.startswith("HTTP/1.1 404 ")
        assert "content-length: 0" in head
        assert client.rest() == b""


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (upgrade_request(sec_websocket_version="8"), 400),
        (upgrade_request(method="POST"), 405),
        (b"\x16\x03\x01\x00\xa5\r\n\r\n", 400),
    ],
)
def test_what_is_no_upgrade_is_refused(plain, request_, status):
    with raw(plain) as client:
        client.send(request_)
        assert client.head().startswith(f"HTTP/1.1 {status} ")


def test_nothing_that_is_offered_is_agreed_on(plain):
    with raw(plain) as client:
        offer = "sec-websocket-protocol: graphql\r\nsec-websocket-extensions: permessage-deflate"
        client.send(upgrade_request("/", offer))
        head = client.head().lower()
        assert head.startswith("http/1.1 101 ")
        assert "protocol:" not in head
        assert "extensions:" not in head


def test_a_close_is_echoed(plain):
    with raw(plain) as client:
        client.upgrade()
        client.send(client_frame(CLOSE, (1000).to_bytes(2, "big") + b"bye"))
        assert client.frame() == (CLOSE, (1000).to_bytes(2, "big"))
        assert client.rest() == b""


def test_what_comes_right_behind_the_handshake_is_heard(plain):
    join = b'{"type":"join","data":{"subscriptionId":"a","streamName":"s","groupId":"g"}}'
    with raw(plain) as client:
        client.upgrade(behind=client_frame(TEXT, join) + client_frame(PING))
        kinds = {client.frame()[0] for _ in range(2)}
        assert kinds == {TEXT, PONG}


# --- the auth function -----------------------------------------------------------------------------------------------


def context_of(peer: Peer, engine: iii_actors.Engine, **options: object) -> object:
    """Connect, join, and return the context that the join function is told."""
    told = []
    peer.register("on-join", lambda data: told.append(data["context"]))
    bind(peer, "t", "stream:join", "on-join")
    client = Subscriber(socket_address(engine), **options)
    try:
        client.join("a", "s", "g")
    finally:
        client.close()
    return told[0]


def test_it_is_told_who_connects_before_the_upgrade_is_answered(asking, peer):
    peer.register("who")
    with raw(asking) as client:
        ip, port = client.socket.getsockname()
        more = ["X-Mixed: Case", "x-twice: 1", "X-Twice: 2", "x-beyond: caf\xe9", "cookie: a=b; c=d", "x-empty:"]
        client.send(upgrade_request("/?a=1&a=2&c&=x&b=%20+&&e=f=g", *more))
        frame = peer.expect(type="invokefunction", function_id="who")
        assert sorted(frame["data"]) == ["addr", "headers", "path", "query_params"]
        assert frame["data"]["path"] == "/"
        assert frame["data"]["addr"] == f"{ip}:{port}"
        assert frame["data"]["query_params"] == {"a": ["1", "2"], "c": [""], "b": ["%20+"], "e": ["f=g"]}
        headers = frame["data"]["headers"]
        assert {key: headers[key] for key in ("x-mixed", "cookie", "x-empty", "upgrade")} == {
            "x-mixed": "Case",
            "cookie": "a=b; c=d",
            "x-empty": "",
            "upgrade": "websocket",
        }
        assert headers["x-twice"] in ("1", "2")
        assert "x-beyond" not in headers
        client.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.socket.recv(1)
        client.socket.settimeout(10)
        peer.answer(frame, {"context": {"user": 7}})
        assert client.head().startswith("HTTP/1.1 101 ")


@pytest.mark.parametrize(
    ("answer", "context"),
    [
        ({"context": {"user": [1, None]}}, {"user": [1, None]}),
        ({"context": "text", "more": 1}, "text"),
        ({"context": None}, None),
        ({}, None),
        (None, None),
        ("text", None),
        ([1], None),
    ],
)
def test_what_it_says_is_the_context_of_the_connection(asking, peer, answer, context):
    peer.register("who", lambda _: answer)
    assert context_of(peer, asking) == context


def test_it_cannot_refuse(asking, peer):
    def fail(_: object) -> None:
        raise CallFailed({"code": "no", "message": "nobody"})

    assert context_of(peer, asking) is None, "there is no such function"
    peer.register("who", fail)
    assert context_of(peer, asking) is None


def test_without_one_nobody_is_asked_and_there_is_no_context(plain):
    with peers(plain.url) as make:
        assert context_of(make(), plain) is None


def test_one_that_does_not_answer_keeps_the_connection_out():
    with ExitStack() as stack:
        engine = stack.enter_context(engine_with(auth_function="who", handshake_timeout_ms=50))
        peer = stack.enter_context(peers(engine.url))()
        peer.register("who")
        client = stack.enter_context(raw(engine))
        client.send(upgrade_request())
        frame = peer.expect(type="invokefunction", function_id="who")
        assert client.head().startswith("HTTP/1.1 503 ")
        assert b"who has not answered within 0.05 s" in client.rest()
        peer.answer(frame, {"context": 1})
        peer.barrier()


def test_one_that_hangs_holds_up_nobody_else():
    with ExitStack() as stack:
        engine = stack.enter_context(engine_with(auth_function="who"))
        make: Callable[..., Peer] = stack.enter_context(peers(engine.url))
        peer = make()
        peer.register("who")
        first, second = (stack.enter_context(raw(engine)) for _ in range(2))
        first.send(upgrade_request("/?first"))
        hanging = peer.expect(type="invokefunction")
        second.send(upgrade_request("/?second"))
        frame = peer.expect(type="invokefunction")
        assert frame["data"]["query_params"] == {"second": [""]}
        peer.answer(frame)
        assert second.head().startswith("HTTP/1.1 101 ")
        peer.answer(hanging)
        assert first.head().startswith("HTTP/1.1 101 ")
