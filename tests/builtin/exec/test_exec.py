"""Commands beside an engine: in order, begun anew, ended with all their children."""

import os
import socket
import threading
from pathlib import Path

import pytest

import iii_actors
from iii_actors.errors import ConfigError

WAIT_S = 20


class Ear:
    """Hears what commands say: they connect to it and write a line."""

    def __init__(self, tmp_path):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(WAIT_S)
        (tmp_path / "say.py").write_text(
            "import socket, sys\n"
            f"with socket.create_connection(('127.0.0.1', {self._listener.getsockname()[1]})) as s:\n"
            "    s.sendall(' '.join(sys.argv[1:]).encode())\n"
        )
        self.say = f"python3 {tmp_path}/say.py"

    def line(self):
        connection, _ = self._listener.accept()
        with connection:
            return connection.makefile().read()

    def close(self):
        self._listener.close()


@pytest.fixture
def ear(tmp_path):
    ear = Ear(tmp_path)
    yield ear
    ear.close()


def engine(*commands, **more):
    listener = {"name": "iii-worker-manager", "config": {"port": 0}}
    entry = {"name": "iii-exec", "config": {"exec": list(commands), **more}}
    return iii_actors.Engine(iii_actors.EngineConfig(workers=[listener, entry]))


def gone(pid):
    """Return when there is no such process, or only its remains."""
    for _ in range(WAIT_S * 100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        threading.Event().wait(0.01)
    return False


def test_they_run_in_order_and_know_the_engine(ear):
    with engine("true", f"{ear.say} first $III_URL", f"{ear.say} second; exec sleep 60") as running:
        assert ear.line() == f"first {running.url}"
        assert ear.line() == "second"


def test_a_step_that_fails_ends_the_pipeline(ear, caplog):
    with engine(f"{ear.say} first; exit 3", f"{ear.say} never"):
        assert ear.line() == "first"
        _until(lambda: "Pipeline step failed, aborting pipeline" in caplog.text)
    assert "exit code 3" in caplog.text


def test_they_end_with_the_engine_and_their_children_too(ear):
    with engine(f"sleep 60 & {ear.say} $$ $!; wait"):
        shell, child = map(int, ear.line().split())
        assert os.getsid(child) == shell, "a session of its own"
    assert gone(shell)
    assert gone(child)


def test_one_that_does_not_heed_is_killed(ear, monkeypatch):
    monkeypatch.setattr("iii_actors.builtin.exec.pipeline.EXEC_STOP_S", 0.1)
    with engine(f"trap '' TERM; {ear.say} $$; while true; do sleep 60; done"):
        shell = int(ear.line())
    assert gone(shell)


def test_a_change_begins_them_anew(ear, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    with engine(f"{ear.say} $$", "exec sleep 60", watch=["src/**/*.py"]):
        first = ear.line()
        lines = []
        hearing = threading.Thread(target=lambda: lines.append(ear.line()))
        hearing.start()
        number = 0
        while hearing.is_alive():  # the watch begins a moment after the commands
            number += 1
            (tmp_path / "src" / "other.txt").write_text(str(number))
            (tmp_path / "src" / "a.py").write_text(str(number))
            hearing.join(0.5)
        assert lines[0] != first


def test_what_is_not_there_is_said(caplog):
    with engine("/nowhere/command"):
        _until(lambda: "has ended with exit code 127" in caplog.text)


@pytest.mark.parametrize("config", [{}, {"exec": []}, {"exec": "ls"}, {"exec": [""]}, {"exec": ["ls"], "wach": []}])
def test_settings_that_are_wrong(config):
    with pytest.raises(ConfigError):
        iii_actors.EngineConfig(workers=[{"name": "iii-exec", "config": config}])


def _until(condition):
    for _ in range(WAIT_S * 100):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came")
