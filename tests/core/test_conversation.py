"""The writer to a client that is no worker: frames as they are, control messages, one flush a round."""

from __future__ import annotations

import pytest

from iii_actors.actor import Round
from iii_actors.core.conversation import ClientWriter, Deliver
from iii_actors.core.messages import Drop, Ping, Pong, Writable


class Outlet:
    """Notes what it is asked."""

    def __init__(self):
        self.did = []

    def __getattr__(self, name):
        def note(*arguments):
            self.did.append((name, *arguments))
            if arguments == (b"break",):
                raise ValueError("broken")

        return note


@pytest.fixture
def outlet():
    return Outlet()


@pytest.fixture
def writer(outlet):
    ref = ClientWriter.start(outlet)
    yield ref
    ref.stop()


def test_everything_in_order_and_one_flush_for_all_of_a_round(outlet, writer):
    with Round():
        for message in (Deliver(b"one"), Pong(b"p"), Deliver(b"two"), Ping(), Writable()):
            writer.tell(message)
        assert outlet.did == []
    assert outlet.did == [("write_frame", b"one"), ("pong", b"p"), ("write_frame", b"two"), ("ping",), ("flush",)]


def test_the_end(outlet, writer):
    writer.tell(Drop(1012, "bye"))
    assert outlet.did == [("drop", 1012, "bye"), ("flush",)]


def test_a_client_that_cannot_be_written_to_is_cut(outlet, writer, caplog):
    writer.tell(Deliver(b"break"))
    assert ("drop", None, "") in outlet.did
    assert "broken" in caplog.text
