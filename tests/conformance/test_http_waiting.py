"""Timeouts, the limit of requests at once, settings changed while it runs, and the end (http.md §8, §9, §11)."""

import logging
import socket
import threading
import time

import pytest
import requests

from iii_actors import Engine, EngineConfig
from iii_actors.builtin.http import Http, Reply
from iii_actors.clock import ManualClock
from iii_actors.errors import ListenError
from tests.support.http_channels import is_dropped, writer
from tests.support.http_engine import error_of, read_answer, site

REQUEST = b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n"


def test_the_time_is_up_and_the_call_goes_on():
    clock = ManualClock()
    with site(clock, default_timeout=5000) as own:
        function_id = own.route("slow")
        with own.raw() as client:
            client.send(REQUEST % b"slow")
            frame = own.worker.expect(type="invokefunction", function_id=function_id)
            clock.advance(4.9)
            clock.advance(0.2)
            status, headers, body = read_answer(client)
            assert (status, body) == (504, b"")
            assert not [name for name in headers if name.startswith(("access-control", "vary"))]
            rows = own.worker.call("engine::workers::list", {})["workers"]
            assert next(row["active_invocations"] for row in rows if row["id"] == own.worker.worker_id) >= 1
            own.worker.answer(frame, {"body": "late"})
            client.send(REQUEST % b"nowhere")
            assert read_answer(client)[0] == 404, "the late answer went nowhere"


@pytest.mark.parametrize("what", ["condition_function_id", "middleware_function_ids", "null result", "body"])
def test_the_time_covers_everything_until_the_headers(what):
    clock = ManualClock()
    with site(clock, default_timeout=5000) as own:
        own.worker.register("hangs")
        config = {what: "hangs" if what.startswith("condition") else ["hangs"]} if "function" in what else {}
        function_id = own.route("wait", **config)
        with own.raw() as client:
            if what == "body":
                client.send(
                    b"GET /wait HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n1"
                )
                _until(lambda: own.front.front.exchanges)
            else:
                client.send(REQUEST % b"wait")
                frame = own.worker.expect(
                    type="invokefunction", function_id=function_id if what == "null result" else "hangs"
                )
                if what == "null result":
                    own.worker.answer(frame, None)
                    own.worker.barrier()
            clock.advance(5.1)
            assert read_answer(client)[0] == 504


def _until(true):
    """Wait for what the front's own thread does."""
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        threading.Event().wait(0.002)


def test_a_stream_may_take_longer():
    clock = ManualClock()
    with site(clock, default_timeout=5000) as own:
        function_id = own.route("stream")
        with own.raw() as client:
            client.send(REQUEST % b"stream")
            frame = own.worker.expect(type="invokefunction", function_id=function_id)
            with writer(own.engine, frame) as end:
                end.send(b"a")
                client.head()
                clock.advance(100)
                end.send(b"b")
                end.close()
                while b"0\r\n\r\n" not in client.received:
                    assert client.more()
                assert client.received == b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"


def test_more_requests_than_allowed_wait_for_their_turn():
    with site(concurrency_request_limit=2) as own:
        function_id = own.route("busy")
        clients = [own.raw() for _ in range(5)]
        try:
            for client in clients:
                client.send(REQUEST % b"busy")
            frames = [own.worker.expect(type="invokefunction", function_id=function_id) for _ in range(2)]
            _until(lambda: own.front.front.places.queued == 3)
            assert own.get("/nowhere").status_code == 404, "what calls nobody waits for nobody"
            for _ in range(3):
                own.worker.answer(frames.pop(0), {"body": 1})
                frames.append(own.worker.expect(type="invokefunction", function_id=function_id))
                assert own.front.front.places.taken == 2
            for frame in frames:
                own.worker.answer(frame, {"body": 1})
            assert [read_answer(client)[0] for client in clients] == [200] * 5
        finally:
            for client in clients:
                client.socket.close()


def test_who_waits_for_a_place_gives_up_in_time_or_goes():
    clock = ManualClock()
    with site(clock, concurrency_request_limit=1, default_timeout=5000) as own:
        function_id = own.route("one")
        with own.raw() as first, own.raw() as second, own.raw() as third:
            first.send(REQUEST % b"one")
            frame = own.worker.expect(type="invokefunction", function_id=function_id)
            clock.advance(3)
            second.send(REQUEST % b"one")
            _until(lambda: own.front.front.places.queued == 1)
            third.send(REQUEST % b"one")
            _until(lambda: own.front.front.places.queued == 2)
            second.socket.close()
            _until(lambda: len(own.front.front.exchanges) == 2)
            own.worker.answer(frame, {"body": 1})
            assert read_answer(first)[0] == 200
            own.worker.expect(type="invokefunction", function_id=function_id)
            clock.advance(5)
            assert read_answer(third)[0] == 504
            assert own.front.front.places.taken == 0


# --- settings --------------------------------------------------------------------------------------------------------


def test_settings_change_for_new_requests_only():
    clock = ManualClock()
    with site(clock) as own:
        own.worker.register("deny", lambda _: {"action": "respond", "response": {"status_code": 403}})
        function_id = own.route("s")
        with own.raw() as client:
            client.send(REQUEST % b"s")
            frame = own.worker.expect(type="invokefunction", function_id=function_id)
            own.apply(
                port=0,
                cors={"allowed_origins": ["https://a"], "allowed_methods": []},
                middleware=[{"function_id": "deny", "phase": "preHandler", "priority": 0}],
                default_timeout=1000,
            )
            clock.advance(2)
            own.worker.answer(frame, {"body": 1})
            status, headers, _ = read_answer(client)
            assert (status, headers["access-control-allow-origin"]) == (200, "*")
            client.send(REQUEST % b"s")
            status, headers, _ = read_answer(client)
            assert (status, "access-control-allow-origin" in headers) == (403, False)


def test_another_address_is_bound_before_the_old_one_is_given_up():
    with site() as own, site() as other:
        own.route("a", lambda _: {"body": 1})
        old = own.front.address
        with pytest.raises(ListenError, match="cannot listen"):
            own.apply(port=other.front.address[1])
        assert own.front.address == old
        assert own.get("/a").status_code == 200, "a port that cannot be had changes nothing"
        function_id = own.route("waits")
        with own.raw() as busy, own.raw() as idle:
            idle.send(REQUEST % b"a")
            assert read_answer(idle)[0] == 200
            busy.send(REQUEST % b"waits")
            frame = own.worker.expect(type="invokefunction", function_id=function_id)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            own.apply(port=port)
            assert own.front.address == ("127.0.0.1", port)
            assert idle.rest() == b""
            assert requests.get(f"http://127.0.0.1:{port}/a", timeout=10).json() == 1
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(old)
            own.worker.answer(frame, {"body": "done"})
            status, headers, body = read_answer(busy)
            assert (status, headers["connection"], body) == (200, "close", b'"done"')


def test_a_taken_port_stops_the_front_alone(caplog):
    with site() as first:
        host, port = first.front.address
        config = EngineConfig(
            workers=[
                {"name": "iii-worker-manager", "config": {"port": 0}},
                {"name": "http", "config": {"port": port, "host": host}},
            ]
        )
        with caplog.at_level(logging.WARNING), Engine(config) as engine:
            assert engine.url
            (told,) = [record.getMessage() for record in caplog.records if "does not start" in record.getMessage()]
            assert f"{host}:{port}" in told
            (front,) = [one for one in engine._builtins if isinstance(one, Http)]
            assert front.actors() == []
            assert front.drained(0)
        assert first.get("/x").status_code == 404


# --- the end ---------------------------------------------------------------------------------------------------------


def test_the_engine_stops_with_requests_in_flight():
    with site() as own:
        waiting, streaming = own.route("waits"), own.route("streams")
        with own.raw() as first, own.raw() as second, own.raw() as idle, own.raw() as half:
            idle.send(REQUEST % b"nowhere")
            assert read_answer(idle)[0] == 404
            half.send(b"GET /half")
            first.send(REQUEST % b"waits")
            own.worker.expect(type="invokefunction", function_id=waiting)
            second.send(REQUEST % b"streams")
            frame = own.worker.expect(type="invokefunction", function_id=streaming)
            with writer(own.engine, frame) as end:
                end.send(b"abc")
                second.head()
                began = time.monotonic()
                own.engine.stop()
                assert time.monotonic() - began < 3.5
                assert is_dropped(end)
            status, _, body = read_answer(first)
            assert (status, b"invocation_stopped" in body) == (500, True)
            assert idle.rest() == half.rest() == b""
            assert second.rest().startswith(b"3\r\nabc\r\n")
            with pytest.raises(ConnectionRefusedError):
                own.raw()


def test_the_front_alone_stops_and_answers_what_waits():
    with site() as own:
        function_id = own.route("waits")
        with own.raw() as client:
            client.send(REQUEST % b"waits")
            frame = own.worker.expect(type="invokefunction", function_id=function_id)
            own.front.stop()
            own.engine._builtins.remove(own.front)
            status, headers, body = read_answer(client)
            assert (status, headers["connection"], b"invocation_stopped" in body) == (500, "close", True)
            own.worker.answer(frame, {"body": "late"})
            assert own.worker.call("engine::registered-triggers::list", {})["registered_triggers"] == []


def test_a_stream_that_is_cut_by_the_end_is_no_whole_answer():
    with site() as own:
        function_id = own.route("streams")
        with own.raw() as client:
            client.send(REQUEST % b"streams")
            frame = own.worker.expect(type="invokefunction", function_id=function_id)
            with writer(own.engine, frame) as end:
                end.send(b"abc")
                client.head()
                own.front.stop()
                own.engine._builtins.remove(own.front)
                assert b"0\r\n\r\n" not in client.rest()
                assert is_dropped(end)


def test_a_failure_of_the_front_itself_is_a_500(monkeypatch, caplog):
    with site() as own:
        own.route("x", lambda _: {"body": 1})
        monkeypatch.setattr("iii_actors.builtin.http.exchange.from_handler", lambda _: 1 / 0)
        response = own.get("/x")
        error = error_of(response)
        assert (response.status_code, error["code"], error["message"]) == (
            500,
            "INTERNAL_ERROR",
            "internal server error",
        )
        assert any(error["error_id"] in record.getMessage() and record.exc_info for record in caplog.records)
        monkeypatch.undo()
        assert own.get("/x").status_code == 200


def test_pages_of_the_engines_own_never_shadow_a_route():
    with site() as own:
        asked = []

        async def pages(method, path):
            asked.append((method, path))
            if path == "/broken":
                raise LookupError("wrong")
            return Reply(200, [(b"content-type", b"text/plain")], b"page") if path == "/docs" else None

        own.front.front.extra = pages
        assert own.get("/docs?x=1").text == "page"
        assert own.ask("HEAD", "/docs").headers["content-length"] == "4"
        assert own.get("/other").status_code == 404
        assert asked == [("GET", "/docs"), ("HEAD", "/docs"), ("GET", "/other")]
        assert error_of(own.get("/broken"))["code"] == "INTERNAL_ERROR"
        own.route("docs", lambda _: {"body": "mine"}, "POST")
        assert own.get("/docs").status_code == 405
        assert own.post("/docs").json() == "mine"
