"""A serving process that is asked to end while calls run, and one that is asked what it is doing."""

import re
import signal

import pytest

from tests.cli.test_serve import Process
from tests.support.peer import CallFailed, Peer, peers

WAIT_S = 20


class Serving:
    """A process, a worker whose function `slow` does not answer by itself, and its caller."""

    def __init__(self, process: Process, callee: Peer, caller: Peer) -> None:
        self.process, self.callee, self.caller = process, callee, caller
        self.pending = ""
        self.frame: dict[str, object] = {}

    def begin(self) -> None:
        self.callee.register("slow")
        self.pending = self.caller.start_call("slow")
        self.frame = self.callee.expect(type="invokefunction")

    def answer(self) -> object:
        invocation_id = self.frame["invocation_id"]
        self.callee.send(type="invocationresult", invocation_id=invocation_id, function_id="slow", result="done")
        return self.caller.expect(type="invocationresult", invocation_id=self.pending)["result"]

    def until_refused(self) -> None:
        while True:
            try:
                self.caller.call("engine::baggage::get_all", {})
            except CallFailed as failed:
                assert failed.code == "engine_draining"
                return


@pytest.fixture
def serve(tmp_path):
    processes = []

    def start(*arguments):
        (tmp_path / "c.yaml").write_text("workers:\n  - {name: iii-worker-manager, config: {port: 0}}\n")
        processes.append(Process(tmp_path, "-c", "c.yaml", *arguments))
        process = processes[-1]
        make = entered(f"ws://127.0.0.1:{process.port}")
        process.until("Ctrl-C stops")
        return Serving(process, make("callee"), make("caller"))

    groups = []

    def entered(url):
        groups.append(peers(url))
        return groups[-1].__enter__()

    yield start
    for process in processes:
        process.kill()
    for group in groups:
        group.__exit__(None, None, None)


def test_it_finishes_what_runs(serve):
    serving = serve()
    serving.begin()
    serving.process.signal(signal.SIGTERM)
    serving.until_refused()
    assert serving.answer() == "done"
    code, err = serving.process.end()
    assert (code, err) == (0, "")
    assert re.search(
        r"The calls in flight \([12]\) have ended", "\n".join(serving.process.lines)
    )  # 2: one that looked on


def test_it_does_not_wait_for_ever(serve):
    serving = serve("--drain-timeout", "0.05")
    serving.begin()
    serving.process.signal(signal.SIGTERM)
    assert serving.process.end() == (0, "")
    assert "1 calls were still in flight after 0." in "\n".join(serving.process.lines)
    assert serving.caller.closed.wait(WAIT_S)
    assert serving.caller.close_code == 1012


def test_a_second_signal_ends_it_at_once(serve):
    serving = serve("--drain-timeout", "60")
    serving.begin()
    serving.process.signal(signal.SIGTERM)
    serving.until_refused()
    serving.process.signal(signal.SIGINT)
    assert serving.process.end()[0] == 128 + signal.SIGINT


def test_the_function_ends_the_process(serve):
    serving = serve("--drain-timeout", "60")
    serving.begin()
    assert serving.caller.call("engine::drain", {"deadline_ms": 50}) == {"draining": True, "in_flight": 1}
    assert serving.process.end() == (0, "")


@pytest.mark.parametrize("text", ["soon", "-1", "inf", "nan"])
def test_a_wrong_timeout(tmp_path, text):
    process = Process(tmp_path, f"--drain-timeout={text}")
    code, err = process.end()
    assert code == 2
    assert f"{text!r} is not a number of seconds" in err


def test_sigusr1_shows_the_actors_and_changes_nothing(serve):
    serving = serve()
    serving.begin()
    serving.process.signal(signal.SIGUSR1)
    assert serving.caller.call("engine::workers::list", {})["workers"]
    assert serving.answer() == "done"
    serving.process.signal(signal.SIGTERM)
    code, err = serving.process.end()
    assert code == 0
    lines = err.splitlines()
    assert lines[0].endswith("of them at work or with messages waiting")
    names = {line.split()[0] for line in lines[2:]}
    assert {"Functions", "Invocations", "Workers", "Triggers"} <= names
