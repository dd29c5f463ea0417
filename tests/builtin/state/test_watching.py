"""Which bindings a change concerns, and the event."""

import json

import pytest
from msgspec import Raw

from iii_actors.builtin.state.watching import Watching, event
from iii_actors.core.triggers import Trigger
from iii_actors.errors import TriggerRegistrationFailed
from iii_actors.storage import Change, Entry


def trigger(trigger_id, config):
    text = config if isinstance(config, bytes) else json.dumps(config).encode()
    return Trigger(trigger_id, "state", "on", Raw(text), Raw(), "default", None, "default", None)


def concerned(watching, scope, key):
    return sorted(bound.id for bound, _ in watching.concerned(scope, key))


def test_bindings_are_found_by_scope_and_key_and_replaced_by_id():
    watching = Watching()
    for name, config in {
        "all": {},
        "none": None,
        "scope": {"scope": "s"},
        "key": {"key": "k"},
        "both": {"scope": "s", "key": "k"},
        "empty": {"scope": "", "key": ""},
    }.items():
        watching.add(trigger(name, config))
    assert len(watching) == 6
    assert concerned(watching, "s", "k") == ["all", "both", "key", "none", "scope"]
    assert concerned(watching, "s", "other") == ["all", "none", "scope"]
    assert concerned(watching, "", "") == ["all", "empty", "none"]
    watching.add(trigger("both", {"scope": "t"}))
    assert concerned(watching, "s", "k") == ["all", "key", "none", "scope"]
    assert concerned(watching, "t", "") == ["all", "both", "none"]
    for name in ("all", "none", "both", "both", "unknown"):
        watching.remove(name)
    assert concerned(watching, "t", "") == []
    assert len(watching) == 3


def test_a_binding_that_is_refused_leaves_the_one_before_of_its_id():
    watching = Watching()
    watching.add(trigger("t", {"scope": "s"}))
    with pytest.raises(TriggerRegistrationFailed):
        watching.add(trigger("t", {"scope": 5}))
    assert concerned(watching, "s", "k") == ["t"]


@pytest.mark.parametrize("config", [b"[" * 100_000, b'{"scope":', b'{"scope":{}}', b"[]"])
def test_whatever_is_no_configuration_is_refused(config):
    with pytest.raises(TriggerRegistrationFailed, match=r"Failed to parse trigger config: ."):
        Watching().add(trigger("t", config))


def test_the_condition_comes_with_the_binding():
    watching = Watching()
    watching.add(trigger("t", {"condition_function_id": "c"}))
    ((_, condition),) = watching.concerned("s", "k")
    assert condition == "c"


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [(None, b"1", "created"), (b"null", b"1", "updated"), (b"1", None, "deleted"), (None, None, "deleted")],
)
def test_the_event_has_six_members(old, new, kind):
    change = Change(Entry(old, 1) if old else None, Entry(new, 2) if new else None)
    told = json.loads(bytes(event('s"\0', "k", change)))
    assert told == {
        "type": "state",
        "event_type": f"state:{kind}",
        "scope": 's"\0',
        "key": "k",
        "old_value": json.loads(old or b"null"),
        "new_value": json.loads(new or b"null"),
    }
