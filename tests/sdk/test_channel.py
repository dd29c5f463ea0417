"""Making channels, and references that become objects."""

import threading

import pytest

import iii_actors
from iii_worker.channel import (
    ChannelError,
    ChannelReader,
    ChannelWriter,
    ReadableStream,
    WritableStream,
    create_channel,
    revive,
)
from tests.support.peer import Peer, peers
from tests.support.sdk_channels import WAIT_S, refs

READ = {"channel_id": "c1", "access_key": "k1", "direction": "read"}
WRITE = {"channel_id": "c2", "access_key": "k2", "direction": "write"}


@pytest.fixture(scope="module")
def engine():
    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=0)) as running:
        yield running


class Host:
    """A client as far as a channel needs one."""

    headers = {"x-token": "t"}  # noqa: RUF012

    def __init__(self, address, peer: Peer):
        self.address = address
        self._peer = peer
        self.calls = []

    def call(self, function_id, payload=None, *, timeout=None, namespace=None, metadata=None):
        self.calls.append((function_id, payload))
        return self._peer.call(function_id, payload)


class Answering(Host):
    """One whose engine answers this."""

    def __init__(self, answer):
        self.address = "ws://h"
        self._answer = answer

    def call(self, function_id, payload=None, *, timeout=None, namespace=None, metadata=None):
        return self._answer


@pytest.fixture
def host(engine):
    with peers(engine.url) as join:
        yield Host(engine.url, join("host"))


def test_a_channel_made_by_the_engine_carries_bytes(host):
    channel = create_channel(host, 2, timeout=WAIT_S)
    assert host.calls == [("engine::channels::create", {"buffer_size": 2})]
    assert channel.writer.to_ref() == channel.writer_ref.to_ref()
    assert channel.reader.to_ref() == channel.reader_ref.to_ref()
    assert channel.writer_ref.direction == "write"
    assert channel.writer.timeout == channel.reader.timeout == WAIT_S
    with channel:
        channel.writer.end(b"hello")
        assert channel.reader.read() == b"hello"
    assert channel.writer.closed
    assert channel.reader.closed


def test_a_channel_leaves_the_ends_alone_that_were_not_used(host):
    with create_channel(host, timeout=WAIT_S) as channel:
        pass
    assert not channel.writer.closed
    with ChannelWriter(host.address, channel.writer_ref, timeout=WAIT_S) as writer:
        writer.write(b"x")
    assert channel.reader.read() == b"x"
    channel.close()
    assert channel.reader.closed


def test_a_block_that_fails_aborts(host):
    channel = create_channel(host, timeout=WAIT_S)

    def fail():
        with channel:
            channel.writer.write(b"x")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert channel.writer.closed
    assert channel.reader.closed


@pytest.mark.parametrize("size", [0, -1])
def test_a_buffer_holds_something(host, size):
    with pytest.raises(ValueError, match=f"buffer_size is {size}"):
        create_channel(host, size)
    assert host.calls == []


@pytest.mark.parametrize("answer", [None, [], {}, {"writer": WRITE}, {"writer": {"channel_id": 1}, "reader": READ}])
def test_an_answer_that_is_no_channel(answer):
    with pytest.raises(ChannelError, match=r"no reference '(writer|reader)'"):
        create_channel(Answering(answer))


def test_an_answer_in_which_the_references_are_objects_already():
    answer = revive({"writer": dict(WRITE), "reader": dict(READ)}, "ws://h")
    channel = create_channel(Answering(answer))
    assert channel.writer_ref.to_ref() == WRITE
    assert channel.reader_ref.to_ref() == READ


# --- references that become objects ----------------------------------------------------------------------------------


def test_references_become_objects_wherever_they_are():
    data = {"a": [1, dict(READ), {"b": dict(WRITE)}], "c": None, "d": {"channel_id": "c"}}
    revived = revive(data, "ws://h:1", {"x": "y"})
    assert revived is data
    reader, writer = data["a"][1], data["a"][2]["b"]
    assert isinstance(reader, ChannelReader)
    assert isinstance(writer, ChannelWriter)
    assert (reader.to_ref(), writer.to_ref()) == (READ, WRITE)
    assert (reader._address, reader._headers) == ("ws://h:1", {"x": "y"})
    assert data["d"] == {"channel_id": "c"}
    assert not reader.opened


def test_a_payload_that_is_nothing_but_a_reference():
    assert isinstance(revive(READ | {"_caller_worker_id": "w"}, "ws://h"), ChannelReader)


@pytest.mark.parametrize("value", [None, 1, "text", 1.5, True])
def test_scalars_stay(value):
    assert revive(value, "ws://h") == value


def test_depth_is_no_matter():
    data = innermost = []
    for _ in range(5000):
        data = [data]
    innermost.append(dict(READ))
    revive(data, "ws://h")
    assert isinstance(innermost[0], ChannelReader)


def test_objects_work_as_references_did(engine):
    writing, reading = refs(engine)
    payload = revive({"to": writing, "from": [reading]}, engine.url)
    payload["to"].timeout = payload["from"][0].timeout = WAIT_S
    thread = threading.Thread(target=payload["to"].end, args=(b"x" * 300_000,))
    thread.start()
    assert len(payload["from"][0].read()) == 300_000
    thread.join(WAIT_S)
    payload["from"][0].close()


def test_the_names_of_other_sdks():
    assert ReadableStream is ChannelReader
    assert WritableStream is ChannelWriter
