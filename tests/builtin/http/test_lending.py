"""Channels that are only made real when somebody opens them; through the registry that asks for them."""

import re

import pytest

from iii_actors.actor import ask, launch
from iii_actors.builtin.http.lending import Lending, Pair
from iii_actors.clock import ManualClock
from iii_actors.core.channels import Channels
from iii_actors.core.ends import KnowsChannel, LendChannels, ReleaseChannelEnd, TakeChannelEnd
from iii_actors.core.messages import ChannelKey, CreateChannel


class Request:
    def __init__(self):
        self.ends = []

    def opened(self, direction, pipe):
        self.ends.append((direction, pipe))


@pytest.fixture
def lending():
    return Lending()


@pytest.fixture
def registry(lending):
    ref = launch(Channels(ManualClock()))
    ask(ref, LendChannels(lending.find))
    yield ref
    ref.stop()


@pytest.fixture
def pair(lending):
    made = Pair(Request())
    lending.offer(made)
    return made


def test_ids_and_keys_are_uuids_of_their_own(pair):
    ids = {pair.upload.channel_id, pair.response.channel_id, pair.upload.access_key}
    assert len(ids) == 3
    assert all(re.fullmatch("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", one) for one in ids)


def test_each_end_can_be_taken_once_and_the_request_is_told(registry, pair):
    assert ask(registry, KnowsChannel(pair.upload))
    pipe = ask(registry, TakeChannelEnd(pair.upload, "read"))
    assert pair.borrower.ends == [("read", pipe)]
    assert ask(registry, TakeChannelEnd(pair.upload, "read")) is None
    assert ask(registry, KnowsChannel(pair.upload)), "it is known, and taken"
    writing = ask(registry, TakeChannelEnd(pair.response, "write"))
    assert pair.borrower.ends[1] == ("write", writing)
    registry.tell(ReleaseChannelEnd(pair.upload.channel_id, "read"))
    assert ask(registry, TakeChannelEnd(pair.upload, "read")) is None


def test_the_engines_own_ends_are_taken(registry, pair):
    assert ask(registry, TakeChannelEnd(pair.upload, "write")) is None
    assert ask(registry, TakeChannelEnd(pair.response, "read")) is None
    assert pair.borrower.ends == []


def test_a_wrong_key_opens_nothing(registry, pair):
    for key in (ChannelKey(pair.upload.channel_id, "x"), ChannelKey("x", pair.access_key), ChannelKey("", "")):
        assert not ask(registry, KnowsChannel(key))
        assert ask(registry, TakeChannelEnd(key, "read")) is None
    assert pair.borrower.ends == []


def test_what_is_withdrawn_is_unknown(registry, lending, pair):
    lending.withdraw(pair)
    lending.withdraw(pair)
    assert not ask(registry, KnowsChannel(pair.upload))
    assert ask(registry, TakeChannelEnd(pair.response, "write")) is None
    assert lending._offered == {}


def test_ordinary_channels_are_not_concerned_and_lenders_may_go(registry, lending, pair):
    key = ask(registry, CreateChannel(4))
    assert ask(registry, KnowsChannel(key))
    other = Lending()
    ask(registry, LendChannels(other.find))
    assert ask(registry, KnowsChannel(pair.upload))
    ask(registry, LendChannels(lending.find, on=False))
    assert not ask(registry, KnowsChannel(pair.upload))
    assert ask(registry, KnowsChannel(key))
