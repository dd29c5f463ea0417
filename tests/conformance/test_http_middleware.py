"""Conditions and middleware through real sockets (http.md §6, §7)."""

from collections.abc import Iterator

import pytest

from tests.support.http_engine import Site, error_of, site
from tests.support.peer import CallFailed


@pytest.fixture(scope="module")
def shared() -> Iterator[Site]:
    with site(
        middleware=[
            {"function_id": "g::late", "priority": 5},
            {"function_id": "g::first", "priority": -1},
            {"function_id": "g::ignored", "phase": "postHandler"},
            {"function_id": "g::late2", "priority": 5},
        ]
    ) as made:
        made.seen = []

        def note(name):
            def call(data):
                made.seen.append((name, data))

            return call

        for name in ("late", "first", "late2", "ignored"):
            made.worker.register(f"g::{name}", note(name))
        yield made


def noting(shared, name, result):
    def call(data):
        shared.seen.append((name, data))
        if isinstance(result, Exception):
            raise result
        return result

    shared.worker.register(f"own::{name}", call)
    return f"own::{name}"


def order(shared):
    names = [name for name, _ in shared.seen]
    shared.seen.clear()
    return names


def test_all_are_asked_in_order(shared):
    shared.seen.clear()
    first, second = noting(shared, "m1", {"action": "continue"}), noting(shared, "m2", None)
    condition = noting(shared, "c", True)
    shared.route(
        "all/:x",
        lambda data: shared.seen.append(("h", data)) or {"body": 1},
        "POST",
        middleware_function_ids=[first, 5, second],
        condition_function_id=condition,
    )
    assert shared.post("/all/1?q=2", json={"b": 1}).status_code == 200
    told = dict(shared.seen)
    assert order(shared) == ["first", "late", "late2", "c", "m1", "m2", "h"]
    assert told["m1"] == told["first"]
    assert set(told["m1"]) == {"phase", "request", "context"}
    assert (told["m1"]["phase"], told["m1"]["context"]) == ("preHandler", {})
    assert set(told["m1"]["request"]) == {"path_params", "query_params", "headers", "method"}
    assert told["m1"]["request"]["path_params"] == {"x": "1"}
    assert told["c"] == {key: value for key, value in told["h"].items() if key not in ("request_body", "response")}
    assert told["c"]["body"] == {"b": 1}


@pytest.mark.parametrize("path", ["/nowhere", "/all/1"])
def test_none_for_what_is_not_routed(shared, path):
    shared.seen.clear()
    assert shared.get(path).status_code in (404, 405)
    assert order(shared) == []


def test_the_first_that_responds_ends_it(shared):
    shared.seen.clear()
    stop = noting(shared, "stop", {"action": "respond", "response": {"status_code": 403, "body": "no"}})
    after = noting(shared, "after", None)
    shared.route("stop", lambda _: shared.seen.append(("h", 0)), middleware_function_ids=[stop, after])
    response = shared.get("/stop")
    assert (response.status_code, response.content) == (403, b'"no"')
    assert response.headers["content-type"] == "application/json"
    assert response.headers["access-control-allow-origin"] == "*"
    assert order(shared) == ["first", "late", "late2", "stop"]


@pytest.mark.parametrize("result", [None, {}, {"action": "other"}, 5, [], {"action": "continue", "request": {"x": 1}}])
def test_anything_else_goes_on(shared, result):
    passing = noting(shared, "passing", result)
    shared.route("passing", lambda data: {"body": sorted(data)}, middleware_function_ids=[passing])
    assert "context" not in shared.get("/passing").json()


@pytest.mark.parametrize("kind", ["condition", "middleware"])
def test_a_failing_one_is_a_failure(shared, kind):
    failing = noting(shared, "failing", CallFailed({"code": "custom", "message": "why"}))
    for function_id, code in ((failing, "custom"), ("no::such", "function_not_found")):
        config = (
            {"condition_function_id": function_id}
            if kind == "condition"
            else {"middleware_function_ids": [function_id]}
        )
        shared.route("failing", lambda _: {"body": 1}, **config)
        response = shared.get("/failing")
        assert (response.status_code, error_of(response)["code"]) == (500, code)
        assert "error_id" in error_of(response)


@pytest.mark.parametrize("verdict", [True, None, 0, "false", {}, [], {"a": False}])
def test_only_false_refuses(shared, verdict):
    condition = noting(shared, "verdict", verdict)
    shared.route("verdict", lambda _: {"body": "done"}, condition_function_id=condition)
    assert shared.get("/verdict").json() == "done"


def test_false_refuses(shared):
    shared.seen.clear()
    condition, middleware = noting(shared, "no", False), noting(shared, "m", None)
    called = []
    shared.route("no", called.append, condition_function_id=condition, middleware_function_ids=[middleware])
    response = shared.get("/no")
    assert response.status_code == 422
    assert response.json() == {
        "error": {"code": "CONDITION_NOT_MET", "message": "Request condition not met"},
        "skipped": True,
    }
    assert not called
    assert order(shared) == ["first", "late", "late2", "no"]
