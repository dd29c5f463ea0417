"""Which bindings an event concerns (stream.md §5.1)."""

import json

import pytest
from msgspec import Raw

from iii_actors.builtin.stream.events import Event
from iii_actors.builtin.stream.watching import Watching
from iii_actors.core.triggers import Trigger
from iii_actors.errors import TriggerRegistrationFailed


def trigger(trigger_id, config):
    text = config if isinstance(config, bytes) else json.dumps(config).encode()
    return Trigger(trigger_id, "stream", "on", Raw(text), Raw(), "default", None, "default", None)


def concerned(watching, stream, group, item):
    return sorted(one.id for one, _ in watching.concerned(Event(stream, group, item, b"{}", 0)))


def test_bindings_are_found_by_stream_group_and_item_and_replaced_by_id():
    watching = Watching()
    assert concerned(watching, "s", "g", "i") == []
    for name, config in {
        "stream": {"stream_name": "s"},
        "synonym": {"stream": "s"},
        "both spellings": {"stream_name": "s", "stream": "t"},
        "nulls": {"stream_name": "s", "group_id": None, "item_id": None},
        "empties": {"stream_name": "s", "group_id": "", "item_id": ""},
        "group": {"stream_name": "s", "group_id": "g"},
        "item": {"stream_name": "s", "item_id": "i"},
        "all three": {"stream_name": "s", "group_id": "g", "item_id": "i"},
        "unnamed": {"stream_name": ""},
    }.items():
        watching.add(trigger(name, config))
    whole = ["both spellings", "empties", "nulls", "stream", "synonym"]
    assert concerned(watching, "s", "g", "i") == sorted([*whole, "group", "item", "all three"])
    assert concerned(watching, "s", "g", "other") == sorted([*whole, "group"])
    assert concerned(watching, "s", "other", "i") == sorted([*whole, "item"])
    assert concerned(watching, "s", "g", None) == sorted([*whole, "group"]), "of no item"
    assert concerned(watching, "s", "", "") == whole
    assert concerned(watching, "S", "g", "i") == concerned(watching, "t", "g", "i") == []
    assert concerned(watching, "", "g", "i") == ["unnamed"]
    watching.add(trigger("stream", {"stream_name": "t"}))
    assert concerned(watching, "t", "g", "i") == ["stream"]
    for name in (*whole, "group", "item", "all three", "unnamed", "unnamed", "unknown"):
        watching.remove(name)
    assert concerned(watching, "s", "g", "i") == concerned(watching, "t", "g", "i") == []


@pytest.mark.parametrize(
    "config",
    [
        b"null",
        b"",
        b"5",
        b"[]",
        b"{",
        b"[" * 100_000,
        {"stream_name": 5},
        {"stream": ["s"]},
        {"stream_name": "s", "group_id": 5},
        {"stream_name": "s", "item_id": {}},
        {"stream_name": "s", "condition_function_id": True},
    ],
)
def test_whatever_is_no_configuration_is_refused_and_the_one_before_stays(config):
    watching = Watching()
    watching.add(trigger("t", {"stream_name": "s"}))
    with pytest.raises(TriggerRegistrationFailed, match=r"^Failed to deserialize stream trigger$"):
        watching.add(trigger("t", config))
    assert concerned(watching, "s", "g", "i") == ["t"]


@pytest.mark.parametrize("config", [{}, {"stream_name": None}, {"group_id": "g"}])
def test_a_stream_must_be_named(config):
    with pytest.raises(TriggerRegistrationFailed, match="missing field `stream_name`; name the stream to watch"):
        Watching().add(trigger("t", config))


def test_the_condition_comes_with_the_binding():
    watching = Watching()
    watching.add(trigger("t", {"stream_name": "s", "condition_function_id": "c"}))
    ((_, condition),) = watching.concerned(Event("s", "g", "i", b"{}", 0))
    assert condition == "c"
