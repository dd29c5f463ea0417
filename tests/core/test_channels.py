"""The registry alone: its messages and its clock, no sockets (core.md §9)."""

import uuid

import pytest

from iii_actors import limits
from iii_actors.actor import ask
from iii_actors.clock import ManualClock
from iii_actors.core.channels import Channels, TooManyChannels
from iii_actors.core.ends import KnowsChannel, ReleaseChannelEnd, TakeChannelEnd
from iii_actors.core.messages import ChannelKey, CreateChannel
from iii_actors.core.pipe import Item
from iii_actors.errors import EngineError

DIRECTIONS = ["read", "write"]


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def open_registry(start, clock):
    """A maker of registries on the test's clock."""
    return lambda **limits_of_its_own: start(Channels(clock, **limits_of_its_own))


@pytest.fixture
def channels(open_registry):
    return open_registry()


def use_up(channels, key):
    for direction in DIRECTIONS:
        assert ask(channels, TakeChannelEnd(key, direction)) is not None
        channels.tell(ReleaseChannelEnd(key.channel_id, direction))


def test_id_and_key_are_uuids_and_unlike(channels):
    keys = [ask(channels, CreateChannel(64)) for _ in range(10)]
    texts = [text for key in keys for text in key]
    assert len(set(texts)) == 20
    assert all(str(uuid.UUID(text)) == text for text in texts)


@pytest.mark.parametrize(
    ("asked", "held"), [(-5, 1), (0, 1), (1, 1), (64, 64), (1024, 1024), (1025, 1024), (10**9, 1024)]
)
def test_the_buffer_is_cut_to_what_the_protocol_allows(channels, asked, held):
    key = ask(channels, CreateChannel(asked))
    pipe = ask(channels, TakeChannelEnd(key, "write"))
    offered = [pipe.offer(Item(False, b"x")) for _ in range(held + 1)]
    assert offered == [True] * held + [False]


def test_a_channel_is_known_by_both_its_id_and_its_key(channels):
    key, other = ask(channels, CreateChannel(1)), ask(channels, CreateChannel(1))
    assert ask(channels, KnowsChannel(key))
    for wrong in [
        ChannelKey(key.channel_id, other.access_key),
        ChannelKey(other.channel_id, key.access_key),
        ChannelKey(key.channel_id, ""),
        ChannelKey(key.channel_id, "ключ"),
        ChannelKey("", ""),
    ]:
        assert not ask(channels, KnowsChannel(wrong))
        assert ask(channels, TakeChannelEnd(wrong, "read")) is None


def test_each_end_is_taken_once_and_both_get_the_same_pipe(channels):
    key = ask(channels, CreateChannel(1))
    pipes = [ask(channels, TakeChannelEnd(key, direction)) for direction in DIRECTIONS]
    assert pipes[0] is pipes[1] is not None
    assert [ask(channels, TakeChannelEnd(key, direction)) for direction in DIRECTIONS] == [None, None]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_an_end_given_back_stays_taken(channels, direction):
    key = ask(channels, CreateChannel(1))
    ask(channels, TakeChannelEnd(key, direction))
    channels.tell(ReleaseChannelEnd(key.channel_id, direction))
    assert ask(channels, TakeChannelEnd(key, direction)) is None
    assert ask(channels, KnowsChannel(key))


def test_giving_back_twice_or_what_is_unknown_does_nothing(channels):
    key = ask(channels, CreateChannel(1))
    for _ in range(2):
        channels.tell(ReleaseChannelEnd(key.channel_id, "read"))
    channels.tell(ReleaseChannelEnd("nobody's", "read"))
    assert ask(channels, TakeChannelEnd(key, "write")) is not None


def test_a_past_channel_is_remembered_until_enough_others_have_passed(open_registry):
    channels = open_registry(max_remembered=2)
    keys = [ask(channels, CreateChannel(1)) for _ in range(3)]
    for key in keys:
        use_up(channels, key)
    assert [ask(channels, KnowsChannel(key)) for key in keys] == [False, True, True]
    assert [ask(channels, TakeChannelEnd(key, "read")) for key in keys] == [None] * 3
    assert not ask(channels, KnowsChannel(ChannelKey(keys[2].channel_id, "guessed")))


def test_no_more_channels_than_the_limit(open_registry):
    channels = open_registry(max_channels=2)
    first = ask(channels, CreateChannel(1))
    ask(channels, CreateChannel(1))
    with pytest.raises(TooManyChannels, match="2 channels are open, which is the limit") as caught:
        ask(channels, CreateChannel(1))
    assert isinstance(caught.value, EngineError)
    assert caught.value.body() == {"code": "channel_limit_reached", "message": str(caught.value)}
    use_up(channels, first)
    assert ask(channels, KnowsChannel(ask(channels, CreateChannel(1))))


def test_the_limit_is_the_documented_one(clock):
    actor = Channels(clock)
    for _ in range(limits.MAX_CHANNELS):
        actor.create(CreateChannel(1))
    with pytest.raises(TooManyChannels, match=f"^{limits.MAX_CHANNELS} channels"):
        actor.create(CreateChannel(1))


def test_what_nobody_opened_is_swept_after_five_minutes(channels, clock):
    key = ask(channels, CreateChannel(1))
    clock.advance(limits.CHANNEL_UNUSED_S)
    assert ask(channels, KnowsChannel(key))
    clock.advance(limits.CHANNEL_SWEEP_S)
    assert not ask(channels, KnowsChannel(key))
    assert ask(channels, TakeChannelEnd(key, "read")) is None


def test_the_sweep_comes_again_and_again_and_takes_only_the_old(channels, clock):
    keys = []
    for _ in range(10):
        keys.append(ask(channels, CreateChannel(1)))
        clock.advance(120)
    # Made at 0, 120, ... 1080; it is 1200 now, and the sweep of 1200 took those made before 900.
    assert [ask(channels, KnowsChannel(key)) for key in keys] == [False] * 8 + [True] * 2


def test_what_was_opened_at_both_ends_is_never_swept(channels, clock):
    key = ask(channels, CreateChannel(1))
    reading, writing = (ask(channels, TakeChannelEnd(key, direction)) for direction in DIRECTIONS)
    clock.advance(3600)
    assert ask(channels, KnowsChannel(key))
    assert writing.offer(Item(False, b"late"))
    assert reading.take(1) == [Item(False, b"late")]


def test_a_swept_reader_is_told_the_end(channels, clock):
    key = ask(channels, CreateChannel(1))
    pipe = ask(channels, TakeChannelEnd(key, "read"))
    woken = []
    pipe.attach_reader(lambda: woken.append(True))
    assert pipe.take(1) == []
    clock.advance(limits.CHANNEL_UNUSED_S + limits.CHANNEL_SWEEP_S)
    assert woken
    assert pipe.take(1) is None


def test_a_swept_writer_is_told_that_there_is_no_reader(channels, clock):
    key = ask(channels, CreateChannel(1))
    pipe = ask(channels, TakeChannelEnd(key, "write"))
    woken = []
    pipe.attach_writer(lambda: woken.append(True))
    assert pipe.offer(Item(True, b"x"))
    clock.advance(limits.CHANNEL_UNUSED_S + limits.CHANNEL_SWEEP_S)
    assert woken
    assert pipe.left
    assert pipe.waiting() == (0, 0)


def test_a_swept_channel_gives_its_place_free(open_registry, clock):
    channels = open_registry(max_channels=1)
    ask(channels, CreateChannel(1))
    clock.advance(limits.CHANNEL_UNUSED_S + limits.CHANNEL_SWEEP_S)
    assert ask(channels, CreateChannel(1))


def test_after_a_stop_time_goes_on_without_it(open_registry, clock, caplog):
    channels = open_registry()
    channels.stop()
    clock.advance(3600)
    assert not caplog.records
