"""Everything of the command line that needs neither an engine nor a fake of one."""

import subprocess
import sys

import pytest

import iii_actors
from iii_actors.cli.serve import banner


@pytest.mark.parametrize("option", ["-v", "--version"])
def test_the_version_alone(run, option):
    outcome = run(option)
    assert (outcome.code, outcome.out, outcome.err) == (0, f"{iii_actors.__version__}\n", "")


@pytest.mark.parametrize("arguments", [["-h"], ["--help"], ["serve", "-h"]])
def test_help_names_the_commands(run, arguments):
    outcome = run(*arguments)
    assert outcome.code == 0
    for word in ("serve", "call", "list", "--config", "--host", "--port"):
        assert word in outcome.out


def test_an_unknown_command(run):
    outcome = run("srve")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "iii-actors: there is no command 'srve'; `iii-actors -h` lists them\n"


@pytest.mark.parametrize(
    "arguments",
    [["--nope"], ["--port", "x"], ["--port", "65536"], ["--port", "-1"], ["--reader", "x"], ["--conf", "x"]],
)
def test_options_that_are_not_understood(run, arguments):
    assert run(*arguments).code == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("workers: 3\n", "Error: config.yaml:1: workers: should be a list, not 3"),
        (
            "workers:\n - name: iii-mine\n",
            "Error: config.yaml:2: workers[0].name: failed to create worker 'iii-mine': it is",
        ),
        ("workers: ${A_VARIABLE_NOT_SET}\n", "Error: config.yaml:1: Environment variable 'A_VARIABLE_NOT_SET' not set"),
    ],
)
def test_a_mistake_in_the_file_of_the_working_directory(run, tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    outcome = run()
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith(message)
    assert len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize("option", ["-c", "--config"])
def test_a_file_that_is_not_there(run, tmp_path, option):
    outcome = run(option, tmp_path / "none.yaml")
    assert outcome.code == 1
    assert outcome.err == (
        f"Error: {tmp_path}/none.yaml: cannot be read: No such file or directory; name a readable file\n"
    )


def test_an_option_that_does_not_go_with_the_file(run, tmp_path):
    path = tmp_path / "e.yaml"
    path.write_text(
        "workers: [{name: iii-worker-manager}, {name: iii-worker-manager, config: {port: 7}}]", encoding="utf-8"
    )
    outcome = run("-c", path, "--port", "7")
    assert outcome.code == 1
    assert outcome.err.startswith(f"Error: --port with {path}: 127.0.0.1:7 is taken by workers[0]")


def test_a_host_that_is_none(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = run("--host", "")
    assert outcome.code == 1
    assert outcome.err.startswith(
        "Error: --host with built-in defaults (there is no ./config.yaml): should be some text"
    )


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "iii_actors", "--version"], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == f"{iii_actors.__version__}\n"


def test_the_banner_on_loopback():
    text = banner([("127.0.0.1", 49134)], [], "config.yaml")
    assert "  workers   ws://127.0.0.1:49134   this machine only\n" in text
    assert "--host 0.0.0.0 opens it to the network" in text
    assert "  settings  config.yaml\n" in text
    assert "  iii-actors list functions --all\n" in text
    assert "OPEN" not in text


@pytest.mark.parametrize(
    ("host", "port", "shown", "options"),
    [
        ("0.0.0.0", 5000, "ws://0.0.0.0:5000   OPEN TO THE NETWORK", " --port 5000"),
        ("::", 49134, "ws://[::]:49134   OPEN TO THE NETWORK", ""),
        ("192.0.2.7", 49134, "ws://192.0.2.7:49134   OPEN TO THE NETWORK", " --address 192.0.2.7"),
        ("::1", 49134, "ws://[::1]:49134   this machine only", ""),
        ("localhost", 1, "ws://localhost:1   this machine only", " --port 1"),
        ("db.internal", 1, "ws://db.internal:1   OPEN TO THE NETWORK", " --address db.internal --port 1"),
    ],
)
def test_the_banner_says_who_can_reach_it(host, port, shown, options):
    text = banner([(host, port)], [], "x")
    assert shown in text
    assert f"  iii-actors call engine::workers::list{options}\n" in text
    assert ("opens it to the network" in text) is ("this machine" in shown)


def test_the_banner_names_the_built_in_workers_ports():
    text = banner([("127.0.0.1", 1)], [("http", "http", "127.0.0.1", 3111), ("s", "ws", "::", 2)], "x")
    assert "  http      http://127.0.0.1:3111   this machine only\n" in text
    assert "  s         ws://[::]:2   OPEN TO THE NETWORK" in text
    assert "opens it to the network" in text


def test_the_banner_names_every_listener():
    text = banner([("127.0.0.1", 1), ("0.0.0.0", 2)], [], "x")
    assert "ws://127.0.0.1:1   this machine only" in text
    assert "ws://0.0.0.0:2   OPEN" in text
    assert "opens it to the network" not in text
