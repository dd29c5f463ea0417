import asyncio
import gc
import threading

import msgspec
import pytest

from iii_worker import HttpInvocationConfig
from iii_worker._types import Incoming
from iii_worker.functions import FunctionConflictError
from tests.support.sdk_functions import WAIT_S, Answer, clients


@pytest.fixture
def make():
    with clients() as make:
        yield make


@pytest.fixture
def client(make):
    return make()


def echo(data):
    return data


def test_registering_sends_one_frame_and_unregistering_takes_it_back(client):
    ref = client.register("users::create", echo, metadata={"a": 1})
    assert ref.id == "users::create"
    assert repr(ref) == "FunctionRef('users::create')"
    assert client.frames == [{"type": "registerfunction", "id": "users::create", "metadata": {"a": 1}}]
    assert client.table.ids() == ["users::create"]
    ref.unregister()
    ref.unregister()
    assert client.removed == ["users::create"]
    assert client.table.ids() == []
    assert client.invoke("users::create").error().code == "function_not_found"


def test_an_old_reference_does_not_take_a_new_registration_back(client):
    old = client.register("f", echo)
    old.unregister()
    new = client.register("f", echo)
    old.unregister()
    assert client.table.ref("f") is new
    client.table.unregister("f")
    client.table.unregister("f")
    assert client.table.ids() == []
    assert client.removed == ["f", "f"]


def test_the_decorator_leaves_the_function_as_it_is(client):
    @client.table.decorator("f", description="echoes")
    def mine(data):
        return data

    assert mine(3) == 3
    assert client.frames[0]["description"] == "echoes"
    assert client.invoke("f", 4).outcome() == 4


@pytest.mark.parametrize(
    ("function_id", "handler", "error", "message"),
    [
        (7, echo, TypeError, "a function's id is a text"),
        (" ", echo, ValueError, "must not be blank"),
        ("f", 7, TypeError, "the handler of 'f' is 7: give a function"),
        ("f", None, TypeError, "give a function, or an HttpInvocationConfig"),
        ({"id": "f", "name": "x"}, echo, TypeError, "no option name"),
        ({"description": "f"}, echo, TypeError, "a function's id is a text"),
    ],
)
def test_what_cannot_be_registered(client, function_id, handler, error, message):
    with pytest.raises(error, match=message):
        client.table.register(function_id, handler)
    assert client.frames == []


def test_an_id_is_registered_once(client):
    client.register("f", echo)
    with pytest.raises(ValueError, match="function 'f' is registered already: unregister it first"):
        client.register("f", echo)
    assert len(client.frames) == 1


def test_the_decorator_needs_an_id(client):
    with pytest.raises(TypeError, match="the decorator needs the function's id"):
        client.table.decorator(echo)
    with pytest.raises(ValueError, match="blank"):
        client.table.decorator("")


def test_the_earlier_form_with_one_mapping(client):
    client.table.register({"id": "f", "description": "echoes", "metadata": {"a": 1}}, echo)
    assert client.frames == [{"type": "registerfunction", "id": "f", "description": "echoes", "metadata": {"a": 1}}]


def test_unknown_and_external_functions_are_answered(client, caplog):
    client.register("external", HttpInvocationConfig("https://a.test"))
    client.register("dict", {"url": "https://a.test", "method": "GET"})
    assert client.frames[1]["invocation"]["method"] == "GET"
    assert client.invoke("external").error().code == "function_not_invokable"
    error = client.invoke("nowhere").error()
    assert (error.code, error.message) == (
        "function_not_found",
        "Function nowhere is not registered on this worker",
    )
    assert "external is an HTTP endpoint" in caplog.text


@pytest.mark.parametrize("options", [{"concurrency": 1}, {"timeout": 1}])
def test_an_http_endpoint_has_no_options_of_handlers(client, options):
    with pytest.raises(ValueError, match="concurrency and timeout are for handlers"):
        client.register("external", HttpInvocationConfig("https://a.test"), **options)


def test_a_conflict_is_noted_and_said(client, caplog):
    ref = client.register("f", echo)
    assert ref.error is None
    frame = {"code": "FUNCTION_NAMESPACE_CONFLICT", "namespace": "shop", "function_id": "f", "owner_worker_id": "w1"}
    client.table.on_rejected(frame)
    client.table.on_rejected({**frame, "function_id": "gone", "owner_worker_id": ""})
    assert isinstance(ref.error, FunctionConflictError)
    assert ref.error.code == "FUNCTION_NAMESPACE_CONFLICT"
    assert str(ref.error).startswith("function 'f' is held by worker w1 in namespace 'shop'. Choose another id")
    assert 'group="round_robin"' in caplog.text
    assert "'gone' is held by the engine" in caplog.text


def test_over_the_queues_bound_it_is_answered(make):
    client, end = make(size=1, queue=2), threading.Event()
    begun = threading.Semaphore(0)

    def waits(data):
        begun.release()
        assert end.wait(WAIT_S)
        return data

    client.register("f", waits)
    answers = [client.invoke("f", number) for number in range(5)]
    error = answers[3].error()
    assert error.code == "worker_overloaded"
    assert error.message == (
        "f was not run: 2 invocations, or 256 MiB of them, wait already for this worker's 1 handler threads "
        "(options handler_queue and handler_threads)"
    )
    assert answers[4].error().code == "worker_overloaded"
    end.set()
    assert [answer.outcome() for answer in answers[:3]] == [0, 1, 2]


def test_payloads_that_wait_are_bounded_in_bytes(make):
    client, end = make(size=1, queue_bytes=100), threading.Event()
    client.register("f", lambda data: end.wait(WAIT_S))
    first = client.invoke("f")
    small, large = client.invoke("f", "x" * 50), client.invoke("f", "x" * 60)
    assert large.error().code == "worker_overloaded"
    end.set()
    assert first.outcome() is small.outcome() is True


def test_too_many_coroutines_are_answered(make):
    client = make()
    client.pool.coroutines.limit = 1
    release, begun = [], threading.Event()

    async def waits(data):
        release.append(asyncio.Event())
        begun.set()
        await release[0].wait()

    client.register("f", waits)
    first = client.invoke("f")
    assert "1 coroutine handlers" in client.invoke("f").error().message
    assert begun.wait(WAIT_S)
    client.pool.coroutines.loop.call_soon_threadsafe(release[0].set)
    assert first.outcome() is None


def test_the_reading_thread_may_run_it_and_is_waited_for(make):
    client, end = make(adopt=True), threading.Event()
    begun = threading.Event()

    def waits(data):
        begun.set()
        assert end.wait(WAIT_S)
        return threading.current_thread().name

    client.register("f", waits)
    client.register("limited", lambda data: threading.current_thread().name, timeout=WAIT_S)
    answer = client.invoke("f")
    assert begun.wait(WAIT_S)
    assert not client.pool.drain(0)
    end.set()
    assert answer.outcome() == "a reader"
    assert client.pool.drain(WAIT_S)
    assert client.invoke("limited").outcome() != "a reader"


@pytest.mark.parametrize("kind", ["plain", "coroutine", "adopted"])
def test_a_handler_may_drain_its_own_worker(make, kind):
    client = make(adopt=kind == "adopted")

    async def coroutine(data):
        return client.pool.drain(WAIT_S)

    client.register("f", coroutine if kind == "coroutine" else lambda data: client.pool.drain(WAIT_S))
    assert client.invoke("f").outcome() is True
    assert client.pool.drain(WAIT_S)


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_a_thread_may_serve_one_itself(client, kind):
    async def coroutine(data):
        return data

    client.register("f", echo if kind == "plain" else coroutine)
    for function_id in ("f", "nowhere"):
        answer = Answer()
        client.table.run(Incoming(function_id, msgspec.Raw(b"[1]")), answer)
        assert answer.there
    assert client.invoke("f", 1).outcome() == 1


@pytest.mark.parametrize("adopt", [False, True])
@pytest.mark.parametrize("kinds", ["plain", "coroutine", "both"])
def test_a_hundred_deep_through_two_workers(make, kinds, adopt):
    workers = [make(size=1, adopt=adopt), make(size=1, adopt=adopt)]

    def plain(depth):
        return 1 + (workers[depth % 2].call(f"f{depth % 2}", depth - 1) if depth else 0)

    async def coroutine(depth):
        return plain(depth)

    for number, worker in enumerate(workers):
        chosen = {"plain": plain, "coroutine": coroutine, "both": (plain, coroutine)[number]}[kinds]
        worker.register(f"f{number}", chosen)
    assert workers[0].call("f0", 99) == 100
    for worker in workers:
        assert worker.pool.drain(WAIT_S)
        assert worker.pool.counts()["threads"] <= 51


def test_endless_recursion_ends_in_an_error_that_names_the_limit(make):
    client = make(size=2, lent=10, stall_s=0.05)
    client.register("f", lambda data: client.call("f", data))
    error = client.invoke("f").error()
    assert error.code == "worker_overloaded"
    assert "all 12 handler threads" in error.message
    assert client.pool.drain(WAIT_S)
    client.register("g", echo)
    assert client.invoke("g", 1).outcome() == 1


def test_endless_recursion_of_coroutines_does_too(make):
    client = make(lent=10)

    async def down(data):
        return client.call("f", data)

    client.register("f", down)
    error = client.invoke("f").error()
    assert error.code == "worker_overloaded"
    assert "10 coroutine handlers of this worker wait in blocking calls" in error.message
    assert client.pool.drain(WAIT_S)


def test_fifty_threads_at_once(make):
    client = make(size=4)
    client.register("f", echo)
    client.register("g", echo, concurrency=2)

    async def coroutine(data):
        return data

    client.register("h", coroutine)
    wrong = []

    def caller(number):
        for turn in range(20):
            for function_id in ("f", "g", "h"):
                value = [number, turn, function_id]
                if client.invoke(function_id, value).outcome() != value:
                    wrong.append(value)

    threads = [threading.Thread(target=caller, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert wrong == []
    assert client.pool.drain(WAIT_S)
    assert client.pool.counts()["running"] == 0


def fails(data):
    raise ValueError("boom")


async def coroutine_echo(data):
    return data


@pytest.mark.parametrize(
    ("handler", "options"),
    [
        (echo, {}),
        (echo, {"concurrency": 1, "timeout": WAIT_S}),
        (fails, {}),
        (lambda data: float("nan"), {}),
        (coroutine_echo, {"timeout": WAIT_S}),
    ],
)
def test_thousands_of_invocations_leave_nothing_behind(make, handler, options, caplog):
    client = make(size=2)
    caplog.set_level("CRITICAL", "iii_worker")
    client.register("f", handler, **options)

    def serve(times):
        for _ in range(times):
            client.invoke("f", 1)
        assert client.pool.drain(WAIT_S)

    serve(200)
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        serve(1000)
        grown = len(gc.get_objects()) - before
    finally:
        gc.enable()
    assert grown < 100
