"""The engine as a library: one that lives inside this program, on a free port, and ends with it.

    python examples/library/in_process.py

For tests, notebooks and demos: nothing to start beforehand, nothing to clean up. Two workers connect to it. They are
official ones if ``iii-sdk`` is installed; without it they speak the protocol by hand over ``websockets`` (which comes
with iii_actors), a dozen lines of JSON that show all there is to it.
"""

import json
import threading
import time
import uuid

from websockets.sync.client import ClientConnection, connect

import iii_actors

try:
    from iii import InitOptions, InvocationError, register_worker
except ModuleNotFoundError:
    register_worker = None


def with_the_sdk(url: str) -> object:
    """Two official workers: one offers ``greetings::hello``, the other calls it."""
    otel = {"enabled": False}  # nobody looks at this demo's traces
    greeter = register_worker(url, InitOptions(worker_name="greeter", otel=otel))
    guest = register_worker(url, InitOptions(worker_name="guest", otel=otel))
    try:
        greeter.register_function("greetings::hello", lambda data: {"text": f"Hello, {data['name']}!"})
        # Nobody tells the guest when that has arrived; a worker proper would wait for `engine::functions-available`.
        deadline = time.monotonic() + 5
        while True:
            try:
                return guest.trigger({"function_id": "greetings::hello", "payload": {"name": "Ada"}})
            except InvocationError as error:
                if error.code != "function_not_found" or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
    finally:
        guest.shutdown()
        greeter.shutdown()


def by_hand(url: str) -> object:
    """Do the same in the protocol's own words: JSON objects, one a frame."""
    with connect(url) as greeter, connect(url) as guest:
        greeter.send(json.dumps({"type": "registerfunction", "id": "greetings::hello"}))
        register = {"type": "invokefunction", "function_id": "engine::workers::register", "data": {"name": "greeter"}}
        greeter.send(json.dumps({**register, "invocation_id": str(uuid.uuid4())}))
        expect(greeter, "invocationresult")  # so the function is there now

        call = {"type": "invokefunction", "function_id": "greetings::hello", "data": {"name": "Ada"}}
        guest.send(json.dumps({**call, "invocation_id": str(uuid.uuid4())}))

        asked = expect(greeter, "invokefunction")
        result = {"text": f"Hello, {asked['data']['name']}!"}
        answer = {key: asked[key] for key in ("invocation_id", "function_id")}
        greeter.send(json.dumps({"type": "invocationresult", **answer, "result": result}))
        return expect(guest, "invocationresult")["result"]


def expect(connection: ClientConnection, kind: str) -> dict:
    """Return the next message of a kind, passing over others (``workerregistered`` is the first on each connection)."""
    while True:
        message = json.loads(connection.recv(timeout=10))
        if message["type"] == kind:
            return message


def main() -> None:
    """Run an engine, let two workers talk, and stop."""
    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=0)) as engine:
        print("engine at", engine.url)
        if register_worker is None:
            print("by hand:", by_hand(engine.url))
        else:
            print("official SDK:", with_the_sdk(engine.url))
    print("stopped; threads left:", [thread.name for thread in threading.enumerate() if not thread.daemon])


if __name__ == "__main__":
    main()
