"""Our SDK over TLS: many threads on one socket, both ways at once, and its telemetry (sdk.md §1, §9.3)."""

import threading

import pytest

import iii_worker
from iii_actors import Engine, EngineConfig
from iii_worker.observability import OtelConfig
from tests.support.telemetry import eventually
from tests.support.tls import Authority

CALLS, SIZES = 30, (10, 3_000, 20_000, 200_000)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=["shared", "own"])
def make(request, authority):
    listener = {"name": "iii-worker-manager", "config": {"port": 0, "tls": authority.server(), "reader": request.param}}
    made = []
    with Engine(EngineConfig(workers=[listener])) as engine:

        def worker(name, **options):
            port = engine.listeners[0][1]
            given = iii_worker.InitOptions(worker_name=name, ssl_context=authority.trusting(), **options)
            made.append(iii_worker.register_worker(f"wss://localhost:{port}", given))
            return made[-1]

        yield worker
        for one in made:
            one.shutdown()


def test_nothing_is_lost_between_threads_that_call_both_ways(make):
    workers = [make("a"), make("b")]
    for name, worker in zip("ab", workers, strict=True):
        worker.register_function(f"{name}::echo", lambda data: data["text"])
        worker.call("engine::functions::list", {})
    wrong = []

    def call(worker, function_id, number):
        for n in range(CALLS):
            text = f"{number}-{n}-" + "x" * SIZES[(n + number) % len(SIZES)]
            try:
                if worker.call(function_id, {"text": text}) != text:
                    wrong.append((number, n))
            except iii_worker.Error as error:
                wrong.append((number, n, error))

    pairs = [(workers[0], "b::echo"), (workers[1], "a::echo")] * 3
    threads = [threading.Thread(target=call, args=(*pair, number)) for number, pair in enumerate(pairs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_telemetry_goes_the_same_way(make):
    worker = make("observed", otel=OtelConfig(enabled=True))
    worker.register_function("f", lambda data: 1)
    worker.call("engine::functions::list", {})
    with iii_worker.with_span("over tls"):
        worker.call("f", {})
    iii_worker.flush_otel()
    query = {"name": "over tls", "include_internal": True, "search_all_spans": True}
    assert eventually(lambda: worker.call("engine::traces::list", query)["spans"], bool)
