"""Functions against a real engine: what only shows when two workers and a wire are between caller and handler."""

import asyncio
import dataclasses
import threading

import pydantic
import pytest

from iii_worker import Error, HttpInvocationConfig, InvocationError
from tests.support.sdk_functions import WAIT_S


class Order(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    id: int
    items: list[str] = []


@dataclasses.dataclass
class Receipt:
    order: Order
    total: float


def ready(worker):
    """Wait until the engine has looked at everything the worker has registered."""
    worker.call("engine::functions::list", {})
    return worker


def info(worker, function_id):
    return worker.call("engine::functions::info", {"function_id": function_id})


@pytest.fixture
def pair(make_worker):
    return make_worker(worker_name="left"), make_worker(worker_name="right")


def test_types_from_end_to_end(pair):
    shop, caller = pair

    @shop.function("orders::place")
    def place(order: Order) -> Receipt:
        """Place an order."""
        return Receipt(order, 1.5 * len(order.items))

    ready(shop)
    assert caller.call("orders::place", Order(id=1, items=["a", "b"])) == {
        "order": {"id": 1, "items": ["a", "b"]},
        "total": 3.0,
    }
    with pytest.raises(InvocationError) as caught:
        caller.call("orders::place", {"items": ["a", 7], "colour": "red"})
    assert caught.value.code == "invalid_request"
    for part in ("id: Field required", "items[1]: Input should be a valid string", "colour: Extra inputs"):
        assert part in caught.value.message
    known = info(caller, "orders::place")
    assert known["description"] == "Place an order."
    assert known["request_schema"]["required"] == ["id"]
    assert known["response_schema"]["properties"]["total"] == {"title": "Total", "type": "number"}


def test_errors_from_end_to_end(pair):
    shop, caller = pair

    def refuse(data):
        raise Error("sold out", code="sold_out")

    shop.register_function("refuse", refuse)
    shop.register_function("nested", lambda data: caller.call("refuse"))
    shop.register_function("nan", lambda data: float("nan"))
    ready(shop)
    for function_id in ("refuse", "nested"):
        with pytest.raises(InvocationError, match=r"^sold_out: sold out$") as caught:
            caller.call(function_id)
        assert "test_functions_live.py" in caught.value.stacktrace
        assert "handlers.py" not in caught.value.stacktrace
    with pytest.raises(InvocationError, match="result is nan"):
        caller.call("nan")


@pytest.mark.parametrize("kinds", ["plain", "coroutine", "both"])
def test_a_hundred_deep_through_two_workers(make_worker, kinds):
    workers = [make_worker(handler_threads=1), make_worker(handler_threads=1)]

    def plain(depth: int) -> int:
        return 1 + (workers[depth % 2].call(f"f{depth % 2}", depth - 1, timeout=WAIT_S) if depth else 0)

    async def coroutine(depth: int) -> int:
        return plain(depth)

    for number, worker in enumerate(workers):
        worker.register_function(
            f"f{number}", {"plain": plain, "coroutine": coroutine, "both": (plain, coroutine)[number]}[kinds]
        )
    for worker in workers:
        ready(worker)
    assert workers[0].call("f1", 99, timeout=WAIT_S) == 100


def test_endless_recursion_is_answered_long_before_the_timeout(make_worker):
    worker = make_worker(handler_threads=2)
    worker.pool.ceiling, worker.pool._stall_s = 22, 0.1
    worker.pool.coroutines._max_waits = 20

    async def coroutine(data):
        return worker.call("coroutine")

    worker.register_function("plain", lambda data: worker.call("plain"))
    worker.register_function("coroutine", coroutine)
    ready(worker)
    with pytest.raises(InvocationError, match=r"worker_overloaded: .*calls are nested too deep"):
        worker.call("plain")
    with pytest.raises(InvocationError, match=r"worker_overloaded: .*20 coroutine handlers"):
        worker.call("coroutine")
    assert worker.pool.drain(WAIT_S)


def test_coroutines_go_on_while_one_calls(pair):
    left, right = pair
    met = asyncio.Event()

    async def waits(data):
        await asyncio.wait_for(met.wait(), WAIT_S)
        return "met"

    async def meets(data):
        right.call("plain", data)
        met.set()

    left.register_function("waits", waits)
    left.register_function("meets", meets)
    left.register_function("plain", lambda data: data)
    ready(left)
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(right.call("waits")))
    thread.start()
    right.call("meets", 1)
    thread.join(WAIT_S)
    assert outcome == ["met"]


def test_more_than_the_queue_holds_is_answered_and_nothing_is_lost(make_worker):
    worker, caller = make_worker(handler_threads=1, handler_queue=5), make_worker()
    end = threading.Event()
    worker.register_function("slow", lambda data: end.wait(WAIT_S))
    ready(worker)
    refused = threading.Semaphore(0)
    outcomes = []

    def call():
        try:
            outcomes.append(caller.call("slow", timeout=WAIT_S))
        except InvocationError as error:
            outcomes.append(error.code)
            refused.release()

    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    assert refused.acquire(timeout=WAIT_S)
    end.set()
    for thread in threads:
        thread.join(WAIT_S)
    assert len(outcomes) == 20
    assert set(outcomes) == {True, "worker_overloaded"}
    assert outcomes.count(True) >= 6


def test_a_second_worker_is_refused_unless_both_are_a_group(pair, caplog):
    left, right = pair
    left.register_function("mine", lambda data: "left")
    for worker, name in ((left, "left"), (right, "right")):
        worker.register_function("ours", lambda data, name=name: name, group="round_robin")
    ready(left)
    ref = right.register_function("mine", lambda data: "right")
    ready(right)
    assert ref.error is not None
    assert "function 'mine' is held by worker" in str(ref.error)
    assert right.call("mine") == "left"
    assert {right.call("ours") for _ in range(4)} == {"left", "right"}


def test_sticky_groups_follow_the_key(pair):
    for number, worker in enumerate(pair):
        worker.register_function(
            "sticky", lambda data, number=number: number, group="sticky", group_key="user", description="by user"
        )
        ready(worker)
    first = {user: pair[0].call("sticky", {"user": user}) for user in "abcdefghijklmnopqrstuvwxyz"}
    assert set(first.values()) == {0, 1}
    for user, member in first.items():
        assert pair[1].call("sticky", {"user": user}) == member


def test_metadata_travels(pair):
    left, right = pair
    left.register_function("f", lambda data, metadata: [data, metadata])
    ready(left)
    assert right.call("f", 1, metadata={"m": [2]}) == [1, {"m": [2]}]
    assert right.call("f", 1) == [1, None]


def test_unregistered_it_is_gone_and_may_come_again(pair):
    left, right = pair
    ref = left.register_function("f", lambda data: 1)
    ready(left)
    assert right.call("f") == 1
    ref.unregister()
    ready(left)
    with pytest.raises(InvocationError) as caught:
        right.call("f")
    assert caught.value.code == "function_not_found"
    left.register_function("f", lambda data: 2)
    ready(left)
    assert right.call("f") == 2


def test_a_void_call_that_fails_is_logged(pair, caplog):
    left, right = pair
    failed = threading.Event()

    def fails(data):
        try:
            raise ValueError("nobody is told")
        finally:
            failed.set()

    left.register_function("f", fails)
    ready(left)
    right.send("f", {})
    assert failed.wait(WAIT_S)
    left.pool.drain(WAIT_S)
    assert "The handler of f failed: nobody is told" in caplog.text


def test_an_endpoint_the_engine_does_not_allow_is_not_there(pair):
    left, right = pair
    left.register_function("hook", HttpInvocationConfig("https://a.test/hook"))
    ready(left)
    with pytest.raises(InvocationError):
        right.call("hook", {})


def test_payloads_come_back_as_they_were(pair):
    left, right = pair

    def deep(data: dict) -> dict:
        return data

    left.register_function("deep", deep)
    ready(left)
    payload = {"a": {"b": [1, 2.5, None, "ü", True]}}
    result = right.call("deep", payload)
    assert result.pop("_caller_worker_id")
    assert result == payload


def test_a_timeout_of_the_handler_is_the_callers_answer(pair):
    left, right = pair
    end = threading.Event()
    left.register_function("slow", lambda data: end.wait(WAIT_S), timeout=0.05)
    ready(left)
    with pytest.raises(InvocationError, match=r"TIMEOUT: the handler of slow did not end within its timeout of 0.05 s"):
        right.call("slow")
    end.set()
