"""A client's end: shutdown, with blocks, run(), forks, and processes that just end."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

import iii_worker
from iii_worker import ForkedError, InvocationError
from iii_worker.link import Link

ROOT = Path(__file__).parents[2]


def run_script(text: str, *arguments: str) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'sdk'}", "OTEL_ENABLED": "false"}
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text), *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_shutdown_is_idempotent_and_quick_and_later_calls_raise(make_worker):
    worker = make_worker()
    began = time.monotonic()
    worker.shutdown()
    worker.shutdown()
    assert time.monotonic() - began < 2
    for call in (lambda: worker.call("f", timeout=5), lambda: worker.send("f"), lambda: worker.call_async("f")):
        with pytest.raises(InvocationError) as caught:
            call()
        assert caught.value.code == "SHUTDOWN"
    with pytest.raises(iii_worker.ConnectFailedError, match="shut down"):
        worker.connect()


def test_pending_calls_end_with_shutdown(fake, make_client):
    worker = make_client(fake.url)
    errors = []

    def call():
        with pytest.raises(InvocationError) as caught:
            worker.call("never", timeout=30)
        errors.append(caught.value.code)

    thread = threading.Thread(target=call)
    thread.start()
    peer = fake.accept()
    peer.call()
    future = worker.call_async("never", timeout=30)
    worker.shutdown()
    thread.join(5)
    assert errors == ["SHUTDOWN"]
    with pytest.raises(InvocationError, match="SHUTDOWN"):
        future.result(5)
    assert peer.gone.wait(5)


def test_running_handlers_are_drained(make_worker):
    callee, caller = make_worker(), make_worker()
    running, release = threading.Event(), threading.Event()

    @callee.function("slow")
    def slow(data):
        running.set()
        release.wait(10)
        return callee.call("other", "nested", timeout=5)

    caller.register_function("other", lambda data: data)
    caller.call("other", timeout=5)
    callee.call("other", timeout=5)
    future = caller.call_async("slow", timeout=10)
    assert running.wait(5)
    ending = threading.Thread(target=callee.shutdown, args=(10,))
    ending.start()
    while "slow" in {row["function_id"] for row in caller.call("engine::functions::list", {}, timeout=5)["functions"]}:
        assert ending.is_alive()
    release.set()
    assert future.result(5) == "nested"
    ending.join(5)
    assert callee.get_connection_state() == "disconnected"


def test_a_handler_may_shut_its_own_worker_down(make_worker):
    callee, caller = make_worker(), make_worker()
    done = threading.Event()

    @callee.function("end")
    def end(data):
        callee.shutdown()
        done.set()

    callee.call("engine::workers::list", {}, timeout=5)
    caller.send("end")
    assert done.wait(8)


def test_threads_are_gone_after_shutdown(make_worker):
    before = set(threading.enumerate())
    worker = make_worker()
    worker.register_function("echo", lambda data: data)
    worker.call_many([("echo", n) for n in range(20)], timeout=5)
    worker.shutdown()
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith(("iii-worker-", "iii-handler")):
            thread.join(5)
            assert not thread.is_alive(), thread.name


def test_run_returns_when_another_thread_shuts_down(make_worker):
    worker = make_worker()
    thread = threading.Thread(target=worker.run)
    thread.start()
    worker.shutdown()
    thread.join(5)
    assert not thread.is_alive()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_ends_cleanly_by_a_signal(engine, number):
    script = """
        import signal, sys, threading, iii_worker
        worker = iii_worker.register_worker(sys.argv[1], worker_name="signalled")
        worker.register_function("here", lambda data: "yes")

        def say_when_it_runs():
            while signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                worker.call("here", timeout=5)
            print("ready", flush=True)

        threading.Thread(target=say_when_it_runs).start()
        worker.run()
        print("ended", flush=True)
    """
    process = run_script(script, engine.url)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    output, errors = process.communicate(timeout=20)
    assert (output, errors, process.returncode) == ("ended\n", "", 0)


def test_a_script_that_forgets_shutdown_ends(engine):
    script = """
        import sys, iii_worker
        worker = iii_worker.register_worker(sys.argv[1], worker_name="forgetful")
        worker.register_function("echo", lambda data: data)
        print(worker.call("echo", 5, timeout=5))
    """
    output, errors = run_script(script, engine.url).communicate(timeout=20)
    assert (output, errors) == ("5\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
def test_a_forked_child_is_told_so_and_leaves_the_parent_alone(engine):
    script = """
        import os, sys, warnings, iii_worker
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks with threads
        worker = iii_worker.register_worker(sys.argv[1], worker_name="parent")
        worker.register_function("echo", lambda data: data)
        worker.call("echo", 1, timeout=5)
        child = os.fork()
        if child == 0:
            for use in (lambda: worker.call("echo", 1), lambda: worker.send("echo"), worker.connect, worker.run):
                try:
                    use()
                except iii_worker.ForkedError as error:
                    assert "after the fork" in str(error)
                else:
                    os._exit(3)
            worker.shutdown()
            own = iii_worker.register_worker(sys.argv[1], worker_name="child")
            assert own.call("echo", 2, timeout=5) == 2
            own.shutdown()
            sys.exit(0)
        _, status = os.waitpid(child, 0)
        assert worker.call("echo", 3, timeout=5) == 3
        assert worker.get_connection_state() == "connected"
        print(os.waitstatus_to_exitcode(status))
    """
    output, errors = run_script(script, engine.url).communicate(timeout=30)
    assert (output, errors) == ("0\n", "")


def test_a_forked_client_raises(make_worker):
    worker = make_worker()
    worker._forked = True
    with pytest.raises(ForkedError):
        worker.call("f")
    worker._forked = False


def test_an_interrupted_call_leaves_the_client_usable(engine):
    script = """
        import os, signal, sys, threading, iii_worker
        worker = iii_worker.register_worker(sys.argv[1], worker_name="interrupted")
        worker.register_function("echo", lambda data: data)
        release = threading.Event()

        def slow(data):
            os.kill(os.getpid(), signal.SIGINT)
            release.wait(10)

        worker.register_function("slow", slow)
        try:
            worker.call("slow", timeout=10)
        except KeyboardInterrupt:
            print("interrupted")
        release.set()
        print(worker.call("echo", "still here", timeout=5), len(worker.calls))
    """
    output, _ = run_script(script, engine.url).communicate(timeout=30)
    assert output == "interrupted\nstill here 0\n"


@pytest.mark.parametrize("left", [False, True], ids=["had not left", "had left"])
def test_a_connection_that_ends_while_a_call_is_sent(fake, make_client, monkeypatch, left):
    """What has not left waits for the next connection; of what has nobody knows whether it was done."""
    worker = make_client(fake.url)
    fake.accept()
    ended, send, end = threading.Event(), Link.send, worker.calls.ended

    def send_and_fail(link, payload, deadline=None):
        if b'"echo"' not in payload or ended.is_set():
            return send(link, payload, deadline)
        if left:
            send(link, payload, deadline)
        link.fail("cut")
        assert ended.wait(10)
        return None if left else send(link, payload, deadline)

    def note(link):
        end(link)
        if link is not None and link.gone == "cut":
            ended.set()

    monkeypatch.setattr(Link, "send", send_and_fail)
    monkeypatch.setattr(worker.calls, "ended", note)
    future = []
    thread = threading.Thread(target=lambda: future.append(worker.call_async("echo", timeout=10)))
    thread.start()
    peer = fake.accept()
    thread.join(10)
    if left:
        with pytest.raises(InvocationError, match="CONNECTION_LOST"):
            future[0].result(10)
    else:
        peer.answer(peer.next("invokefunction", function_id="echo"), "still here")
        assert future[0].result(10) == "still here"
    assert len(worker.calls) == 0


def test_futures_may_be_cancelled_and_call_back_on_a_thread_that_may_call(fake, make_client):
    worker = make_client(fake.url)
    peer = fake.accept()
    cancelled = worker.call_async("f", timeout=30)
    assert cancelled.cancel()
    assert cancelled.cancelled()
    assert cancelled.cancel()
    assert len(worker.calls) == 0
    got = []
    done = threading.Event()
    future = worker.call_async("g", timeout=30)

    def back(finished):
        got.append((finished.result(), worker.call("h", timeout=5)))
        done.set()

    future.add_done_callback(back)
    peer.answer(peer.next("invokefunction", function_id="g"), "first")
    peer.answer(peer.next("invokefunction", function_id="h"), "second")
    assert done.wait(5)
    assert got == [("first", "second")]
    assert not future.cancel()


def test_a_future_ends_at_its_timeout(fake, make_client):
    worker = make_client(fake.url)
    with pytest.raises(InvocationError, match="TIMEOUT"):
        worker.call_async("f", timeout=0.05).result(5)
    assert len(worker.calls) == 0


def test_asyncio_code_may_wait_for_futures(make_worker):
    import asyncio

    worker = make_worker()
    worker.register_function("echo", lambda data: data)

    async def main():
        one = asyncio.wrap_future(worker.call_async("echo", 1, timeout=5))
        two = worker.trigger_async({"function_id": "echo", "payload": 2})
        await worker.trigger_async({"function_id": "echo", "action": {"type": "void"}})
        return await asyncio.gather(one, two)

    assert asyncio.run(main()) == [1, 2]


@pytest.mark.parametrize("endless", [float("inf"), 1e12])
def test_an_endless_timeout_is_one(make_worker, endless):
    worker = make_worker()
    worker.register_function("echo", lambda data: data, timeout=endless)
    assert worker.connect(endless) is worker
    assert worker.wait_for_function("echo", timeout=endless).id == "echo"
    assert worker.call("echo", 1, timeout=endless) == 1
    assert worker.call_async("echo", 2, timeout=endless).result(5) == 2
    worker.shutdown(drain=endless)


def test_nothing_is_registered_after_shutdown_without_a_word(make_worker):
    worker = make_worker()
    ref = worker.register_function("echo", lambda data: data)
    worker.shutdown()
    for offer in (
        lambda: worker.register_function("f", lambda data: data),
        lambda: worker.function("f"),
        lambda: worker.register_trigger({"type": "cron", "function_id": "echo"}),
        lambda: worker.register_trigger_type({"id": "t", "description": "d"}),
        lambda: worker.register_service({"id": "s"}),
        lambda: worker.on_functions_changed(print),
        lambda: worker.on_workers_changed(print),
    ):
        with pytest.raises(InvocationError, match="SHUTDOWN: this client was shut down: make a new one"):
            offer()
    ref.unregister()


def test_a_second_interrupt_does_not_wait_for_handlers(engine):
    script = """
        import sys, threading, iii_worker
        worker = iii_worker.register_worker(sys.argv[1], worker_name="stuck")
        running = threading.Event()

        @worker.function("stuck::serve")
        def serve(data):
            running.set()
            threading.Event().wait()

        worker.send("stuck::serve")
        running.wait(10)
        drain = worker.pool.drain

        def drained(seconds):
            print("draining", flush=True)
            return drain(60)

        worker.pool.drain = drained
        wait = worker._stopped.wait
        worker._stopped.wait = lambda: (print("up", flush=True), wait())
        worker.run()
        print("ended", flush=True)
    """
    process = run_script(script, engine.url)
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "draining\n"
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=20)
    assert (output, process.returncode) == ("ended\n", 0)
    assert "Traceback" not in errors
    assert "abandoned" in errors
