"""The pytest plugin, used by a test suite of its own."""

import sys

import pytest

pytest_plugins = ["pytester"]

SUITE = """
    import threading

    def test_a_fake_worker(fake_worker):
        fake_worker.register_function("f", lambda data: data)
        assert fake_worker.call("f", 1) == 1

    def test_two_workers_and_an_engine(make_iii_worker):
        users, caller = make_iii_worker("users"), make_iii_worker("caller", invocation_timeout_ms=10_000)
        users.register_function("users::get", lambda data: {"id": data["id"]})
        users.call("engine::functions::list", {})
        assert caller.call("users::get", {"id": 7}) == {"id": 7}

    def test_one_worker(iii_worker_client, iii_engine):
        assert iii_worker_client.get_address() == iii_engine.url
        iii_worker_client.register_function("f", lambda data: data)
        assert iii_worker_client.call("f", "x") == "x"
"""


@pytest.fixture
def suite(pytester, monkeypatch):
    monkeypatch.delenv("III_ACTORS_REQUIRE_ALL", raising=False)
    pytester.makeconftest('pytest_plugins = ["iii_worker.testing.fixtures"]')
    pytester.makepyfile(SUITE)
    return pytester


def test_they_serve_a_suite(suite):
    suite.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=3)


@pytest.mark.parametrize(("required", "outcome"), [("", "skipped"), ("1", "errors")])
def test_without_the_engine_they_say_so(suite, monkeypatch, required, outcome):
    monkeypatch.setitem(sys.modules, "iii_actors", None)
    monkeypatch.setenv("III_ACTORS_REQUIRE_ALL", required)
    result = suite.runpytest_inprocess("-p", "no:cacheprovider", "-rs")
    result.assert_outcomes(passed=1, **{outcome: 2})
    result.stdout.fnmatch_lines(["*the package iii_actors is not installed*"])
