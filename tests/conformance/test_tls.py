"""`tls` on every port: workers with either reader, channels, telemetry, streams, HTTP; and those who speak something else."""

import http.client
import json
import os
import socket
import ssl
import threading
import uuid
import warnings
from contextlib import suppress

import pytest
import requests
from websockets.exceptions import InvalidMessage
from websockets.sync.client import connect

import iii_actors
from tests.support.peer import Peer
from tests.support.raw import RawClient, upgrade_request
from tests.support.tls import Authority

LISTENER = "iii-worker-manager"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module", params=["shared", "own"])
def engine(request, authority):
    """All ports encrypted; the second listener wants to know its clients."""
    tls = authority.server()
    entries = [
        {"name": LISTENER, "config": {"port": 0, "tls": tls, "reader": request.param, "handshake_timeout_ms": 10_000}},
        {"name": LISTENER, "config": {"port": 0, "tls": tls | {"client_ca": authority.ca}, "reader": request.param}},
        {"name": "iii-http", "config": {"port": 0, "tls": tls}},
        {"name": "iii-stream", "config": {"port": 0, "tls": tls}},
    ]
    with iii_actors.Engine(iii_actors.EngineConfig(workers=entries)) as running:
        yield running


@pytest.fixture
def join(engine, authority):
    made = []

    def make(at=0, known=False):
        made.append(Peer("ws://localhost/", sock=authority.dial(engine.listeners[at], known=known)))
        made[-1].register_worker()
        return made[-1]

    yield make
    for peer in made:
        peer.close()
    for listener in engine._listeners:
        assert listener.wait_until_empty(10)


def test_the_url_says_so(engine):
    assert engine.url.startswith("wss://127.0.0.1:")
    assert {(one.name, one.scheme) for one in engine.opened()} == {("http", "https"), ("stream", "wss")}


@pytest.mark.parametrize("size", [0, 100, 20_000, 1_000_000, 15_000_000])
def test_calls_of_all_sizes(join, size):
    worker, caller = join(), join()
    worker.register("echo", lambda data: data["text"])
    text = "ä" + os.urandom(size // 2).hex()
    assert caller.call("echo", {"text": text}, timeout=30) == text


def test_many_calls_at_once(join):
    worker, callers = join(), [join() for _ in range(4)]
    worker.register("echo", lambda data: data["n"])

    def work(caller, found):
        ids = [caller.start_call("echo", {"n": n, "pad": "x" * (n * 50)}) for n in range(100)]
        found += [caller.expect(type="invocationresult", invocation_id=one)["result"] for one in ids]

    results = [[] for _ in callers]
    threads = [threading.Thread(target=work, args=pair) for pair in zip(callers, results, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [list(range(100))] * 4


def test_a_client_that_reads_late_gets_everything_and_holds_up_nobody(engine, join, authority):
    worker = join()
    worker.register("large", lambda data: "x" * data["size"])
    raw = socket.create_connection(engine.listeners[0], 10)
    with RawClient(engine.listeners[0]) as late:
        late.socket.close()
        late.socket = authority.trusting().wrap_socket(raw, server_hostname="localhost")
        late.upgrade()
        late.expect(type="workerregistered")
        for n in range(4):
            call = {"function_id": "large", "invocation_id": str(uuid.UUID(int=n)), "data": {"size": 3_000_000 + n}}
            late.send_message(type="invokefunction", **call)
        assert len(join().call("large", {"size": 10})) == 10
        sizes = {}
        for _ in range(4):
            answer = late.expect(type="invocationresult")
            sizes[uuid.UUID(answer["invocation_id"]).int] = len(answer["result"])
        assert sizes == {n: 3_000_000 + n for n in range(4)}


def test_channels(engine, join, authority):
    made = join().call("engine::channels::create", {})
    url = f"ws://localhost/ws/channels/{made['writer']['channel_id']}?key={made['writer']['access_key']}"

    def end(direction):
        sock = authority.dial(engine.listeners[0])
        return connect(f"{url}&dir={direction}", sock=sock, compression=None, max_size=None)

    sent = [b"first", "text", os.urandom(3_000_000), b""]
    with end("read") as reader:
        with end("write") as writer:
            for item in sent:
                writer.send(item)
        assert list(reader) == sent


def test_telemetry(engine, authority):
    with connect("ws://localhost/otel", sock=authority.dial(engine.listeners[0]), compression=None) as client:
        client.send(b'OTLP{"resourceSpans":[]}')
        assert client.ping(b"there?").wait(10)


def test_streams(engine, join, authority):
    [port] = [one.port for one in engine.opened() if one.name == "stream"]
    with connect("ws://localhost/", sock=authority.dial(("127.0.0.1", port)), compression=None) as client:
        about = {"streamName": "s", "groupId": "g", "subscriptionId": "1"}
        client.send(json.dumps({"type": "join", "data": about}))
        assert json.loads(client.recv(timeout=10))["event"]["type"] == "sync"
        setting = {"stream_name": "s", "group_id": "g", "item_id": "i", "data": {"pad": "x" * 300_000}}
        join().call("stream::set", setting)
        assert json.loads(client.recv(timeout=10))["event"]["data"]["pad"] == "x" * 300_000


def test_http(engine, join, authority):
    worker = join()
    worker.register("page", lambda data: {"status_code": 200, "body": {"got": data["body"], "pad": "y" * 200_000}})
    config = {"api_path": "page", "http_method": "POST"}
    worker.send(type="registertrigger", id="page", trigger_type="http", function_id="page", config=config)
    worker.barrier()
    [port] = [one.port for one in engine.opened() if one.name == "http"]
    with requests.Session() as session:
        session.trust_env = False
        for _ in range(3):
            body = {"n": 1, "pad": "x" * 100_000}
            answer = session.post(f"https://127.0.0.1:{port}/page", json=body, verify=authority.ca, timeout=10)
            assert answer.json() == {"got": body, "pad": "y" * 200_000}


def test_http_says_no_and_ends_gently(engine, authority):
    [port] = [one.port for one in engine.opened() if one.name == "http"]
    raw = socket.create_connection(("127.0.0.1", port), 10)
    with authority.trusting().wrap_socket(raw, server_hostname="localhost") as client:
        client.sendall(b"no http\r\n\r\n")
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert answer.status == 400
        answer.read()
        assert client.recv(10) == b""


# --- clients that speak something else ---------------------------------------------------------------------------------


def ports(engine):
    return [address[1] for address in engine.listeners] + [one.port for one in engine.opened()]


def test_a_plain_client_gets_nothing_and_is_closed(engine):
    for port in ports(engine):
        with RawClient(("127.0.0.1", port)) as client:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            assert not client.rest().startswith(b"HTTP")


def test_a_client_of_tls_on_a_plain_port_is_told_at_once(authority):
    with iii_actors.Engine(iii_actors.EngineConfig.listening()) as plain:
        host, port = plain.listeners[0]
        with pytest.raises((ssl.SSLError, InvalidMessage, ConnectionError)):
            connect(f"wss://{host}:{port}/", ssl=authority.trusting(), proxy=None, open_timeout=5)


def test_older_tls_is_refused(engine, authority):
    for port in ports(engine):
        context = authority.trusting()
        with warnings.catch_warnings(action="ignore"):
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        raw = socket.create_connection(("127.0.0.1", port), 10)
        with raw, pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(raw, server_hostname="localhost")


def test_a_client_that_says_nothing_has_the_handshakes_time(authority):
    settings = {"tls": authority.server(), "handshake_timeout_ms": 50}
    with iii_actors.Engine(iii_actors.EngineConfig.listening(**settings)) as running:
        with RawClient(running.listeners[0]) as silent:
            assert silent.rest() == b""
        raw = socket.create_connection(running.listeners[0], 10)
        with authority.trusting().wrap_socket(raw, server_hostname="localhost") as half:
            half.settimeout(10)
            assert half.recv(10) == b""


# --- clients that are known by their certificate -----------------------------------------------------------------------


def test_a_known_client_is_let_in(join):
    assert join(at=1, known=True).call("engine::channels::create", {})["writer"]


def test_an_unknown_client_is_not(engine, authority, tmp_path):
    stranger = authority.trusting()
    Authority(tmp_path)._ca.issue_cert("client@example.org").configure_cert(stranger)
    for context in (authority.trusting(), stranger):
        raw = socket.create_connection(engine.listeners[1], 10)
        answer = b""
        with (
            raw,
            suppress(ssl.SSLError, ConnectionError),
            context.wrap_socket(raw, server_hostname="localhost") as client,
        ):
            client.sendall(upgrade_request("/"))
            answer = client.recv(100)
        assert answer == b""


# --- stopping ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reader", ["shared", "own"])
def test_a_stopping_engine_says_good_bye(authority, reader):
    settings = {"tls": authority.server(), "reader": reader}
    with iii_actors.Engine(iii_actors.EngineConfig.listening(**settings)) as running:
        peer = Peer("ws://localhost/", sock=authority.dial(running.listeners[0]))
        running.stop()
        assert peer.closed.wait(10)
        assert peer.close_code == 1012
        peer.close()
