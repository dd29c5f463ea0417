"""The worker ``users``: it keeps people, and works with the worker ``orders`` (Node), wherever and whenever that runs.

    pip install -r requirements.txt
    III_URL=ws://127.0.0.1:49134 python worker.py        # Ctrl-C stops it

It shows what a worker can do, in this order below:

1. offer *functions* that anybody can call by name;
2. offer a *trigger type*: others say "call me when a user is created";
3. use the other worker's trigger type: "call me when an order is placed";
4. *discover*: hear of others coming and going, and act on it;
5. *call* the other worker, and check what comes back.

There is no address of the other worker anywhere: the engine is all that either of them knows. Start them in any order,
kill one of them, kill the engine, start it again: they find each other again by themselves.
"""

import itertools
import signal
import threading

from iii import InitOptions, InvocationError, TriggerAction, register_worker
from iii.trigger import TriggerConfig, TriggerHandler

PEER = "orders"
PEER_OFFERS = {"orders::create", "orders::get"}  # what we need of it

# Block the two signals that ask us to stop *before* any thread starts; the last lines of this file wait for them.
STOP = {signal.SIGINT, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, STOP)


printing = threading.Lock()  # functions run on threads of their own: one line after the other


def say(*words: object) -> None:
    """Print one line, at once."""
    with printing:
        print(*words, flush=True)


# Connects, and from then on keeps the connection: if it breaks, the SDK comes back and registers everything again.
# Without an address it takes the one in the environment variable III_URL, else ws://127.0.0.1:49134.
# A call is given up after 5 s: one whose engine has died is never answered.
worker = register_worker(options=InitOptions(worker_name="users", invocation_timeout_ms=5000))
worker.add_connection_state_listener(lambda state: say("CONNECTION", state))


# --- 1. functions: plain callables; the id is whatever you like, `service::action` by custom -------------------------

people = {1: "Ada"}
numbers = itertools.count(2)


def create(user: dict) -> dict:
    """Add a person, and tell everybody who asked to be told."""
    created = {"user_id": next(numbers), "name": user["name"]}
    people[created["user_id"]] = created["name"]
    user_created.fire(created)
    return created


def get(query: dict) -> dict:
    """Whatever a function raises reaches its caller as an error, with this text in it."""
    if query["user_id"] not in people:
        raise LookupError(f"nobody has the number {query['user_id']}")
    return {"user_id": query["user_id"], "name": people[query["user_id"]]}


def export(_: dict) -> None:
    """Take for ever, so that you can kill this worker while somebody waits for it: what does the caller see?"""
    say("EXPORTING", "kill me now")
    threading.Event().wait()


# --- 2. a trigger type of our own ------------------------------------------------------------------------------------


class UserCreated(TriggerHandler):
    """``users::created``: calls the bound function for each new person, with config ``{"initial": "G"}`` for some only.

    The engine says which functions are bound; *when* to call them is up to us, the provider of the type.
    """

    def __init__(self) -> None:
        self._bound: dict[str, TriggerConfig] = {}

    async def register_trigger(self, config: TriggerConfig) -> None:
        """Somebody binds a function. What we raise here is told to them, and their trigger does not come to life."""
        initial = (config.config or {}).get("initial", "")
        if not isinstance(initial, str):
            raise TypeError("initial must be a string")
        self._bound[config.id] = config
        say("BOUND", f"users::created -> {config.function_id}")

    async def unregister_trigger(self, config: TriggerConfig) -> None:
        """It is over: they took it back, or they have gone. Only the id is sure to be filled in."""
        gone = self._bound.pop(config.id, None)
        if gone is not None:
            say("UNBOUND", f"users::created -> {gone.function_id}")

    def fire(self, user: dict) -> None:
        for bound in list(self._bound.values()):
            if user["name"].startswith((bound.config or {}).get("initial", "")):
                call(bound.function_id, user, action=TriggerAction.Void(), namespace=bound.namespace)


# --- 3. what we want to hear from others -----------------------------------------------------------------------------


def on_order_placed(order: dict) -> None:
    """Called by the provider of ``orders::placed``, for each order."""
    say("EVENT", f"orders::placed -> order {order['order_id']} of {order['customer']}")


# --- 4. discovery: the engine calls these two whenever something has changed -----------------------------------------


def on_workers_changed(event: dict) -> None:
    """``{"event": "worker_connected" | "worker_metadata_updated" | "worker_disconnected", "worker_id": ...}``."""
    say("WORKERS", event["event"])
    look_around()


def on_functions_changed(event: dict) -> None:
    """``{"event": "functions_changed", "functions": [...]}``, all functions of all workers."""
    say("FUNCTIONS", f"{len(event['functions'])} are available")
    look_around()


looking = threading.Lock()  # each call runs on a thread of its own: one looks, the next waits
known_peer = None  # the id of the peer's connection: a new one means that it was started anew, or has reconnected


def look_around() -> None:
    """Ask who is there. If the other worker has just come, work with it."""
    global known_peer
    with looking:
        try:
            workers = call("engine::workers::list", {})["workers"]
            functions = call("engine::functions::list", {"worker": PEER})["functions"]
        except InvocationError as error:
            say("INTERRUPTED", error)  # the engine went away meanwhile; back there, we are told to look again
            return
        offered = {function["function_id"] for function in functions}
        peer = next((one["id"] for one in workers if one["name"] == PEER), None)
        if peer is None and known_peer is not None:
            known_peer = None
            say("PEER", f"{PEER} has left")
        elif peer != known_peer and offered >= PEER_OFFERS:
            known_peer = peer
            say("PEER", f"{PEER} is here, with {', '.join(sorted(offered))}")
            threading.Thread(target=work_together, daemon=True).start()


# --- 5. calls, with the results checked ------------------------------------------------------------------------------


def call(function_id: str, payload: object, **more: object) -> object:
    """Call a function of whichever worker offers it; return its result, or raise ``InvocationError``."""
    return worker.trigger({"function_id": function_id, "payload": payload, **more})


def check(what: str, result: object, right: bool) -> None:
    """Say whether a result is what it should be."""
    say("OK" if right else "WRONG", what, "->", result)


def refusal(function_id: str, payload: object) -> str:
    """Call what must fail, and return why it did."""
    try:
        return f"no error, but {call(function_id, payload)}"
    except InvocationError as error:
        return str(error)  # "code: message"; each alone is error.code, error.message


def work_together() -> None:
    """Call the other worker's functions, once for each time that it appears."""
    try:
        order = call("orders::create", {"user_id": 1, "item": "tea"})
        # It cannot know the name of user 1: it asked us, while we waited for it.
        check("orders::create", order, order["customer"] == "Ada" and order["item"] == "tea")
        placed = call("orders::get", {"order_id": order["order_id"]})
        check("orders::get", placed, placed == order)
        why = refusal("orders::create", {"user_id": -1, "item": "tea"})
        check("orders::create for nobody", why, "nobody has the number -1" in why)
        why = refusal("orders::cancel", {})
        check("orders::cancel, which nobody offers", why, why.startswith("function_not_found"))
        say("DONE", f"{PEER} gave what it promised")
    except InvocationError as error:
        say("INTERRUPTED", error)  # it went away meanwhile; when it is back, we are told


user_created = UserCreated()
worker.register_trigger_type({"id": "users::created", "description": "A person was added"}, user_created)
worker.register_function("users::create", create, description="Add a person: {name}")
worker.register_function("users::get", get, description="Look a person up: {user_id}")
worker.register_function("users::export", export, description="Never ends")
worker.register_function("users::on_order_placed", on_order_placed, metadata={"internal": True})
worker.register_function("users::on_workers_changed", on_workers_changed, metadata={"internal": True})
worker.register_function("users::on_functions_changed", on_functions_changed, metadata={"internal": True})
for trigger_type, function_id in (
    ("orders::placed", "users::on_order_placed"),  # the other worker need not be there yet
    ("engine::workers-available", "users::on_workers_changed"),
    ("engine::functions-available", "users::on_functions_changed"),
):
    worker.register_trigger({"type": trigger_type, "function_id": function_id, "config": {}})
say("READY", worker.get_address())

signal.sigwait(STOP)
worker.shutdown()
