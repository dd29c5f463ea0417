"""The SDK on a listener with rules: its token, its rights, and what the engine says of quotas."""

import logging

import pytest

import iii_actors
import iii_worker
from iii_actors.access.tokens import hashed
from iii_worker import ConnectFailedError, InvocationError

TOKEN = "iii_sdk"
LISTENER = "iii-worker-manager"


@pytest.fixture
def url():
    """Of a listener that needs a token."""
    settings = {
        "port": 0,
        "tokens": [{"name": "sdk", "hash": hashed(TOKEN), "forbidden_functions": ["secret"]}],
        "quotas": {"registrations": 1},
    }
    with iii_actors.Engine(iii_actors.EngineConfig(workers=[{"name": LISTENER, "config": settings}])) as running:
        yield running.url


@pytest.fixture
def worker(url):
    made = iii_worker.register_worker(url, headers={"Authorization": f"Bearer {TOKEN}"})
    yield made
    made.shutdown()


def test_a_token_lets_in_and_a_refusal_has_its_code(worker):
    assert worker.call("engine::channels::create", {}, timeout=10)["writer"]
    with pytest.raises(InvocationError, match="remove from") as refused:
        worker.call("secret", {}, timeout=10)
    assert refused.value.code == "FORBIDDEN"


def test_without_one_the_worker_is_told_why(url):
    with pytest.raises(ConnectFailedError, match="this listener needs a token"):
        iii_worker.register_worker(url)


def test_an_error_that_is_no_refusal_of_the_worker_leaves_it_connected(worker, caplog):
    caplog.set_level(logging.WARNING, "iii_worker")
    first = worker.register_function("one", lambda data: data)
    second = worker.register_function("two", lambda data: data)
    assert worker.call("one", {"n": 1}, timeout=10)["n"] == 1
    with pytest.raises(InvocationError, match="function_not_found"):
        worker.call("two", {}, timeout=10)
    assert "QUOTA_EXCEEDED" in caplog.text
    assert worker.get_connection_state() == "connected"
    assert first.error is None
    assert second.error is not None
