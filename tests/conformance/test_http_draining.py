"""An HTTP front whose engine goes down: what runs is answered, nobody new gets in."""

import threading

import pytest

from tests.support.http_engine import read_answer, site

WAIT_S = 10
REQUEST = b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n"


def test_a_request_under_way_is_answered_and_a_silent_connection_ends():
    with site() as own:
        function_id = own.route("slow")
        with own.raw() as silent, own.raw() as client:
            client.send(REQUEST % b"slow")
            frame = own.worker.expect(type="invokefunction", function_id=function_id)
            drained = []
            drain = threading.Thread(target=lambda: drained.append(own.engine.drain(WAIT_S)))
            drain.start()
            assert silent.rest() == b""
            own.worker.answer(frame, {"body": "done"})
            status, _, body = read_answer(client)
            assert (status, body) == (200, b'"done"')
            assert client.rest() == b""
            drain.join(WAIT_S)
            assert (drained[0].calls, drained[0].left) == (1, 0)
        with pytest.raises(ConnectionRefusedError):
            own.raw()


def test_one_that_does_not_end_is_not_waited_for_for_ever():
    with site() as own:
        function_id = own.route("never")
        with own.raw() as client:
            client.send(REQUEST % b"never")
            own.worker.expect(type="invokefunction", function_id=function_id)
            drained = own.engine.drain(0.05)
            assert (drained.calls, drained.left) == (1, 1)
            own.engine.stop()
            assert read_answer(client)[0] in (500, 502, 503)
