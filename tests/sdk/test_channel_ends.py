"""Both ends of real channels: what flows, and how it looks to Python."""

import csv
import gc
import io
import json
import shutil
import tarfile
import threading
import warnings

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

import iii_actors
from iii_worker.channel import ChannelItem, ChannelReader, ChannelWriter
from tests.support.channel_client import open_end
from tests.support.sdk_channels import REF, WAIT_S, ends, refs

KIB = 1024


@pytest.fixture(scope="module")
def engine():
    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=0)) as running:
        yield running


@pytest.fixture
def pair(engine):
    writer, reader = ends(engine)
    yield writer, reader
    writer.abort()
    reader.abort()


# --- items -----------------------------------------------------------------------------------------------------------


def test_bytes_and_text_keep_their_order_and_boundaries(pair):
    writer, reader = pair
    assert writer.write(b"one") == 3
    writer.send_message("two é")
    writer.send_bytes(b"")
    assert writer.write(b"") == 0
    writer.write(bytearray(b"three"))
    writer.write(memoryview(b"xfourx")[1:5])
    writer.close()
    items = list(reader.items())
    assert items == [
        ChannelItem.binary_item(b"one"),
        ChannelItem.text_item("two é"),
        ChannelItem(binary=b""),
        ChannelItem(binary=b"three"),
        ChannelItem(binary=b"four"),
    ]
    assert (items[0].is_binary, items[0].is_text, items[1].is_binary, items[1].is_text) == (True, False, False, True)
    assert list(reader.items()) == []


def test_a_write_is_cut_into_frames_of_64_kib(engine):
    writing, _ = refs(engine)
    writer = ChannelWriter(engine.url, writing, timeout=WAIT_S)
    data = bytes(range(256)) * 640
    with writer:
        assert writer.write(data) == len(data)
        writer.send_bytes(data)
    from iii_actors.core.messages import ChannelKey

    key = ChannelKey(writing["channel_id"], writing["access_key"])
    with open_end(engine, key, "read") as raw:
        frames = [raw.recv(timeout=WAIT_S) for _ in range(4)]
    assert [len(frame) for frame in frames] == [64 * KIB, 64 * KIB, 32 * KIB, 160 * KIB]
    assert b"".join(frames[:3]) == frames[3] == data


def test_iterating_gives_the_pieces_as_they_came(pair):
    writer, reader = pair
    for piece in (b"a", b"bc", b"def"):
        writer.write(piece)
    writer.close()
    assert list(reader) == [b"a", b"bc", b"def"]
    assert list(reader) == []


def test_messages_go_to_the_callbacks_while_somebody_reads(pair, caplog):
    writer, reader = pair
    heard = []

    def broken(_text):
        raise RuntimeError("callback")

    remove = reader.on_message(heard.append)
    reader.on_message(broken)
    writer.write(b"1")
    writer.send_message("m1")
    writer.write(b"2")
    writer.send_message("m2")
    writer.close()
    assert reader.read(1) == b"1"
    assert heard == []
    assert reader.read(1) == b"2"
    assert heard == ["m1"]
    remove()
    remove()
    assert reader.read() == b""
    assert heard == ["m1"]
    assert "callback" in caplog.text


# --- reading like a file ---------------------------------------------------------------------------------------------


def test_sizes_are_kept_whatever_the_frames_were(pair):
    writer, reader = pair
    for piece in (b"abc", b"defg", b"h"):
        writer.write(piece)
    writer.close()
    assert reader.read(0) == b""
    assert reader.read(2) == b"ab"
    assert reader.read1(10) == b"c"
    assert reader.read1(0) == b""
    assert reader.peek() == b"defg"
    assert reader.peek(1) == b"defg"
    buffer = bytearray(6)
    assert reader.readinto1(buffer) == 4
    assert buffer[:4] == b"defg"
    assert reader.readinto(buffer) == 1
    assert buffer[:1] == b"h"
    assert reader.read(5) == reader.read1() == reader.peek() == reader.read() == b""
    assert reader.readinto(buffer) == 0


def test_what_is_left_of_a_piece_comes_first(pair):
    writer, reader = pair
    writer.write(b"abc")
    writer.write(b"d")
    writer.close()
    assert reader.read(1) == b"a"
    assert next(reader) == b"bc"
    assert [item.binary for item in reader.items()] == [b"d"]


def test_lines(pair):
    writer, reader = pair
    for piece in (b"a\nb", b"b\n", b"\nlast"):
        writer.write(piece)
    writer.close()
    assert reader.readline() == b"a\n"
    assert reader.readlines(1) == [b"bb\n"]
    assert reader.readlines() == [b"\n", b"last"]
    assert reader.readline() == b""


def test_text_wrappers_on_both_ends(pair):
    writer, reader = pair
    with io.TextIOWrapper(writer, encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerows([["ä", "1"], ["b", "2"]])
    with io.TextIOWrapper(reader, encoding="utf-8", newline="") as text:
        assert list(csv.reader(text)) == [["ä", "1"], ["b", "2"]]
    assert writer.closed
    assert reader.closed


def test_modules_that_take_files_take_ends(pair, tmp_path):
    writer, reader = pair
    (tmp_path / "in.txt").write_bytes(b"x" * 200 * KIB)

    def send():
        with writer, tarfile.open(fileobj=writer, mode="w|") as archive:
            archive.add(tmp_path / "in.txt", "in.txt")

    thread = threading.Thread(target=send)
    thread.start()
    with reader, tarfile.open(fileobj=reader, mode="r|") as archive:
        for member in archive:
            with archive.extractfile(member) as file, (tmp_path / "out.txt").open("wb") as out:
                shutil.copyfileobj(file, out)
    thread.join(WAIT_S)
    assert (tmp_path / "out.txt").read_bytes() == (tmp_path / "in.txt").read_bytes()


def test_json_load_reads_from_an_end(pair):
    writer, reader = pair
    writer.end(b'{"a": 1}')
    assert json.load(reader) == {"a": 1}


def test_abilities(pair):
    writer, reader = pair
    assert (writer.writable(), writer.readable(), writer.seekable()) == (True, False, False)
    assert (reader.writable(), reader.readable(), reader.seekable()) == (False, True, False)
    assert writer.stream is writer
    with pytest.raises(io.UnsupportedOperation):
        writer.read()
    with pytest.raises(io.UnsupportedOperation):
        reader.write(b"")


def test_too_much_is_refused(pair):
    writer, reader = pair
    writer.write(b"12345")
    writer.write(b"6")
    writer.close()
    with pytest.raises(Exception, match="more than 5 bytes") as info:
        reader.read_all(max_bytes=5)
    assert info.value.code == "channel_too_long"


# --- bad use ---------------------------------------------------------------------------------------------------------


def test_text_is_no_bytes_and_bytes_are_no_message(pair):
    writer, _ = pair
    with pytest.raises(TypeError, match="send_message"):
        writer.write("text")
    with pytest.raises(TypeError, match="takes a str, not bytes"):
        writer.send_message(b"bytes")
    with pytest.raises(ValueError, match="16777217 bytes is too large"):
        writer.send_bytes(bytes(16 * KIB * KIB + 1))
    with pytest.raises(ValueError, match="too large"):
        writer.send_message("é" * (8 * KIB * KIB + 1))
    assert not writer.opened


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_timeout_is_above_zero(timeout):
    with pytest.raises(ValueError, match=f"timeout is {timeout}"):
        ChannelReader("ws://h", REF | {"direction": "read"}, timeout=timeout)


def test_a_reference_opens_its_own_end_only():
    with pytest.raises(ValueError, match="direction 'write'"):
        ChannelWriter("ws://h", REF | {"direction": "read"})
    with pytest.raises(ValidationError):
        ChannelReader("ws://h", {"channel_id": "c"})


def test_a_closed_end_says_so(pair):
    writer, reader = pair
    writer.close()
    writer.close()
    for use in (lambda: writer.write(b"x"), lambda: writer.send_message("x"), writer.flush):
        with pytest.raises(ValueError, match="closed ChannelWriter"):
            use()
    reader.close()
    reader.close()
    for use in (reader.read, reader.read1, lambda: next(reader), lambda: list(reader.items())):
        with pytest.raises(ValueError, match="closed ChannelReader"):
            use()


def test_repr_tells_the_state_and_not_the_key(pair):
    writer, _ = pair
    states = [repr(writer)]
    writer.write(b"x")
    states.append(repr(writer))
    writer.flush()
    writer.close()
    states.append(repr(writer))
    channel_id = writer.ref.channel_id
    assert states == [f"<ChannelWriter {channel_id}, {state}>" for state in ("not opened yet", "open", "closed")]


# --- life ------------------------------------------------------------------------------------------------------------


def test_nothing_is_opened_before_its_use(pair):
    writer, reader = pair
    assert not writer.opened
    assert not reader.opened
    assert writer.to_ref() | {"direction": "read"} == reader.to_ref()


def test_a_writer_that_wrote_nothing_ends_the_channel_all_the_same(pair):
    writer, reader = pair
    with writer:
        pass
    assert reader.read() == b""


def test_a_with_block_that_fails_does_not_end_as_if_all_had_been_written(pair):
    writer, reader = pair

    def fail():
        with writer:
            writer.write(b"half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert writer.closed
    assert reader.read() == b"half"


def test_a_preface_is_sent_with_the_first_use(pair):
    writer, reader = pair
    asked = []

    def preface():
        asked.append(True)
        return ["first", "second"]

    writer.set_preface(preface)
    assert not asked
    writer.write(b"x")
    writer.write(b"y")
    writer.close()
    assert asked == [True]
    assert [item.text or item.binary for item in reader.items()] == ["first", "second", b"x", b"y"]


def test_an_end_that_is_forgotten_warns_and_gives_its_socket_back(engine):
    writer, reader = ends(engine)
    writer.write(b"x")
    held = [writer]
    del writer
    with pytest.warns(ResourceWarning, match="unclosed <ChannelWriter"):
        held.clear()
    assert reader.read() == b"x"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del reader
        gc.collect()


# --- in models -------------------------------------------------------------------------------------------------------


class Upload(BaseModel):
    name: str
    content: ChannelReader


def test_ends_may_be_fields_of_models(pair):
    _, reader = pair
    upload = Upload(name="n", content=reader)
    assert upload.content is reader
    assert upload.model_dump() == {"name": "n", "content": reader.to_ref()}
    assert json.loads(upload.model_dump_json())["content"] == reader.to_ref()
    with pytest.raises(ValidationError, match="instance of ChannelReader"):
        Upload(name="n", content={"channel_id": "c"})


def test_their_schema_is_that_of_a_reference():
    schema = TypeAdapter(ChannelWriter).json_schema()
    assert schema["properties"]["direction"] == {"const": "write"}
    assert sorted(schema["required"]) == ["access_key", "channel_id", "direction"]
