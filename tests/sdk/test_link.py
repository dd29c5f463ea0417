"""Who reads: the caller its own answer, the reader short handlers, the standby the rest."""

import select
import threading

import pytest

import iii_worker

needs_epoll = pytest.mark.skipif(not hasattr(select, "EPOLLEXCLUSIVE"), reason="only the standby reads here")


class Readers:
    """Notes which thread takes which type of frame."""

    def __init__(self, client):
        self.names = {}
        receive = client.connection._receive

        def note(link, data):
            kind = iii_worker.frames.decode(data).type
            self.names.setdefault(kind, []).append(threading.current_thread().name)
            receive(link, data)

        client.connection._receive = note


@pytest.fixture
def client(fake):
    with iii_worker.init(fake.url) as made:
        yield made


def in_the_kernel(link, threads):
    while link.turns._inside < threads:
        assert link.gone is None
    threading.Event().wait(0.02)  # the last step into the kernel cannot be watched


@needs_epoll
def test_a_caller_reads_its_own_answer(fake, client):
    readers = Readers(client)
    client.connect(10)
    peer = fake.accept()
    got = []
    caller = threading.Thread(target=lambda: got.append(client.call("f", timeout=10)), name="caller")
    caller.start()
    call = peer.call()
    in_the_kernel(client.connection.link, 2)
    peer.answer(call, "mine")
    caller.join(5)
    assert got == ["mine"]
    assert readers.names["invocationresult"] == ["caller"]


@needs_epoll
def test_a_caller_whose_answer_another_read_is_told(fake, client):
    client.connect(10)
    peer = fake.accept()
    link = client.connection.link
    results = {}

    def call(name):
        results[name] = client.call(name, timeout=10)

    first = threading.Thread(target=call, args=("first",))
    first.start()
    one = peer.call()
    in_the_kernel(link, 2)
    second = threading.Thread(target=call, args=("second",))
    second.start()
    two = peer.call()
    peer.answer(two, 2)
    second.join(5)
    assert results == {"second": 2}
    peer.answer(one, 1)
    first.join(5)
    assert results == {"first": 1, "second": 2}


@needs_epoll
def test_the_reader_runs_a_lone_handler_and_the_standby_goes_on_reading(fake, client):
    ran, release = {}, threading.Event()

    def slow(data):
        ran["slow"] = threading.current_thread().name
        release.wait(10)

    client.register_function("slow", slow)
    client.register_function("quick", lambda data: ran.setdefault("quick", threading.current_thread().name))
    client.connect(10)
    peer = fake.accept()
    peer.next("ping")
    invocation = {"type": "invokefunction", "function_id": "quick", "data": None}
    peer.send(invocation | {"invocation_id": "first"})
    peer.next("invocationresult")
    in_the_kernel(client.connection.link, 2)
    ran.clear()
    peer.send(invocation | {"function_id": "slow", "invocation_id": "s"})
    while "slow" not in ran:
        assert client.connection.link is not None
    peer.send(invocation | {"invocation_id": "q"})
    assert peer.next("invocationresult")["invocation_id"] == "q"
    assert ran["slow"] == "iii-worker-reader"
    assert ran["quick"].startswith("iii-handler")
    release.set()
    assert peer.next("invocationresult")["invocation_id"] == "s"


def test_a_thread_that_is_interrupted_while_it_reads_costs_the_connection_only(fake, client, monkeypatch):
    client.connection._options.reconnection_config.initial_delay_ms = 1
    client.connect(10)
    first = fake.accept()
    link = client.connection.link
    with monkeypatch.context() as patched:
        patched.setattr(link.transport, "take", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            link.read()
    assert "interrupted" in link.gone
    second = fake.accept()
    second.next("reattach", previous_worker_id=first.worker_id)
    future = client.call_async("f", timeout=10)
    second.answer(second.call(), 1)
    assert future.result(5) == 1


def test_calls_and_handlers_work_over_tls(tmp_path):
    import ssl

    from tests.support.certificates import server_context
    from tests.support.fake_engine import fake_engine

    context, certificate = server_context(tmp_path, "localhost")
    with fake_engine(ssl=context) as fake:
        trust = ssl.create_default_context(cafile=certificate)
        with iii_worker.init(f"wss://localhost:{fake.port}", ssl_context=trust) as client:
            client.register_function("echo", lambda data: data)
            client.connect(10)
            peer = fake.accept()
            futures = [client.call_async("f", "x" * 100_000, timeout=10) for _ in range(20)]
            for call in [peer.call() for _ in range(20)]:
                peer.answer(call, call["data"])
            invocation = {"type": "invokefunction", "function_id": "echo", "data": "y" * 100_000}
            for number in range(20):
                peer.send(invocation | {"invocation_id": str(number)})
            answers = {peer.next("invocationresult")["invocation_id"] for _ in range(20)}
            assert answers == {str(number) for number in range(20)}
            assert [len(future.result(10)) for future in futures] == [100_000] * 20
