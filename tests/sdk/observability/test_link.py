"""The telemetry socket itself, against a WebSocket server and against an engine."""

import socket
import threading
import time

import pytest
from websockets.sync.server import serve

import iii_actors
from iii_worker.observability.link import LinkError, open_link


def test_frames_arrive_and_headers_go_along(server):
    link = open_link(f"{server.url}/otel?token=x", {"Authorization": "Bearer y"})
    link.send(b'LOGS{"a":1}')
    link.send(b"OTLP" + b'{"b":"' + b"x" * 1_000_000 + b'"}')
    assert server.frame("LOGS") == {"a": 1}
    assert len(server.frame("OTLP")["b"]) == 1_000_000
    link.close()
    path, headers = server.requests[0]
    assert path == "/otel?token=x"
    assert headers["Authorization"] == "Bearer y"


def test_what_was_sent_before_a_close_arrives(server):
    link = open_link(server.url, {})
    for n in range(20):
        link.send(b'OTLP{"n":%d}' % n)
    link.close()
    assert [server.frame("OTLP")["n"] for _ in range(20)] == list(range(20))


def test_an_engine_that_is_not_there():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(LinkError, match="refused"):
        open_link(f"ws://127.0.0.1:{port}/otel", {})


def test_a_server_that_does_not_speak_websocket():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            peer, _ = listener.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(LinkError, match="404"):
            open_link(f"ws://127.0.0.1:{listener.getsockname()[1]}/otel", {})
        thread.join()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/otel", "nonsense", "ws://"])
def test_an_address_that_is_none(url):
    with pytest.raises(LinkError):
        open_link(url, {})


def send_until_refused(link):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        link.send(b"OTLP{}")


def test_a_refusal_is_told_with_the_engines_words():
    def refuse(connection):
        connection.send('{"type":"error","error":{"code":"AUTH_ERROR","message":"who are you"}}')
        connection.close()

    with serve(refuse, "127.0.0.1", 0, max_queue=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        link = open_link(f"ws://127.0.0.1:{server.socket.getsockname()[1]}/otel", {})
        with pytest.raises(LinkError, match="who are you"):
            send_until_refused(link)
        link.close()
        server.shutdown()
        thread.join()


def test_an_engine_takes_it():
    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=0)) as engine:
        link = open_link(f"{engine.url}/otel", {})
        for _ in range(3):
            link.send(b'OTLP{"resourceSpans":[]}')
        link.close()
