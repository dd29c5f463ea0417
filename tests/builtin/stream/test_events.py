"""What happened, and the envelope that tells of it (stream.md §3)."""

import json

import pytest
from msgspec import Raw

from iii_actors.builtin.stream.events import Event, changed, sent
from iii_actors.storage import Change, Entry


def change(old, new):
    return Change(Entry(old, 1) if old else None, Entry(new, 2) if new else None)


@pytest.mark.parametrize(
    ("old", "new", "kind", "data"),
    [
        (None, b"1", "create", 1),
        (b"null", b"1", "update", 1),
        (b"1", b"null", "update", None),
        (b"1", None, "delete", 1),
        (b"null", None, "delete", None),
    ],
)
def test_a_write_is_one_of_three(old, new, kind, data):
    assert json.loads(changed(change(old, new))) == {"type": kind, "data": data}


def test_deleting_what_is_not_there_is_nothing():
    assert changed(change(None, None)) is None


@pytest.mark.parametrize("item", ["i", "", 'q"\0☕', None])
def test_the_envelope_has_six_members(item):
    event = Event('s"', "g\n", item, sent('t"', Raw(b"[1]")), 1_700_000_000_123)
    assert json.loads(bytes(event.envelope())) == {
        "type": "stream",
        "timestamp": 1_700_000_000_123,
        "streamName": 's"',
        "groupId": "g\n",
        "id": item,
        "event": {"type": "event", "event": {"type": 't"', "data": [1]}},
    }
    assert event.text() is event.text(), "made once for everybody"
