"""The programs of `examples/sdk`, run as their docstrings say; the one with Node is in tests/e2e."""

import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

import iii_actors
from iii_actors.builtin.http import Http
from tests.e2e.support.process import Process, environment

EXAMPLES = Path(__file__).parents[2] / "examples" / "sdk"
PROGRAMS = sorted(EXAMPLES.glob("*.py"))
WAIT_S = 20.0


@pytest.fixture
def engine(request):
    """An engine with HTTP, and with the workers that the test asks for beside."""
    workers = [
        {"name": "iii-worker-manager", "config": {"port": 0}},
        {"name": "iii-http", "config": {"port": 0}},
    ]
    workers += getattr(request, "param", [])
    with iii_actors.Engine(iii_actors.EngineConfig(workers=workers)) as running:
        yield running


@pytest.fixture
def run(engine, tmp_path):
    """Start a program: ``run("guest", "Ada")``."""
    with ExitStack() as stack:

        def start(name, *arguments):
            command = [sys.executable, EXAMPLES / f"{name}.py", *arguments]
            env = environment(III_URL=engine.url, OTEL_ENABLED="false")
            process = Process(name, command, env=env, cwd=tmp_path)
            stack.callback(process.close)
            return process

        yield start


def ended(process, code=0):
    assert process.exit_code(WAIT_S) == code, process.said()
    process.wait_for(lambda: process.ended, "the end of its output")
    assert "Traceback" not in process.said()
    return process.lines


def stopped(process):
    """Ctrl-C ends it, cleanly."""
    process.send_signal(signal.SIGINT)
    return ended(process)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_each_is_short_and_explained(program):
    text = program.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    assert text.startswith('"""')
    assert f"{program.stem}.py" in text.split('"""')[1]


def test_hello(run):
    guest = run("guest", "Ada")
    greeter = run("greeter")
    lines = ended(guest)
    assert "FOUND greetings::hello offered by greeter" in lines
    assert "SAID Hello, Ada!" in lines
    assert "SAID God dag, Ada!" in lines
    assert "REFUSED unknown_language - I speak en, de, no" in lines
    (invalid,) = [line for line in lines if line.startswith("REFUSED invalid_request")]
    assert "name" in invalid
    stopped(greeter)


def test_plain_script(run):
    greeter = run("greeter")
    greeter.expect("^READY")
    arguments = (["greetings::hello", '{"name": "Ada"}'], ["list"], ["nobody::there"], ["greetings::hello", "{"], [])
    good, listing, nobody, no_json, usage = [run("plain_script", *words) for words in arguments]
    assert ended(good) == ["{", '  "text": "Hello, Ada!"', "}"]
    listed = ended(listing)
    assert [line.split()[:2] for line in listed] == [["greetings::hello", "greeter"]]
    (said,) = ended(nobody, 1)
    assert said.startswith("InvocationError: function_not_found: Function nobody::there not found")
    (said,) = ended(no_json, 1)
    assert said.startswith("JSONDecodeError")
    assert ended(usage, 1) == ["usage: plain_script.py list | FUNCTION [JSON]"]


def test_fan_out(run):
    counters = [run("fan_out", "counter"), run("fan_out", "counter")]
    for counter in counters:
        counter.expect("^READY")
    parts, total = ended(run("fan_out"))
    assert parts == "PARTS 20 counted by 2 workers"
    assert total == "TOTAL 14000 words, most often the 3000"
    for counter in counters:
        stopped(counter)


def test_watcher(run):
    watcher = run("watcher")
    watcher.expect(r"^READY \d+ workers, 0 functions")
    watcher.expect(r"^WORKER watcher \(python\)")
    greeter = run("greeter")
    watcher.expect(r"^WORKER greeter \(python\)")
    watcher.expect(r"^FUNCTION greetings::hello by greeter - Greet a visitor")
    stopped(greeter)
    watcher.expect("^LEFT greeter")
    watcher.expect("^GONE greetings::hello")
    stopped(watcher)


def test_users_over_http(engine, run):
    users = run("users_http")
    users.expect("^READY 5 routes")
    front = next(one for one in engine._builtins if isinstance(one, Http))
    base = f"http://127.0.0.1:{front.address[1]}/users"
    with requests.Session() as session:
        session.trust_env = False

        def ask(method, path="", **options):
            answer = session.request(method, base + path, timeout=WAIT_S, **options)
            return answer.status_code, answer.json()

        ada = {"id": "1", "name": "Ada"}
        created = session.post(base, json={"name": "Ada"}, timeout=WAIT_S)
        assert (created.status_code, created.json(), created.headers["location"]) == (201, ada, "/users/1")
        assert ask("GET") == (200, [ada])
        assert ask("GET", "/1") == (200, ada)
        assert ask("PUT", "/1", json={"name": "Ada L."}) == (200, {"id": "1", "name": "Ada L."})
        status, body = ask("POST", json={"name": ""})
        assert (status, body["error"]["code"]) == (400, "invalid_request")
        assert "name" in body["error"]["message"]
        assert ask("DELETE", "/1")[1]["name"] == "Ada L."
        assert ask("GET", "/1") == (404, {"error": {"code": "user_not_found", "message": "there is no user 1"}})
    stopped(users)


_FOR_ORDERS = [
    {"name": "iii-state"},
    {"name": "iii-queue", "config": {"queue_configs": {"payments": {"max_retries": 2, "backoff_ms": 100}}}},
]


@pytest.mark.parametrize("engine", [_FOR_ORDERS], indirect=True, ids=["with queues"])
def test_orders(engine, run):
    orders = run("orders")
    orders.expect("^READY 3 triggers")
    front = next(one for one in engine._builtins if isinstance(one, Http))
    base = f"http://127.0.0.1:{front.address[1]}/orders"
    with requests.Session() as session:
        session.trust_env = False
        for card in ("good", "shaky", "stolen", "good"):
            taken = session.post(base, json={"id": f"of-{card}", "card": card}, timeout=WAIT_S)
            assert taken.status_code == 202
        deadline = time.monotonic() + WAIT_S
        shown, failed = [], []
        while failed != ["of-stolen"] or sum(one["status"] == "shipped" for one in shown) < 2:
            assert time.monotonic() < deadline, (shown, failed)
            shown, failed = session.get(base, timeout=WAIT_S).json()
        shown, _ = session.get(base, timeout=WAIT_S).json()  # the orders of before were read before the dead letters
    assert {one["id"]: (one["status"], one["tries"]) for one in shown} == {
        "of-good": ("shipped", 1), "of-shaky": ("shipped", 2), "of-stolen": ("taken", 3),
    }  # fmt: skip
    stopped(orders)
