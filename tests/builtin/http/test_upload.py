"""A body's way, with a source and a reader that the test plays."""

from iii_actors.builtin.http.upload import Room, Upload
from iii_actors.core.pipe import Pipe
from iii_actors.limits import HTTP_DISCARD_BYTES, HTTP_UPLOAD_HELD_BYTES, HTTP_UPLOAD_ITEM_BYTES


class Source:
    def __init__(self):
        self.said = []

    def pause(self):
        self.said.append("pause")

    def resume(self):
        self.said.append("resume")

    def go_on(self):
        self.said.append("go_on")

    def enough(self):
        self.said.append("enough")

    def take(self):
        said, self.said = self.said, []
        return said


class Bell:
    """Keeps what it is to have run, for :meth:`answer`."""

    def __init__(self):
        self.left = []

    def ring(self, callback):
        self.left.append(callback)

    def answer(self):
        left, self.left = self.left, []
        for callback in left:
            callback()


def arrivals():
    calls = []
    return calls, lambda: calls.append(1)


PLENTY = 10**9


def drained(pipe):
    """Everything in the pipe; a last None if it has ended."""
    items = []
    while (got := pipe.take(10**6)) not in ([], None):
        items += got
    assert all(not item.is_text for item in items)
    return [item.payload for item in items] + ([None] if got is None else [])


def test_no_body_is_complete_from_the_start():
    upload = Upload(None)
    _calls, arrived = arrivals()
    upload.gather(10, Room(PLENTY), arrived)
    assert (upload.gathered, upload.whole, upload.content()) == (True, True, b"")
    pipe = Pipe(4)
    upload.pour_into(pipe, Bell())
    assert drained(pipe) == [None]


def test_nobody_wants_it_yet_a_little_is_held_and_the_client_waits():
    source = Source()
    upload = Upload(source)
    upload.data(b"x" * HTTP_UPLOAD_HELD_BYTES)
    assert source.take() == []
    upload.data(b"y")
    assert source.take() == ["pause"]


def test_gathered_when_all_is_there():
    source, (calls, arrived) = Source(), arrivals()
    upload = Upload(source)
    upload.data(b"a")
    upload.gather(100, Room(PLENTY), arrived)
    assert source.take() == ["go_on", "resume"]
    upload.data(b"b")
    assert (upload.gathered, calls) == (False, [])
    upload.end()
    assert (upload.gathered, upload.whole, upload.content(), calls) == (True, True, b"ab", [1])


def test_a_body_that_came_with_its_headers_is_gathered_at_once():
    source, (calls, arrived) = Source(), arrivals()
    upload = Upload(source)
    upload.data(b"ab")
    upload.end()
    upload.gather(100, Room(PLENTY), arrived)
    assert (upload.whole, upload.content(), calls, source.take()) == (True, b"ab", [], [])


def test_what_is_too_large_waits_to_be_poured_and_nothing_is_lost():
    source, (calls, arrived) = Source(), arrivals()
    upload, bell, pipe = Upload(source), Bell(), Pipe(64)
    upload.gather(3, Room(PLENTY), arrived)
    upload.data(b"abc")
    assert not upload.gathered
    upload.data(b"d")
    assert (upload.gathered, upload.whole, calls) == (True, False, [1])
    assert source.take() == ["go_on", "resume", "pause"]
    upload.pour_into(pipe, bell)
    assert source.take() == ["go_on", "resume", "resume"]
    upload.data(b"e")
    upload.end()
    assert b"".join(drained(pipe)[:-1]) == b"abcde"


def test_too_large_before_anybody_asks():
    upload, (_calls, arrived) = Upload(Source()), arrivals()
    upload.data(b"abcd")
    upload.gather(3, Room(PLENTY), arrived)
    assert (upload.gathered, upload.whole) == (True, False)
    upload.end()
    assert not upload.whole


def test_all_bodies_share_one_room():
    room = Room(10)
    first, second, third = Upload(Source()), Upload(Source()), Upload(Source())
    for upload in (first, second, third):
        upload.gather(100, room, lambda: None)
    first.data(b"x" * 6)
    second.data(b"x" * 6)
    assert (first.gathered, second.gathered, second.whole) == (False, True, False)
    second.leave_room()
    third.data(b"x" * 4)
    assert not third.gathered
    first.leave_room()
    first.leave_room()
    third.data(b"x" * 6)
    third.end()
    assert third.whole


def test_it_is_poured_in_pieces_that_every_sdk_takes():
    upload, pipe = Upload(Source()), Pipe(64)
    size = 2 * HTTP_UPLOAD_ITEM_BYTES + 5
    upload.data(bytes(range(256)) * (size // 256 + 1))
    upload.pour_into(pipe, Bell())
    upload.end()
    *pieces, end = drained(pipe)
    assert end is None
    assert max(map(len, pieces)) == HTTP_UPLOAD_ITEM_BYTES
    assert b"".join(pieces) == bytes(range(256)) * (size // 256 + 1)


def test_a_full_pipe_makes_the_client_wait_and_room_in_it_goes_on():
    source, bell, pipe = Source(), Bell(), Pipe(2)
    upload = Upload(source)
    upload.pour_into(pipe, bell)
    assert source.take() == ["go_on", "resume", "resume"]
    for part in (b"1", b"2"):
        upload.data(part)
    assert source.take() == ["resume", "resume"]
    upload.data(b"3")
    assert source.take() == ["pause"]
    upload.end()
    assert [item.payload for item in pipe.take(1)] == [b"1"]
    bell.answer()
    assert drained(pipe) == [b"2", b"3", None]


def test_a_reader_that_leaves_is_no_reason_to_wait():
    source, bell, pipe = Source(), Bell(), Pipe(1)
    upload = Upload(source)
    upload.pour_into(pipe, bell)
    upload.data(b"1")
    upload.data(b"2")
    source.take()
    pipe.leave()
    bell.answer()
    assert source.take() == ["resume"]
    upload.data(b"3" * 1000)
    assert source.take() == []


def test_what_nobody_wants_is_thrown_away_up_to_a_limit():
    source = Source()
    upload = Upload(source)
    upload.data(b"x" * 100)
    upload.discard()
    assert source.take() == ["resume"]
    assert upload.content() == b""
    upload.data(b"x" * (HTTP_DISCARD_BYTES - 100))
    assert source.take() == []
    upload.data(b"x")
    assert source.take() == ["enough"]


def test_discarding_ends_the_pipe_that_was_being_filled():
    pipe = Pipe(4)
    upload = Upload(Source())
    upload.pour_into(pipe, Bell())
    upload.data(b"1")
    upload.discard()
    assert drained(pipe) == [b"1", None]


def test_the_end_comes_once():
    calls, arrived = arrivals()
    upload = Upload(Source())
    upload.gather(10, Room(PLENTY), arrived)
    upload.end()
    upload.end()
    assert calls == [1]
