"""Lists and pushes that cross each other, connections that come and go: the table says what is, all the same."""

import json
import logging.handlers
import queue
import threading

import msgspec
import pytest

import iii_worker.registry_table
from iii_worker import InvocationError
from iii_worker._types import Incoming
from iii_worker.live import LiveFunctions

WAIT_S = 10.0
LIST = "engine::functions::list"
WORKERS = "engine::workers::list"


def row(function_id, **members):
    return {"function_id": function_id, "namespace": "default", "worker_name": "w"} | members


def whole(*ids):
    """A push of an official engine."""
    return {"event": "functions_changed", "functions": [row(one) for one in ids]}


def delta(added=(), removed=()):
    """A push of this engine."""
    gone = [{"function_id": one, "namespace": "default"} for one in removed]
    return {"event": "functions_changed", "added": [row(one) for one in added], "removed": gone}


@pytest.fixture(autouse=True)
def _no_first_push_is_waited_for(monkeypatch):
    monkeypatch.setattr(LiveFunctions, "first_push_s", 0.0)


@pytest.fixture
def worker(fake, make_client):
    return make_client(fake.url, worker_name="watcher")


class Engine:
    """One connection of the worker, as an engine that lists and pushes functions."""

    def __init__(self, peer):
        self.peer = peer

    def bound(self, kind="engine::functions-available"):
        """Return the binding for pushes."""
        self.trigger = self.peer.next("registertrigger", trigger_type=kind)
        return self.trigger

    def asked(self, function_id=LIST):
        """Return the question for the list."""
        call = self.peer.call()
        assert call["function_id"] == function_id
        assert call["namespace"] == "default"
        return call

    def list(self, *ids):
        self.peer.answer(self.asked(), {"functions": [row(one) for one in ids]})

    def push(self, data, number="11111111-1111-4111-8111-111111111111", **members):
        """Push, and wait until the worker has answered; it applies pushes in order, a little later."""
        frame = {"type": "invokefunction", "invocation_id": number, "function_id": self.trigger["function_id"]}
        self.peer.send(frame | {"data": data, "metadata": self.trigger["metadata"]} | members)
        self.peer.next("invocationresult", invocation_id=number)


@pytest.fixture
def engine(fake, worker):
    return Engine(fake.accept())


def started(worker, engine, *ids):
    """A table that has fetched its list."""
    changes = queue.SimpleQueue()
    worker.on_functions_changed(changes.put)
    engine.bound()
    engine.list(*ids)
    assert worker.live_functions.wait_until(lambda: worker.live_functions._loaded >= 0, WAIT_S)
    return changes


def exact(worker, engine, *ids):
    """A table that has been told everything, as by this engine."""
    worker.live_functions.first_push_s = WAIT_S
    changes = queue.SimpleQueue()
    worker.on_functions_changed(changes.put)
    engine.bound()
    engine.push(delta(added=ids))
    shows(worker, *ids)
    return changes


def shows(worker, *ids):
    """Wait until the mapping has just these; pushes are applied in order."""
    table = worker.live_functions
    assert table.wait_until(lambda: list(table.visible) == list(ids), WAIT_S), table.visible
    assert list(worker.functions) == list(ids)


def told(changes):
    change = changes.get(timeout=WAIT_S)
    return [one.id for one in change.added], [one.id for one in change.removed]


def test_nothing_is_registered_before_it_is_wanted(worker, engine):
    worker.register_service({"id": "end"})
    engine.peer.next("registerservice")
    assert {frame["type"] for frame in engine.peer.seen} <= {"invokefunction", "ping", "registerservice"}


def test_what_is_registered_for_it(worker, engine):
    started(worker, engine, "a")
    function = next(frame for frame in engine.peer.seen if frame["type"] == "registerfunction")
    assert function["metadata"] == {"internal": True}
    assert engine.trigger["function_id"] == function["id"]
    assert engine.trigger["config"] == {"delta": True}
    assert engine.trigger["trigger_namespace"] == "default"
    worker.on_functions_changed(lambda change: None)
    assert list(worker.functions) == ["a"]
    assert sum(frame["type"] == "registerfunction" for frame in engine.peer.seen) == 1


@pytest.mark.parametrize(
    ("start", "push"), [(started, whole("a", "c")), (exact, delta(added=["c"], removed=["b"]))], ids=["whole", "delta"]
)
def test_pushes_of_both_kinds_of_engine(worker, engine, start, push):
    changes = start(worker, engine, "a", "b")
    assert told(changes) == (["a", "b"], [])
    engine.push(push)
    shows(worker, "a", "c")
    assert told(changes) == (["c"], ["b"])


def test_a_push_that_says_nothing_new_tells_nobody(worker, engine):
    changes = exact(worker, engine, "a")
    told(changes)
    for data in (whole("a"), delta(added=["a"], removed=["never"]), None, {}, {"event": "functions_changed"}, 7):
        engine.push(data)
    engine.push(delta(added=["b"]))
    assert told(changes) == (["b"], [])


def test_an_engine_that_tells_everything_is_not_asked(worker, engine):
    exact(worker, engine, "a")
    worker.register_service({"id": "end"})
    engine.peer.next("registerservice")
    asked = [frame["function_id"] for frame in engine.peer.seen if frame["type"] == "invokefunction"]
    assert asked == ["engine::workers::register"]


def test_a_push_that_crosses_the_list_is_applied_after_it(worker, engine):
    worker.on_functions_changed(lambda change: None)
    engine.bound()
    question = engine.asked()
    worker.live_functions.push(whole("b"))  # which the list does not know of yet
    engine.peer.answer(question, {"functions": [row("a")]})
    shows(worker, "b")


def test_everything_that_crosses_the_list_makes_it_worthless(worker, engine):
    changes = queue.SimpleQueue()
    worker.on_functions_changed(changes.put)
    engine.bound()
    question = engine.asked()
    worker.live_functions.push(delta(added=["b"]))
    engine.peer.answer(question, {"functions": [row("a")]})
    engine.push(delta(added=["c"]))
    shows(worker, "b", "c")
    assert [told(changes), told(changes)] == [(["b"], []), (["c"], [])], "never of a"


def test_everything_that_comes_after_the_list_replaces_it(worker, engine):
    changes = started(worker, engine, "a", "b")
    engine.push(delta(added=["b", "c"]))
    shows(worker, "b", "c")
    assert [told(changes), told(changes)] == [(["a", "b"], []), (["c"], ["a"])]


def test_from_an_engine_that_looks_seldom_the_list_is_fetched_once_more(worker, engine, monkeypatch):
    monkeypatch.setattr(LiveFunctions, "confirm_s", 0.01)
    started(worker, engine, "a")
    engine.list("a", "b")  # which was away for a moment: no push tells of that
    shows(worker, "a", "b")
    worker.live_functions.refresh()
    engine.bound()
    engine.list("c")
    shows(worker, "c")


def test_more_pushes_than_can_be_held_make_it_ask_again(worker, engine, monkeypatch):
    monkeypatch.setattr(iii_worker.registry_table, "REGISTRY_HELD", 1)
    worker.on_functions_changed(lambda change: None)
    engine.bound()
    question = engine.asked()
    worker.live_functions.push(whole("b"))
    worker.live_functions.push(whole("c"))
    engine.peer.answer(question, {"functions": [row("a")]})
    engine.list("a", "b", "c")
    shows(worker, "a", "b", "c")


def test_no_push_is_lost_in_a_flood(worker, engine, monkeypatch):
    """More than can wait: it binds anew, and is told everything again."""
    exact(worker, engine, "a")
    table = worker.live_functions
    with table._changed:  # nothing can be applied
        for number in range(iii_worker.registry_table.REGISTRY_HELD + 2):
            table.take(incoming(table, delta(added=[f"f{number}"])))
        table.take(incoming(table, delta(removed=["a"])))
    engine.bound()
    engine.push(delta(added=["z"]))
    shows(worker, "z")


def incoming(table, data):
    metadata = msgspec.Raw(json.dumps({"epoch": table._epoch}).encode())
    return Incoming(table.function_id, msgspec.Raw(json.dumps(data).encode()), None, metadata)


def test_a_busy_pool_holds_no_push_up(fake, make_client):
    worker = make_client(fake.url, handler_threads=1, handler_queue=0)
    engine = Engine(fake.accept())
    free = threading.Event()
    worker.register_function("busy", lambda data: free.wait(WAIT_S))
    exact(worker, engine, "a")
    call = {"type": "invokefunction", "function_id": "busy", "data": None}
    for number in (1, 2, 3):
        engine.peer.send(call | {"invocation_id": f"{number}" * 8 + "-1111-4111-8111-111111111111"})
    assert engine.peer.next("invocationresult")["error"]["code"] == "worker_overloaded"
    engine.push(delta(added=["b"]))
    shows(worker, "a", "b")
    free.set()


def test_a_push_that_is_no_json_is_passed_over(worker, engine):
    exact(worker, engine, "a")
    table = worker.live_functions
    table.take(Incoming(table.function_id, msgspec.Raw(b"{"), None))
    engine.push(delta(added=["b"]))
    shows(worker, "a", "b")


def test_a_push_of_an_earlier_connection_says_nothing(worker, engine):
    exact(worker, engine, "a")
    engine.push(delta(added=["late"]), metadata={"epoch": 0})
    engine.push(delta(added=["b"]), metadata=None)  # an engine that passes no metadata on
    shows(worker, "a", "b")


def test_after_a_reconnect_it_is_right_again_and_tells_the_difference(fake, worker, engine):
    changes = started(worker, engine, "a", "b")
    told(changes)
    first = engine.trigger
    engine.peer.drop()
    again = Engine(fake.accept())
    assert list(worker.functions) == ["a", "b"], "as it was, while nobody knows better"
    assert again.bound()["id"] != first["id"]
    assert again.trigger["metadata"] != first["metadata"]
    again.list("b", "c")
    assert told(changes) == (["c"], ["a"])
    assert list(worker.functions) == ["b", "c"]


@pytest.fixture
def warned():
    """What the table warns of, to be waited for."""
    handler = logging.handlers.QueueHandler(queue.SimpleQueue())
    log = logging.getLogger("iii_worker.registry_table")
    log.addHandler(handler)
    yield lambda: handler.queue.get(timeout=WAIT_S).getMessage()
    log.removeHandler(handler)


def test_where_listing_is_forbidden_the_first_push_is_everything(fake, worker, engine, warned):
    changes = started(worker, engine, "a")
    told(changes)
    engine.peer.drop()
    again = Engine(fake.accept())
    again.bound()
    again.peer.answer(again.asked(), error={"code": "FORBIDDEN", "message": "not you"})
    again.push(delta(added=["b"]))
    assert told(changes) == (["b"], ["a"])
    again.push(delta(added=["c"]))
    shows(worker, "b", "c")
    assert "has only what is pushed: FORBIDDEN: not you" in warned()


def test_the_first_use_raises_what_the_engine_says(worker, engine):
    from concurrent.futures import ThreadPoolExecutor

    def refuse():
        for _ in range(2):  # the thread that keeps the table asks, too
            engine.peer.answer(engine.asked(), error={"code": "FORBIDDEN", "message": "not you"})

    with ThreadPoolExecutor(1) as pool:
        refused = pool.submit(refuse)
        with pytest.raises(InvocationError, match="FORBIDDEN: not you"):
            len(worker.functions)
        refused.result(WAIT_S)


def test_a_list_that_does_not_come_is_asked_for_again(worker, engine, monkeypatch, warned):
    monkeypatch.setattr(iii_worker.registry_table, "REGISTRY_CALL_S", 0.01)
    monkeypatch.setattr(iii_worker.registry_table, "REGISTRY_RETRY_S", 0.01)
    changes = queue.SimpleQueue()
    worker.on_functions_changed(changes.put)
    engine.asked()
    monkeypatch.setattr(iii_worker.registry_table, "REGISTRY_CALL_S", WAIT_S)
    for _ in range(50):
        engine.list("a")
        if worker.live_functions.wait_until(lambda: "a" in worker.live_functions.visible, 1):
            break
    assert told(changes) == (["a"], [])
    assert "is not up to date yet: TIMEOUT" in warned()


def test_a_callback_that_fails_harms_nobody_and_may_be_taken_back(worker, engine, warned):
    changes = started(worker, engine, "a")
    told(changes)
    mine = []
    stop = worker.on_functions_changed(mine.append)
    worker.on_functions_changed(lambda change: 1 / 0)
    engine.push(delta(added=["b"]))
    told(changes)
    stop()
    stop()
    engine.push(delta(added=["c"]))
    told(changes)
    assert len(mine) == 2
    assert "A callback for changes of functions failed" in warned()


def test_workers_are_listed_again_after_each_event(worker, engine):
    changes = queue.SimpleQueue()
    worker.on_workers_changed(changes.put)
    engine.bound("engine::workers-available")
    one, two = ({"id": number, "name": name, "runtime": "python"} for number, name in (("1", "users"), ("2", "orders")))
    engine.peer.answer(engine.asked(WORKERS), {"workers": [one]})
    assert [info.name for info in changes.get(timeout=WAIT_S).added] == ["users"]
    engine.push({"event": "worker_metadata_updated", "worker_id": "2"})
    engine.peer.answer(engine.asked(WORKERS), {"workers": [one | {"active_invocations": 5}, two]})
    change = changes.get(timeout=WAIT_S)
    assert ([info.name for info in change.added], change.removed, change.changed) == (["orders"], (), ())
    assert worker.workers["users"].active_invocations == 5
    engine.push({"event": "worker_disconnected", "worker_id": "1"})
    assert [info.name for info in changes.get(timeout=WAIT_S).removed] == ["users"]
    assert list(worker.workers) == ["orders"], "at once, before the list comes"
    engine.peer.answer(engine.asked(WORKERS), {"workers": [two | {"name": "shop"}]})
    change = changes.get(timeout=WAIT_S)
    assert [info.name for info in change.changed] == ["shop"]
    engine.push(None)
    engine.push({"event": "worker_disconnected", "worker_id": "unknown"})
    engine.peer.answer(engine.asked(WORKERS), {"workers": []})
    assert [info.name for info in changes.get(timeout=WAIT_S).removed] == ["shop"]
