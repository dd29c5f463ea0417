"""The documentation page's script, run by Node on a document in which markup cannot be written."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from iii_actors.builtin.http.docs_page import PAGE
from iii_actors.builtin.http.openapi import document
from iii_actors.builtin.http.routes import route_of
from iii_actors.wire.codec import raw
from tests.support.records import function, named, trigger

PROBE = Path(__file__).with_name("page_probe.mjs")
SCRIPT = re.search(r"<script>(.*)</script>", PAGE.decode(), re.DOTALL)[1]
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
HARMLESS = {
    "button", "code", "details", "div", "h2", "h3", "input", "p", "pre", "section", "span", "summary", "table", "td", "textarea", "tr",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _node():
    if shutil.which("node") is None:
        (pytest.fail if os.environ.get("III_ACTORS_REQUIRE_ALL") == "1" else pytest.skip)("there is no `node`")


def run(spec, *actions, pathname="/docs"):
    given = json.dumps({"script": SCRIPT, "spec": spec, "pathname": pathname, "actions": actions})
    done = subprocess.run(["node", PROBE], check=False, input=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def route(path, method="GET", function_id="f", **config):
    return route_of(
        trigger(f"{method} {path}", "http", function_id, config=config | {"api_path": path, "http_method": method})
    )


def spec(*routes, functions=(), workers=None):
    return document(routes, {(one.namespace, one.function_id): one for one in functions}, workers or {})


TODO = {
    "type": "object",
    "properties": {"title": {"type": "string", "description": "What to do."}, "tags": {"type": "array", "items": {"type": "string"}}, "next": {"$ref": "#"}},
    "required": ["title"],
}  # fmt: skip


def test_routes_stand_under_their_workers():
    made = spec(
        route("users/:id", function_id="users::get"), route("users/:id", "DELETE", "users::delete"), route("todos", function_id="todos::list"),
        functions=[function("users::get", "w", description="Gets one."), function("todos::list", "v")], workers=named(w="user-service", v="todo-service"),
    )  # fmt: skip
    got = run(made, {"open": "GET/users/{id}"})
    assert got["title"].startswith("HTTP API ")
    assert [text for text in got["texts"] if text in {"todo-service", "user-service", "users"}] == [
        "todo-service",
        "user-service",
        "users",
    ]
    assert sorted(got["shown"]) == [
        "DELETE/users/{id}users::delete",
        "GET/todostodos::list",
        "GET/users/{id}users::get",
    ]
    assert {"Gets one.", "id", "path", "string", "Parameters", "Responses", "500", "504", "Try it"} <= set(got["texts"])
    assert got["requests"] == [{"url": "http://site.example:3111/openapi.json"}]


def test_schemas_and_an_example_to_start_from():
    made = spec(route("todos", "POST"), functions=[function("f", request_format=raw(TODO), response_format=raw(TODO))])
    got = run(made, {"open": "POST/todos"})
    assert {"Request body", "title", "What to do.", "list of string", "f.request", "f.response"} <= set(got["texts"])
    start = json.loads(got["fields"]["Body"])
    assert (start["title"], start["tags"]) == ("", [""])


def test_a_request_can_be_tried():
    request = {
        "properties": {
            "query_params": {"properties": {"q": {"type": "string"}}},
            "headers": {"properties": {"X-Team": {}}},
            "body": TODO,
        }
    }
    made = spec(route("a/:id/{*rest}", "POST"), functions=[function("f", request_format=raw(request))])
    got = run(
        made,
        {"open": "POST/a/{id}/{rest}"},
        {"fill": "id (path)", "text": "1/2 ?ü"},
        {"fill": "rest (path)", "text": "x y/z"},
        {"fill": "q (query)", "text": "a&b=c"},
        {"fill": "X-Team (header)", "text": "blue"},
        {"fill": "Body", "text": '{"title":"x"}'},
        {"send": "POST/a/{id}/{rest}"},
    )
    assert got["requests"][1] == {
        "url": "http://site.example:3111/a/1%2F2%20%3F%C3%BC/x%20y/z?q=a%26b%3Dc",
        "method": "POST",
        "headers": {"X-Team": "blue", "content-type": "application/json"},
        "body": '{"title":"x"}',
        "redirect": "manual",
    }
    (answer,) = [text for text in got["texts"] if "201 Created" in text]
    assert "<i>answer</i>" in answer
    assert "x-own: <b>value</b>" in answer
    assert set(got["elements"]) <= HARMLESS


def test_behind_a_proxy_s_folder():
    got = run(spec(route("a")), {"open": "GET/a"}, {"send": "GET/a"}, pathname="/prefix/docs")
    assert [request["url"] for request in got["requests"]] == [
        "http://site.example:3111/prefix/openapi.json",
        "http://site.example:3111/prefix/a",
    ]


def test_finding():
    made = spec(route("users"), route("todos", "POST", "todos::add"))
    assert run(made, {"find": "TODOS::"})["shown"] == ["POST/todostodos::add"]
    assert run(made, {"find": "nothing like this"})["shown"] == []
    assert len(run(made, {"find": " "})["shown"]) == 2


def test_no_routes_and_no_document():
    assert run(spec())["texts"] == ["No worker has registered a route."]
    assert run(None)["texts"] == ["The routes cannot be read: Error: openapi.json: 404"]


@pytest.mark.parametrize(
    "evil",
    [
        EVIL,
        "javascript:alert(1)",
        "__proto__",
        "constructor",
        "\\\\evil.example",
        "//evil.example/x",
        "${alert(1)}",
        "%00",
    ],
)
def test_whatever_is_registered_is_shown_as_text(evil):
    schema = {
        "type": "object", "title": evil, "description": evil, "required": [evil],
        "properties": {evil: {"type": "string", "description": evil, "default": evil}, "path_params": {"properties": {evil: {"enum": [evil]}}}},
    }  # fmt: skip
    made = spec(
        route(f"{evil}/:{evil.replace('/', '')}", "POST", evil, description=evil),
        functions=[function(evil, "w", description=evil, request_format=raw(schema), response_format=raw(schema))], workers=named(w=evil),
    )  # fmt: skip
    ((_, item),) = made["paths"].items()
    (parameter,) = [one["name"] for one in item["post"]["parameters"] if one["in"] == "path"]
    got = run(made, {"open": "POST"}, {"fill": f"{parameter} (path)", "text": evil}, {"send": "POST"})
    assert set(got["elements"]) <= HARMLESS
    assert evil in got["texts"]
    assert all(request["url"].startswith("http://site.example:3111/") for request in got["requests"])
    assert len(got["requests"]) == 2
