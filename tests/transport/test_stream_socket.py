"""Sockets of clients that are no workers: who is told what, back pressure, slow readers, ends. No built-in worker here."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from iii_actors.actor import LightActor, handles, launch
from iii_actors.clock import ManualClock
from iii_actors.config.stream import StreamSettings
from iii_actors.core.conversation import ClientCame, ClientLeft, ClientSaid, Deliver
from iii_actors.errors import EngineError, ListenError
from iii_actors.limits import STREAM_MESSAGES_WAITING
from iii_actors.transport import threads as threads_module
from iii_actors.transport.poller import Poller
from iii_actors.transport.stream_socket import StreamServer, StreamSockets
from tests.support.raw import CLOSE, PING, PONG, TEXT, RawClient, client_frame, upgrade_request

WAIT_S = 10.0


class Host(LightActor):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: queue.SimpleQueue[Any] = queue.SimpleQueue()

    @handles(ClientCame)
    def came(self, message: ClientCame) -> None:
        self.told.put(message)

    @handles(ClientSaid)
    def said(self, message: ClientSaid) -> None:
        self.told.put(message)

    @handles(ClientLeft)
    def left(self, message: ClientLeft) -> None:
        self.told.put(message)


class Site:
    """A server, the actor behind it, and what they run on."""

    def __init__(self, stack: contextlib.ExitStack, **settings: Any) -> None:
        self.clock = ManualClock()
        self.poller = Poller("test-reader")
        self.poller.start()
        stack.callback(self.poller.stop)
        self.host = Host()
        ref = launch(self.host)
        stack.callback(ref.stop)
        self.refusal: EngineError | None = None
        self.visitors: list[Any] = []
        self._stack = stack
        self.server = StreamServer(StreamSettings(port=0, **settings), self.admit, ref, self.poller, self.clock)
        self.server.open()
        stack.callback(self.end)

    def admit(self, visitor: Any) -> object:
        self.visitors.append(visitor)
        if self.refusal is not None:
            raise self.refusal
        return "admitted"

    def raw(self, **buffers: int) -> RawClient:
        return self._stack.enter_context(RawClient(self.server.address, **buffers))

    def client(self, behind: bytes = b"", **buffers: int) -> tuple[RawClient, Any]:
        """An upgraded client, and what the host has been told of it."""
        raw = self.raw(**buffers)
        raw.upgrade("/?a=b", behind)
        came = self.next()
        assert isinstance(came, ClientCame)
        assert came.admitted == "admitted"
        return raw, came.client

    def next(self) -> Any:
        return self.host.told.get(timeout=WAIT_S)

    def said(self) -> bytes:
        message = self.next()
        assert isinstance(message, ClientSaid), message
        message.client.dealt_with()
        return message.payload

    def gone(self, client: Any) -> None:
        assert self.next() == ClientLeft(client)
        assert not client.writer.is_alive() or self.server.wait_until_empty(WAIT_S)

    def end(self) -> None:
        self.server.stop_accepting()
        self.server.close()
        assert self.server.wait_until_empty(WAIT_S)


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(threads_module, "SPARE_THREADS", 0)
    with contextlib.ExitStack() as stack:
        yield lambda **settings: Site(stack, **settings)


@pytest.fixture
def site(make: Any) -> Site:
    return make()


def text(payload: bytes) -> bytes:
    return client_frame(TEXT, payload)


# --- what the host is told -------------------------------------------------------------------------------------------


def test_the_host_is_told_of_coming_of_each_message_and_of_leaving(site):
    raw, client = site.client(behind=text(b"one"))
    (visitor,) = site.visitors
    host, port = raw.socket.getsockname()
    assert (visitor.path, visitor.query, visitor.address, client.address) == (
        "/",
        "a=b",
        f"{host}:{port}",
        f"{host}:{port}",
    )
    assert ("sec-websocket-version", "13") in visitor.headers
    raw.send(text(b"two") + client_frame(2, b"\0three") + text(b""))
    assert [site.said() for _ in range(4)] == [b"one", b"two", b"\0three", b""]
    raw.send(client_frame(CLOSE, (3000).to_bytes(2, "big")))
    assert raw.frame() == (CLOSE, (3000).to_bytes(2, "big"))
    site.gone(client)


@pytest.mark.parametrize("end", ["close", "half", "violation", "large"])
def test_however_it_ends_the_host_is_told_once(site, end):
    raw, client = site.client()
    raw.send(text(b"x"))
    assert site.said() == b"x"
    if end == "close":
        raw.socket.close()
    elif end == "half":
        raw.socket.shutdown(socket.SHUT_WR)
    else:
        raw.send(b"\x81\x01x" if end == "violation" else text(b"x" * (64 * 1024 + 1)))
        assert raw.rest() == b""
    site.gone(client)
    assert site.host.told.empty()


def test_who_is_not_admitted_is_told_why_and_the_host_nothing(site):
    site.refusal = EngineError("not today")
    raw = site.raw()
    raw.send(upgrade_request())
    assert raw.head().startswith("HTTP/1.1 503 ")
    assert raw.rest() == b"not today"
    raw.socket.close()
    assert site.server.wait_until_empty(WAIT_S)
    assert site.host.told.empty()


def test_an_address_that_is_taken_is_a_listen_error(site):
    host, port = site.server.address
    with pytest.raises(ListenError):
        StreamServer(StreamSettings(host=host, port=port), site.admit, site.host.actor_ref, site.poller, site.clock)


def test_one_too_many_is_turned_away(make):
    site = make(max_connections=1)
    site.client()
    assert site.raw().head().startswith("HTTP/1.1 503 ")


# --- writing ---------------------------------------------------------------------------------------------------------


def frame_of(payload: bytes) -> Deliver:
    return Deliver(StreamSockets(None, None).text_frame(payload))


def test_one_frame_reaches_every_client_in_order_with_pongs_between(site):
    clients = [site.client() for _ in range(3)]
    frames = [frame_of(b"%d" % number) for number in range(100)]
    for deliver in frames:
        for _, client in clients:
            client.writer.tell(deliver)
    for raw, _ in clients:
        assert [raw.frame() for _ in range(100)] == [(TEXT, b"%d" % number) for number in range(100)]
        raw.send(client_frame(PING, b"p"))
        assert raw.frame() == (PONG, b"p")


def test_a_client_that_reads_too_slowly_is_cut_and_the_others_go_on(make, caplog):
    site = make(outbox_bytes=100_000)
    slow, slow_client = site.client(receive=4096)
    fine, fine_client = site.client()
    large = frame_of(b"x" * 50_000)
    sent = 0
    while slow_client in site.server.open_clients():
        with contextlib.suppress(Exception):
            slow_client.writer.tell(large)
        fine_client.writer.tell(large)
        assert fine.frame() == (TEXT, b"x" * 50_000)
        sent += 1
        assert sent < 10_000
    site.gone(slow_client)
    assert "reads too slowly" in caplog.text
    fine_client.writer.tell(frame_of(b"still here"))
    assert fine.frame() == (TEXT, b"still here")
    assert len(slow.rest()) < sent * 50_000


def test_a_slow_client_that_reads_in_time_loses_nothing(site):
    raw, client = site.client(receive=4096)
    for number in range(60):
        client.writer.tell(frame_of(b"%02d" % number * 50_000))
    assert [raw.frame()[1][:2] for _ in range(60)] == [b"%02d" % number for number in range(60)]


# --- back pressure ---------------------------------------------------------------------------------------------------


def held(site: Site, client: Any) -> list[Any]:
    """Let messages come until the client is not read any more; returns those that wait."""
    return [site.next() for _ in range(STREAM_MESSAGES_WAITING)]


def test_while_many_messages_wait_no_more_are_read_and_then_all_are(site):
    raw, client = site.client()
    for number in range(STREAM_MESSAGES_WAITING):
        raw.send(text(b"%d" % number))
    waiting = held(site, client)
    raw.send(text(b"more"))
    other, other_client = site.client()
    other.send(text(b"heard"))
    assert site.said() == b"heard", "others are read on; and nothing of the first has come"
    assert site.host.told.empty()
    for message in waiting:
        message.client.dealt_with()
    assert site.said() == b"more"
    assert client is not other_client


def test_one_whose_messages_are_dealt_with_as_it_is_being_held_is_read_again(site, monkeypatch):
    """The host's thread gets in between counting and holding as often as the system likes; here always, if it may."""
    hold, dealing = Poller.hold, []

    def held_late(poller, client):
        dealing.append(threading.Thread(target=lambda: [client.dealt_with() for _ in range(STREAM_MESSAGES_WAITING)]))
        dealing[0].start()
        dealing[0].join(0.2)
        hold(poller, client)

    monkeypatch.setattr(Poller, "hold", held_late)
    raw, client = site.client()
    for number in range(STREAM_MESSAGES_WAITING):
        raw.send(text(b"%d" % number))
    held(site, client)
    raw.send(text(b"read again"))
    assert site.said() == b"read again"
    dealing[0].join(WAIT_S)


def test_one_whose_messages_wait_is_written_to_and_its_going_is_noticed(site):
    raw, client = site.client()
    for number in range(STREAM_MESSAGES_WAITING):
        raw.send(text(b"%d" % number))
    waiting = held(site, client)
    client.writer.tell(frame_of(b"event"))
    assert raw.frame() == (TEXT, b"event")
    raw.socket.close()
    site.gone(client)
    for message in waiting:
        message.client.dealt_with()


def test_one_that_is_held_may_be_cut(site):
    raw, client = site.client()
    for number in range(STREAM_MESSAGES_WAITING):
        raw.send(text(b"%d" % number))
    held(site, client)
    client.cut("the test wants it")
    assert raw.rest() == b""
    site.gone(client)


def test_the_messages_that_come_with_the_handshake_count_as_well(site):
    together = b"".join(text(b"%d" % number) for number in range(STREAM_MESSAGES_WAITING))
    raw, client = site.client(behind=together)
    waiting = held(site, client)
    raw.send(text(b"more"))
    for message in waiting:
        message.client.dealt_with()
    assert site.said() == b"more"


# --- liveness and the end of it all ----------------------------------------------------------------------------------


def test_a_silent_client_is_cut_where_pings_are_asked_for(make):
    site = make(ping_interval_s=20.0, ping_timeout_s=15.0)
    raw, client = site.client()
    site.clock.advance(20)
    assert raw.frame() == (PING, b"")
    site.clock.advance(15)
    assert raw.rest() == b""
    site.gone(client)


def test_stopping_says_1012_and_leaves_no_thread(make):
    before = set(threading.enumerate())
    site = make()
    polite, polite_client = site.client()
    rude, rude_client = site.client()
    stuck, stuck_client = site.client()
    for number in range(STREAM_MESSAGES_WAITING):
        stuck.send(text(b"%d" % number))
    held(site, stuck_client)
    site.server.stop_accepting()
    with pytest.raises(OSError):
        socket.create_connection(site.server.address, timeout=WAIT_S)
    opcode, payload = polite.frame()
    assert (opcode, payload[:2]) == (CLOSE, (1012).to_bytes(2, "big"))
    polite.send(client_frame(CLOSE, payload[:2]))
    assert polite.rest() == b""
    assert site.server.writers()
    site.server.close()
    assert {site.next() for _ in range(3)} == {ClientLeft(c) for c in (polite_client, rude_client, stuck_client)}
    assert site.server.open_clients() == site.server.writers() == []
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith(("iii-connection", "iii-stream")):
            thread.join(WAIT_S)
            assert not thread.is_alive()
    assert rude.rest()[:1] == b"\x88"


def test_a_host_that_has_stopped_ends_the_connection(site):
    raw, client = site.client()
    site.host.actor_ref.stop()
    raw.send(text(b"x"))
    assert raw.rest() == b""
    assert site.server.wait_until_empty(WAIT_S)
    assert client not in site.server.open_clients()
