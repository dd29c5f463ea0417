"""An official Python SDK worker that does what it is told: JSON lines on stdin, ``@`` and JSON lines on stdout.

    III_URL=ws://... python probe.py NAME

In: ``{"id", "do", ...}``. Out: ``{"id", "result"}`` or ``{"id", "error"}``, and ``{"event", ...}``. Runs with the SDK's
environment, so it imports nothing but the SDK and the standard library. probe.mjs understands the same words.
"""

import asyncio
import hashlib
import json
import os
import sys
import threading
import warnings

from iii import InitOptions, InvocationError, RegistrationRejectedError, register_worker
from iii.helpers import create_channel_async, create_stream
from iii.stream import StreamDeleteResult, StreamSetResult
from iii.trigger import TriggerHandler
from iii_helpers.observability import Logger

warnings.simplefilter("ignore")
printing = threading.Lock()
worker = None
functions = {}
types = {}
bindings = {}


def say(**message):
    with printing:
        print("@" + json.dumps(message), flush=True)


def call(function_id, payload, **more):
    return worker.trigger({"function_id": function_id, "payload": payload, **more})


def barrier():
    """Return when the engine has handled all frames sent so far: they are taken in order, and this one is answered."""
    try:
        call("probe::barrier", None)
    except InvocationError as error:
        assert error.code == "function_not_found", error


def digest(text):
    return {"length": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest()}


# --- what a function may do ------------------------------------------------------------------------------------------


def behave(function_id, behaviour):
    def echo(data, metadata=None):
        say(event="called", function_id=function_id, data=data, metadata=metadata)
        return {"data": data, "metadata": metadata}

    def fail(data):
        raise ValueError(data["message"])

    def nested(data):
        return {"nested": call(data["function_id"], data["payload"])}

    async def nested_async(data):
        return {"nested": await worker.trigger_async(data)}

    def hang(data):
        say(event="called", function_id=function_id, data=data)
        threading.Event().wait()

    def nothing(_data):
        return None

    def door(data):
        say(event="called", function_id=function_id, data=data)
        return {"unauthorized": data["group_id"] == "closed"}

    def who(data):
        return {"context": {"user": data["query_params"].get("user", [None])[0]}}

    def large(data):
        return {"text": data["text"]}

    def logs(data):
        Logger().warn(data["text"], {"n": 1})

    async def read_channel(data):
        """``data["reader"]`` has arrived as an object to read from."""
        messages = []
        data["reader"].on_message(messages.append)
        content = await data["reader"].read_all()
        return {**digest(content.decode()), "messages": messages}

    async def write_channel(data):
        await data["writer"].send_message_async("begin")
        await data["writer"].write(("x" * data["length"]).encode())
        await data["writer"].close_async()
        return digest("x" * data["length"])

    return locals()[behaviour]


class Provider(TriggerHandler):
    """Keeps the bindings; with ``reject`` it refuses every one, saying that."""

    def __init__(self, reject):
        self.reject = reject
        self.bound = {}

    async def register_trigger(self, config):
        if self.reject:
            raise ValueError(self.reject)
        self.bound[config.id] = config
        say(event="bound", function_id=config.function_id, config=config.config, metadata=config.metadata)

    async def unregister_trigger(self, config):
        gone = self.bound.pop(config.id)
        say(event="unbound", function_id=gone.function_id)


class Shelf:
    """A stream's items, kept here: what the SDK calls an IStream, which warns where it is subclassed."""

    def __init__(self):
        self.items = {}

    async def get(self, asked):
        return self.items.get((asked.group_id, asked.item_id))

    async def set(self, asked):
        old = self.items.get((asked.group_id, asked.item_id))
        self.items[asked.group_id, asked.item_id] = asked.data
        say(event="kept", group_id=asked.group_id, item_id=asked.item_id, data=asked.data)
        return StreamSetResult(old_value=old, new_value=asked.data)

    async def delete(self, asked):
        return StreamDeleteResult(old_value=self.items.pop((asked.group_id, asked.item_id), None))

    async def list(self, asked):
        return [item for (group, _), item in self.items.items() if group == asked.group_id]

    async def list_groups(self, asked):
        return sorted({group for group, _ in self.items})


# --- commands --------------------------------------------------------------------------------------------------------


def do_function(function_id, behaviour, **more):
    functions[function_id] = worker.register_function(function_id, behave(function_id, behaviour), **more)
    barrier()


def do_unregister(function_id):
    functions.pop(function_id).unregister()
    barrier()


def do_call(function_id, payload, **more):
    return call(function_id, payload, **more)


def do_call_large(function_id, length, **more):
    """A text there and back: returns what came, in short."""
    return digest(call(function_id, {"text": "x" * length}, **more)["text"])


def do_trigger_type(type_id, reject=None):
    types[type_id] = Provider(reject)
    worker.register_trigger_type({"id": type_id, "description": f"of {sys.argv[1]}"}, types[type_id])
    barrier()


def do_bind(**trigger):
    key = f"binding-{len(bindings) + 1}"
    bindings[key] = worker.register_trigger(trigger)
    barrier()
    return key


def do_unbind(binding):
    bindings.pop(binding).unregister()
    barrier()


def do_fire(type_id, payload):
    """Return what the bound functions returned."""
    return [
        call(one.function_id, payload, metadata=one.metadata, namespace=one.namespace)
        for one in types[type_id].bound.values()
    ]


def do_stream_provider(stream_name):
    create_stream(worker, stream_name, Shelf())
    barrier()


def do_send_through_channel(function_id, length):
    """Make a channel, give its reading end to a function, write into the other."""

    async def work():
        channel = await create_channel_async(worker)
        reading = asyncio.ensure_future(
            worker.trigger_async({"function_id": function_id, "payload": {"reader": channel.reader_ref.model_dump()}})
        )
        await channel.writer.send_message_async("begin")
        await channel.writer.write(("x" * length).encode())
        await channel.writer.close_async()
        return await reading

    return {"read": asyncio.run_coroutine_threadsafe(work(), worker._loop).result(30), "sent": digest("x" * length)}


def do_receive_through_channel(function_id, length):
    """Make a channel, give its writing end to a function, read from the other."""

    async def work():
        channel = await create_channel_async(worker)
        messages = []
        channel.reader.on_message(messages.append)
        payload = {"writer": channel.writer_ref.model_dump(), "length": length}
        writing = asyncio.ensure_future(worker.trigger_async({"function_id": function_id, "payload": payload}))
        content = await channel.reader.read_all()
        return {"read": {**digest(content.decode()), "messages": messages}, "sent": await writing}

    return asyncio.run_coroutine_threadsafe(work(), worker._loop).result(30)


def do_state():
    """``latency``: seconds from the last ping of the SDK's socket library to its pong; 0 before the first."""
    socket = worker._ws
    return {
        "state": worker.get_connection_state(),
        "worker_id": worker.worker_id,
        "latency": socket.latency if socket is not None else None,
    }


def do_shutdown():
    worker.shutdown()


def obey(line):
    command = json.loads(line)
    number, what = command.pop("id"), command.pop("do")
    try:
        say(id=number, result=globals()[f"do_{what}"](**command))
    except Exception as error:
        facts = {name: getattr(error, name, None) for name in ("code", "stacktrace", "owner_worker_id", "worker_name")}
        say(id=number, error={"kind": type(error).__name__, "message": getattr(error, "message", str(error)), **facts})


HEADERS = json.loads(os.environ.get("PROBE_HEADERS", "null"))


def main():
    global worker
    try:
        worker = register_worker(options=InitOptions(worker_name=sys.argv[1], headers=HEADERS))
        worker.add_connection_state_listener(lambda state: say(event="state", state=state))
        barrier()  # answered, so the SDK has introduced itself by now
        barrier()  # answered, so the engine has taken that in
    except RegistrationRejectedError as error:
        say(event="rejected", code=error.code, worker_name=error.worker_name, owner_worker_id=error.owner_worker_id)
    else:
        say(event="ready", worker_id=worker.worker_id)
    for line in sys.stdin:
        threading.Thread(target=obey, args=(line,), daemon=True).start()
    os._exit(0)  # the test has gone


main()
