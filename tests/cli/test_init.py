"""The starter that `init` writes: it works as it is."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from iii_actors.cli.init import FILES
from tests.cli.test_serve import Process

WAIT_S = 60


@pytest.fixture
def folder(tmp_path, run):
    made = tmp_path / "new" / "project"
    outcome = run("init", made)
    assert outcome.code == 0
    assert [line for line in outcome.out.splitlines() if line.startswith(str(tmp_path))] == [
        str(made / name) for name in FILES
    ]
    return made


def test_its_settings_are_right(folder, run):
    outcome = run("check", "-c", folder / "config.yaml")
    assert (outcome.code, outcome.err) == (0, "")
    assert "Warning" not in outcome.out


def test_its_test_passes(folder):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_its_worker_works_and_its_count_survives(folder, run):
    for count in (1, 2):
        engine = Process(folder, III_PORT="0", III_HTTP_PORT="0")
        port = engine.port
        worker = subprocess.Popen(
            [sys.executable, "greeter.py"], cwd=folder, env={**os.environ, "III_URL": f"ws://127.0.0.1:{port}"}
        )
        try:
            engine.until("Ctrl-C stops")
            answer = _when_registered(run, port)
            assert answer == {"greeting": "Hello, Ada!", "count": count}
        finally:
            worker.terminate()
            worker.wait(WAIT_S)
            engine.signal(signal.SIGTERM)
            assert engine.end()[0] == 0


def _when_registered(run, port):
    """Call until the worker has come; the command's own deadline ends it."""
    while True:
        outcome = run("call", "greeter::greet", "name=Ada", "--port", port)
        if outcome.code == 0:
            return json.loads(outcome.out)
        assert re.search("function_not_found", outcome.err), outcome.err


def test_nothing_is_overwritten(folder, run):
    (folder / FILES[1]).write_text("mine")
    (folder / FILES[0]).unlink()
    outcome = run("init", folder)
    assert outcome.code == 1
    assert outcome.err == (
        f"Error: {folder}: holds greeter.py, test_greeter.py already; name another folder; nothing was written\n"
    )
    assert not (folder / FILES[0]).exists()


def test_a_folder_that_cannot_be(tmp_path, run):
    (tmp_path / "file").write_text("")
    outcome = run("init", tmp_path / "file" / "below")
    assert outcome.code == 1
    assert "cannot be written: Not a directory" in outcome.err
