"""The live registry against a real engine, with real workers that come and go."""

import queue
import threading

import pytest

import iii_actors
from iii_worker import InvocationError
from iii_worker.live import LiveFunctions

WAIT_S = 10.0


def until(table, ready):
    assert table.wait_until(ready, WAIT_S), (table.rows, ready)


def test_functions_are_there_at_once_and_kept(make_worker):
    watcher, users = make_worker(worker_name="watcher"), make_worker(worker_name="users")
    users.register_function("users::get", lambda data: data, description="Look one up", metadata={"tag": 1})
    users.call("engine::functions::info", {"function_id": "users::get"}, timeout=WAIT_S)
    functions = watcher.functions
    info = functions["users::get"]
    assert (info.namespace, info.worker_name, info.description) == ("default", "users", "Look one up")
    assert info.metadata == {"tag": 1}
    assert "users::get" in functions
    assert "nobody" not in functions
    assert len(functions) == len(list(functions)) == len(functions.items()) == len(functions.values())
    assert functions.keys() == {"users::get"}
    assert functions.get("nobody") is None
    with pytest.raises(KeyError):
        functions["nobody"]
    assert repr(functions) == "<FunctionsView of 1: users::get>"
    users.register_function("users::put", lambda data: data)
    until(watcher.live_functions, lambda: "users::put" in functions)
    users.shutdown()
    until(watcher.live_functions, lambda: not functions)


def test_it_is_read_only(make_worker):
    worker = make_worker()
    with pytest.raises(TypeError):
        worker.functions["x"] = None
    with pytest.raises(TypeError):
        worker.workers.by_id["x"] = None


def test_the_mapping_holds_what_a_call_by_bare_id_reaches(make_worker):
    north, south = make_worker(namespace="north"), make_worker(namespace="south")
    north.register_function("f", lambda data: data)
    south.register_function("g", lambda data: data)
    south.register_function("hidden", lambda data: data, metadata={"internal": True})
    assert north.wait_for_function("g", WAIT_S, namespace="south").worker_name == south.options.worker_name
    assert list(north.functions) == ["f"]
    assert list(south.functions) == ["g"]
    assert south.wait_for_function("hidden", WAIT_S).internal
    assert {("north", "f"), ("south", "g"), ("south", "hidden"), ("default", "engine::workers::list")} <= set(
        south.functions.everywhere
    )


def test_workers_come_and_go(make_worker):
    watcher = make_worker(worker_name="watcher")
    changes = queue.SimpleQueue()
    watcher.on_workers_changed(changes.put)
    workers = watcher.workers
    assert workers["watcher"].id == watcher.worker_id
    assert workers["watcher"].runtime == "python"
    assert workers["iii-engine-functions"].built_in
    assert workers.by_id[watcher.worker_id] == workers["watcher"]
    users = make_worker(worker_name="users", worker_description="Keeps users")
    until(watcher.live_workers, lambda: "users" in workers)
    assert workers["users"].description == "Keeps users"
    users.shutdown()
    until(watcher.live_workers, lambda: "users" not in workers)
    came, left = set(), set()
    while "users" not in left:  # callbacks come a little later
        change = changes.get(timeout=WAIT_S)
        came |= {one.name for one in change.added}
        left |= {one.name for one in change.removed}
    assert "users" in came


def test_a_name_in_two_namespaces_means_the_own_one_first(make_worker):
    north, other = make_worker(worker_name="a", namespace="north"), make_worker(worker_name="a")
    third = make_worker(worker_name="b", namespace="north")
    for watcher, meant in ((north, north), (other, other), (third, north)):
        ids = {north.worker_id, other.worker_id, third.worker_id}
        watcher.on_workers_changed(lambda change: None)
        until(watcher.live_workers, lambda table=watcher.live_workers, ids=ids: ids <= set(table.rows))
        assert watcher.workers["a"].id == meant.worker_id


def test_waiting_for_a_function_that_comes_later(make_worker):
    caller, users = make_worker(), make_worker()
    threading.Timer(0.05, lambda: users.register_function("users::get", lambda data: {"id": data["id"]})).start()
    assert caller.wait_for_function("users::get", WAIT_S).function_id == "users::get"
    assert caller.call("users::get", {"id": 7}) == {"id": 7}
    assert caller.wait_for_function("engine::workers::list", 1).namespace == "default"


def test_a_handler_may_wait_although_all_handlers_do(make_worker):
    worker, other = make_worker(handler_threads=1), make_worker()
    waiting = threading.Event()

    def wait(data):
        waiting.set()
        return worker.wait_for_function("later", WAIT_S).worker_name

    worker.register_function("wait", wait)
    other.wait_for_function("wait", WAIT_S)
    answer = other.call_async("wait", timeout=WAIT_S)
    assert waiting.wait(WAIT_S)
    other.register_function("later", lambda data: data)
    assert answer.result(WAIT_S) == other.options.worker_name


def test_what_does_not_come_is_named_with_what_is_like_it(make_worker):
    worker, other = make_worker(), make_worker(namespace="north")
    worker.register_function("users::create", lambda data: data)
    other.register_function("users::delete", lambda data: data)
    worker.wait_for_function("users::create", WAIT_S)
    worker.wait_for_function("users::delete", WAIT_S, namespace="north")
    for function_id, said in (
        ("users::creat", "there is users::create"),
        ("users::delete", "it is registered in namespace north: pass namespace="),
        ("zzz", "is the worker that offers it running?"),
    ):
        with pytest.raises(InvocationError, match=r"TIMEOUT: function .* did not come within 0\.05 s") as raised:
            worker.wait_for_function(function_id, 0.05)
        assert said in str(raised.value)
    with pytest.raises(ValueError, match="timeout is 0"):
        worker.wait_for_function("f", 0)


def test_an_engine_that_pushes_late_is_asked(make_worker, monkeypatch):
    monkeypatch.setattr("iii_worker.live.REGISTRY_POLL_S", 0.01)
    monkeypatch.setattr(LiveFunctions, "first_push_s", 0.1)
    worker, users = make_worker(), make_worker()
    monkeypatch.setattr(worker.live_functions, "push", lambda data, metadata: None)
    assert not worker.functions
    threading.Timer(0.05, lambda: users.register_function("users::get", lambda data: data)).start()
    waiting = [threading.Thread(target=worker.wait_for_function, args=("users::get", WAIT_S)) for _ in range(20)]
    for thread in waiting:
        thread.start()
    assert worker.wait_for_function("users::get", WAIT_S)
    for thread in waiting:
        thread.join(WAIT_S)
        assert not thread.is_alive()


def test_the_engine_comes_back_with_others(make_client):
    port = 0
    changes = queue.SimpleQueue()
    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=port)) as engine:
        port = int(engine.url.rpartition(":")[2])
        watcher, users = (make_client(engine.url, worker_name=name) for name in ("watcher", "users"))
        users.register_function("users::get", lambda data: data)
        watcher.wait_for_function("users::get", WAIT_S)
        watcher.on_functions_changed(changes.put)
        assert [one.id for one in changes.get(timeout=WAIT_S).added] == ["users::get"]
        assert "users" in watcher.workers
        users.shutdown()
        assert [one.id for one in changes.get(timeout=WAIT_S).removed] == ["users::get"]
    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=port)) as engine:
        orders = make_client(engine.url, worker_name="orders")
        orders.register_function("orders::get", lambda data: data)
        assert [one.id for one in changes.get(timeout=WAIT_S).added] == ["orders::get"]
        assert list(watcher.functions) == ["orders::get"]
        until(watcher.live_workers, lambda: {"orders", "watcher"} <= set(watcher.workers))
        assert "users" not in watcher.workers


def test_listings_on_demand(make_worker):
    worker = make_worker(worker_name="users", namespace="north")
    worker.register_function("users::get", lambda data: data)
    assert [one.id for one in worker.list_functions()] == ["users::get"]
    assert "engine::workers::list" in [one.id for one in worker.list_functions(include_internal=True)]
    assert "users" in [one.name for one in worker.list_workers(timeout=WAIT_S)]


def test_fifty_functions_at_once_are_told_once_each(make_worker):
    watcher, users = make_worker(), make_worker()
    seen = set()
    changes = queue.SimpleQueue()
    watcher.on_functions_changed(changes.put)
    for number in range(50):
        users.register_function(f"f{number}", lambda data: data)
    while len(seen) < 50:
        change = changes.get(timeout=WAIT_S)
        new = {one.id for one in change.added}
        assert not new & seen
        seen |= new
    assert set(watcher.functions) == seen


def test_nothing_is_left_after_shutdown(make_worker):
    worker = make_worker()
    worker.on_functions_changed(lambda change: None)
    assert worker.workers
    worker.shutdown()
    mine = [thread for thread in threading.enumerate() if thread.name.startswith("iii-registry")]
    for thread in mine:
        thread.join(WAIT_S)
        assert not thread.is_alive()


def test_after_shutdown_the_mapping_cannot_be_had(make_worker):
    worker = make_worker()
    worker.shutdown()
    with pytest.raises(InvocationError, match="SHUTDOWN"):
        len(worker.functions)
