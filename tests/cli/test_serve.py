"""The engine as a process, as harnesses and people start and stop it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys

import pytest

WAIT_S = 30


class Process:
    """``python -m iii_actors`` in a directory of its own."""

    def __init__(self, directory, *arguments, **environ):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "iii_actors", *map(str, arguments)],
            cwd=directory,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []

    def until(self, pattern):
        """Read stdout up to the line that matches."""
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"{pattern} never came: {self.lines} {self._process.stderr.read()}")

    @property
    def port(self):
        return int(self.until(r"workers   ws://[^ ]+:(\d+)")[1])

    def signal(self, number):
        self._process.send_signal(number)

    def end(self):
        out, err = self._process.communicate(timeout=WAIT_S)
        self.lines += out.splitlines()
        assert "Traceback" not in err
        return self._process.returncode, err

    def kill(self):
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def start(tmp_path):
    started = []

    def start_process(*arguments, **environ):
        started.append(Process(tmp_path, *arguments, **environ))
        return started[-1]

    yield start_process
    for process in started:
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_it_with_0(start, number):
    process = start("--port", "0")
    with socket.create_connection(("127.0.0.1", process.port)):
        pass
    process.until("Ctrl-C stops")
    process.signal(number)
    assert process.end() == (0, "")


def test_serve_is_the_default_and_writes_nothing(start, tmp_path):
    process = start("serve", "--port", "0", "--no-update-check")
    assert process.until(r"settings  (.*)")[1] == "built-in defaults (there is no ./config.yaml), and --port"
    process.signal(signal.SIGTERM)
    assert process.end()[0] == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("reader", ["shared", "own"])
def test_a_running_engine_is_listed_and_called(start, run, reader):
    port = start("--port", "0", "--reader", reader).port
    outcome = run("list", "functions", "--all", "--port", port)
    assert outcome.code == 0
    assert re.search(r"^engine::workers::list +default +iii-engine-functions", outcome.out, re.MULTILINE)
    workers = run("call", "engine::workers::list", "--port", port)
    assert workers.code == 0
    assert "iii-engine-functions" in {worker["name"] for worker in json.loads(workers.out)["workers"]}
    missing = run("call", "nobody::has", "--port", port)
    assert missing.code == 1
    assert json.loads(missing.err.removeprefix("Error: ")) == {
        "code": "function_not_found",
        "message": "Function nobody::has not found in namespace default.",
        "stacktrace": None,
    }
    assert run("list", "triggers", "--port", port).code == 0
    assert "engine::workers-available" in run("list", "trigger-types", "--all", "--port", port).out
    described = run("call", "engine::functions::info", "-h", "--port", port)
    assert described.code == 0
    assert described.out.startswith("engine::functions::info  (namespace default, worker iii-engine-functions)")


def test_a_port_that_is_taken(start):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, err = start("--port", port).end()
    assert code == 1
    assert err == (
        f"Error: cannot listen on 127.0.0.1:{port}: Address already in use; "
        "stop what holds the address or choose another port\n"
    )


def test_the_file_of_the_working_directory(start, tmp_path, free_port):
    (tmp_path / "config.yaml").write_text(
        "workers:\n  - {name: iii-worker-manager, config: {port: 0}}\n"
        "  - {name: iii-worker-manager, config: {port: ${SECOND}}}\n"
        "  - {name: iii-observability, config: {logs_batch_size: 5}}\n",
        encoding="utf-8",
    )
    process = start(SECOND=str(free_port))
    assert process.port > 0
    assert process.port == free_port
    assert process.until(r"settings  (.*)")[1] == "./config.yaml"
    process.signal(signal.SIGTERM)
    assert process.end() == (0, "")
    warnings = [line for line in process.lines if "[WARN]" in line]
    assert len(warnings) == 1
    assert warnings[0].endswith("iii-observability: accepted, but without effect in this version: logs_batch_size")


def test_a_log_for_machines_is_nothing_else(start, tmp_path):
    (tmp_path / "e.yaml").write_text(
        "workers:\n  - {name: iii-observability, config: {format: json}}\n"
        "  - {name: iii-worker-manager, config: {port: 0}}\n",
        encoding="utf-8",
    )
    process = start("-c", "e.yaml")
    process.until("Engine listening on address: 127.0.0.1:")
    process.signal(signal.SIGTERM)
    assert process.end() == (0, "")
    assert {"timestamp", "level", "fields", "target"} == set.union(*(set(json.loads(line)) for line in process.lines))


def test_a_second_signal_ends_it_at_once(start, tmp_path):
    # An engine that never finishes stopping: what the second signal is for.
    (tmp_path / "sitecustomize.py").write_text(
        "import threading, iii_actors.engine\n"
        "def stop(self, deadline_s=3.0):\n"
        "    print('never stops', flush=True)\n"
        "    threading.Event().wait()\n"
        "iii_actors.engine.Engine.stop = stop\n",
        encoding="utf-8",
    )
    process = start("--port", "0", PYTHONPATH=str(tmp_path))
    process.until("Ctrl-C stops")
    process.signal(signal.SIGTERM)
    process.until("never stops")
    process.signal(signal.SIGTERM)
    assert process.end() == (143, "")


def test_the_command_line_does_not_stumble_over_a_closed_pipe(start):
    port = start("--port", "0").port
    done = subprocess.run(
        f"'{sys.executable}' -m iii_actors call engine::functions::list include_internal=true --port {port} | true",
        shell=True, capture_output=True, text=True, timeout=WAIT_S, check=True,
    )  # fmt: skip
    assert done.stderr == ""
