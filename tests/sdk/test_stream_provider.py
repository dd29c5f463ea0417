"""Streams that a program serves itself."""

import asyncio
import inspect
import json

import pytest

import iii_actors
from iii_worker.stream import (
    IStream,
    StreamDeleteInput,
    StreamDeleteResult,
    StreamGetInput,
    StreamListGroupsInput,
    StreamListInput,
    StreamSetInput,
    StreamSetResult,
    StreamUpdateInput,
    StreamUpdateResult,
    create_stream,
)
from iii_worker.values import to_json
from tests.support.peer import peers

FIVE = ["get", "set", "delete", "list", "list_groups"]


class Ref:
    def __init__(self, functions, function_id):
        self._functions, self._id = functions, function_id

    def unregister(self):
        del self._functions[self._id]


class Client:
    """Registers functions; :attr:`peer` serves them, if there is one."""

    def __init__(self, peer=None):
        self.functions = {}
        self.peer = peer
        self.full_after = 100

    def register_function(self, function_id, handler_or_invocation, *, description=None):
        if function_id in self.functions or len(self.functions) >= self.full_after:
            raise ValueError(f"{function_id} is registered already")
        self.functions[function_id] = handler_or_invocation
        if self.peer is not None:
            self.peer.register(function_id, lambda data: self.run(function_id, data))
        return Ref(self.functions, function_id)

    def run(self, function_id, data):
        result = self.functions[function_id](data)
        return json.loads(to_json(asyncio.run(awaited(result)) if inspect.isawaitable(result) else result))


async def awaited(result):
    return await result


class Memory(IStream[dict]):
    """Keeps items in a dict."""

    def __init__(self):
        self.items = {}

    def get(self, asked: StreamGetInput):
        return self.items.get((asked.group_id, asked.item_id))

    def set(self, asked: StreamSetInput):
        old = self.get(StreamGetInput(**asked.model_dump()))
        self.items[asked.group_id, asked.item_id] = asked.data
        return StreamSetResult(old_value=old, new_value=asked.data)

    def delete(self, asked: StreamDeleteInput):
        return StreamDeleteResult(old_value=self.items.pop((asked.group_id, asked.item_id), None))

    def list(self, asked: StreamListInput):
        return [item for (group, _), item in self.items.items() if group == asked.group_id]

    def list_groups(self, asked: StreamListGroupsInput):
        return sorted({group for group, _ in self.items})


class Slow(Memory):
    """The same, in coroutines."""

    async def get(self, asked: StreamGetInput):
        await asyncio.sleep(0)
        return self.items.get((asked.group_id, asked.item_id))

    async def set(self, asked: StreamSetInput):
        self.items[asked.group_id, asked.item_id] = asked.data
        return {"new_value": asked.data}


class Updating(Memory):
    def update(self, asked: StreamUpdateInput):
        return StreamUpdateResult(new_value=[op.type for op in asked.ops])


@pytest.mark.parametrize("kind", [Memory, Slow])
def test_a_provider_serves_five_functions_through_the_engine(kind):
    with (
        iii_actors.Engine(iii_actors.EngineConfig.listening(port=0)) as engine,
        peers(engine.url) as join,
    ):
        memory = kind()
        create_stream(Client(join()), "chat", memory)
        caller = join()
        address = {"stream_name": "chat", "group_id": "g", "item_id": "i"}
        assert caller.call("stream::get(chat)", address) is None
        assert caller.call("stream::set(chat)", address | {"data": {"a": 1}})["new_value"] == {"a": 1}
        assert caller.call("stream::get(chat)", address) == {"a": 1}
        assert caller.call("stream::list(chat)", {"stream_name": "chat", "group_id": "g"}) == [{"a": 1}]
        assert caller.call("stream::list_groups(chat)", {"stream_name": "chat"}) == ["g"]
        assert caller.call("stream::delete(chat)", address) == {"old_value": {"a": 1}}
        assert memory.items == {}


def test_updates_are_registered_on_demand():
    plain, updating = Client(), Client()
    create_stream(plain, "s", Updating())
    assert list(plain.functions) == [f"stream::{name}(s)" for name in FIVE]
    create_stream(updating, "s", Updating(), updates=True)
    assert list(updating.functions) == [f"stream::{name}(s)" for name in [*FIVE, "update"]]
    data = {"stream_name": "s", "group_id": "g", "item_id": "i", "ops": [{"type": "remove", "path": "a"}]}
    assert updating.run("stream::update(s)", data)["new_value"] == ["remove"]


def test_a_provider_that_takes_no_updates_says_so():
    client = Client()
    create_stream(client, "s", Memory(), updates=True)
    data = {"stream_name": "s", "group_id": "g", "item_id": "i", "ops": []}
    with pytest.raises(NotImplementedError, match="Memory does not take updates"):
        client.run("stream::update(s)", data)


def test_handlers_say_what_they_take():
    client = Client()
    create_stream(client, "s", Memory())
    handler = client.functions["stream::get(s)"]
    assert handler.__annotations__["payload"] is StreamGetInput
    assert handler.__qualname__ == "Memory.get"
    assert handler(StreamGetInput(stream_name="s", group_id="g", item_id="i")) is None


def test_a_provider_can_be_taken_back():
    client = Client()
    provider = create_stream(client, "s", Memory())
    assert provider.name == "s"
    provider.unregister()
    provider.unregister()
    assert client.functions == {}


def test_all_or_nothing():
    client = Client()
    client.full_after = 3
    with pytest.raises(ValueError, match="registered already"):
        create_stream(client, "s", Memory())
    assert client.functions == {}


@pytest.mark.parametrize("name", ["", "  ", None, 5])
def test_a_stream_has_a_name(name):
    with pytest.raises(ValueError, match="not blank"):
        create_stream(Client(), name, Memory())


def test_a_method_that_is_missing_is_named():
    class Half:
        def get(self, asked):
            return None

    with pytest.raises(TypeError, match=r"Half has no method set\(\)"):
        create_stream(Client(), "s", Half())
