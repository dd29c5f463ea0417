"""The state's proxy, against a worker that keeps values."""

from dataclasses import dataclass

import pytest
from pydantic import BaseModel, ValidationError

import iii_actors
from iii_worker.state import (
    IState,
    StateDeleteInput,
    StateDeleteResult,
    StateEventData,
    StateEventType,
    StateGetInput,
    StateListInput,
    StateScope,
    StateSetInput,
    StateSetResult,
    StateUpdateInput,
    Update,
    UpdateIncrement,
    ValueMismatchError,
    list_scopes,
)
from tests.support.peer import peers
from tests.support.sdk_caller import PeerCaller, Recorder, Store


@pytest.fixture(scope="module")
def engine():
    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=0)) as running:
        yield running


@pytest.fixture
def client(engine):
    with peers(engine.url) as join:
        Store(join())
        yield PeerCaller(join())


class User(BaseModel):
    name: str
    visits: int = 0


@dataclass
class Plain:
    name: str


def test_values_are_kept(client):
    users = StateScope(client, "users")
    assert users.get("7") is None
    assert users.get("7", "nobody") == "nobody"
    assert users.set("7", {"name": "Ada"}) == StateSetResult(old_value=None, new_value={"name": "Ada"})
    assert users.set("7", {"name": "Bea"}).old_value == {"name": "Ada"}
    assert users.get("7") == {"name": "Bea"}
    users.set("8", [1])
    assert users.list() == [{"name": "Bea"}, [1]]
    assert users.delete("7") == {"name": "Bea"}
    assert users.delete("7") is None
    assert StateScope(client, "other").list() == []
    StateScope(client, "a").set("x", None)
    assert list_scopes(client) == ["a", "users"]


def test_updates_are_applied_in_one_step(client):
    users = StateScope(client, "users")
    result = users.update(
        "7", Update.set("name", "Ada"), UpdateIncrement(path="visits", by=2), Update.append("log", "x")
    )
    assert (result.old_value, result.new_value) == (None, {"name": "Ada", "visits": 2, "log": "x"})
    assert result.raise_for_errors() is result
    result = users.update("7", Update.increment("name"), Update.merge({"n": 1}, ["deep", "er"]), Update.remove("log"))
    assert [error.code for error in result.errors] == ["increment.not_number"]
    assert users.get("7") == {"name": "Ada", "visits": 2, "deep": {"er": {"n": 1}}}


def test_values_may_be_models_in_both_directions(client):
    users = StateScope(client, "users", User, timeout=5)
    users.set("7", User(name="Ada"))
    assert users.get("7") == User(name="Ada")
    assert users.get("8") is None
    assert users.list() == [User(name="Ada")]
    assert StateScope(client, "users", Plain).get("7") == Plain("Ada")
    StateScope(client, "users").set("9", {"visits": "many"})
    with pytest.raises(
        ValueMismatchError, match=r"state users/9 is not what was asked for: name: Field required; visits"
    ):
        users.get("9")
    with pytest.raises(ValueMismatchError, match=r"state users\[1\]"):
        users.list()


def test_calls_are_the_protocols_whatever_the_callers_namespace():
    client = Recorder({"old_value": None, "new_value": 1})
    scope = StateScope(client, "s", timeout=3)
    scope.get("k")
    scope.set("k", None)
    scope.update("k", Update.set("a", 1))
    scope.delete("k")
    client.answer = None
    assert scope.list() == []
    client.answer = {"groups": ["a"]}
    assert list_scopes(client, timeout=2) == ["a"]
    client.answer = ["b"]
    assert list_scopes(client) == ["b"]
    assert client.calls == [
        ("state::get", {"scope": "s", "key": "k"}, 3, "default"),
        ("state::set", {"scope": "s", "key": "k", "value": None}, 3, "default"),
        ("state::update", {"scope": "s", "key": "k", "ops": [{"type": "set", "path": "a", "value": 1}]}, 3, "default"),
        ("state::delete", {"scope": "s", "key": "k"}, 3, "default"),
        ("state::list", {"scope": "s"}, 3, "default"),
        ("state::list_groups", {}, 2, "default"),
        ("state::list_groups", {}, None, "default"),
    ]


def test_a_scope_is_a_text():
    with pytest.raises(TypeError, match="the scope is 7"):
        StateScope(Recorder(), 7)
    assert repr(StateScope(Recorder(), "s")) == "<StateScope 's'>"
    assert StateScope(Recorder(), "").scope == ""


def test_events():
    event = StateEventData.model_validate(
        {
            "type": "state",
            "event_type": "state:updated",
            "scope": "s",
            "key": "k",
            "old_value": None,
            "new_value": {"a": 1},
            "_caller_worker_id": "w",
        }
    )
    assert event.event_type is StateEventType.UPDATED
    assert event.new_value == {"a": 1}
    with pytest.raises(ValidationError):
        StateEventData.model_validate({"event_type": "state:broken", "scope": "s", "key": "k"})


def test_inputs_for_programs_that_bring_their_own_store():
    assert StateUpdateInput(scope="s", key="k", ops=[{"type": "remove", "path": "a"}]).ops == [Update.remove("a")]
    assert StateSetInput(scope="s", key="k").value is None

    class Mine(IState[int]):
        def get(self, asked: StateGetInput):
            return 1

        def set(self, asked: StateSetInput):
            return StateSetResult(new_value=asked.value)

        def delete(self, asked: StateDeleteInput):
            return StateDeleteResult(old_value=1)

        def list(self, asked: StateListInput):
            return [1]

        def update(self, asked: StateUpdateInput):
            return None

    assert Mine().set(StateSetInput(scope="s", key="k", value=2)).new_value == 2
    with pytest.raises(TypeError, match="abstract"):
        IState()
