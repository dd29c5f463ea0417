"""The document that routes make; held against the official schema of OpenAPI 3.1."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema.validators import validator_for
from openapi_spec_validator import OpenAPIV31SpecValidator
from openapi_spec_validator.schemas import schema_v31

from iii_actors.builtin.http.openapi import document, function_key
from iii_actors.builtin.http.routes import route_of
from iii_actors.wire.codec import raw
from tests.support.records import function, named, trigger

OFFICIAL = validator_for(schema_v31)(dict(schema_v31))


def route(path="a", method="GET", function_id="f", namespace="default", **config):
    config |= {"api_path": path, "http_method": method}
    return route_of(trigger(f"{method} {path}", "http", function_id, namespace, config=config))


def registered(*functions):
    return {(one.namespace, one.function_id): one for one in functions}


def formats(function_id="f", request=None, response=None, **members):
    given_so = {
        name: raw(value)
        for name, value in (("request_format", request), ("response_format", response))
        if value is not None
    }
    return function(function_id, **given_so, **members)


def described(*routes, functions=(), workers=None):
    """The document, valid by the official schema and by the validator's further rules."""
    made = document(routes, registered(*functions), workers or {})
    OFFICIAL.validate(made)
    OpenAPIV31SpecValidator(made).validate()
    return made


def operation(*arguments, **members):
    made = described(*arguments, **members)
    ((_, item),) = made["paths"].items()
    ((_, one),) = item.items()
    return one, made["components"]["schemas"]


def test_nothing_is_registered():
    made = described()
    assert made["openapi"] == "3.1.0"
    assert made["paths"] == {}


def test_a_route_says_whose_it_is_and_what_can_go_wrong():
    one, _ = operation(
        route("users/:id", function_id="users::get"),
        functions=[function("users::get", "w", description="Gets a user.")],
        workers=named(w="user-service"),
    )
    assert one == {
        "operationId": "get_users_get",
        "tags": ["user-service"],
        "summary": "users::get",
        "description": "Gets a user.",
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
        "responses": {
            "200": {"description": "What the function answers."},
            "500": {"$ref": "#/components/responses/Failed"},
            "504": {"$ref": "#/components/responses/TimedOut"},
        },
        "x-iii-function": "users::get",
        "x-iii-namespace": "default",
    }


def test_a_condition_can_refuse():
    one, _ = operation(route(condition_function_id="c"))
    assert one["responses"]["422"] == {"$ref": "#/components/responses/ConditionNotMet"}


def test_a_route_may_come_before_its_function():
    one, _ = operation(route(function_id="later::f"))
    assert one["tags"] == ["later"]
    assert "description" not in one


def test_a_route_s_own_description_wins():
    one, _ = operation(route(description="Of the route."), functions=[function("f", description="Of the function.")])
    assert one["description"] == "Of the route."


def test_methods_of_a_path_stand_together_and_names_differ():
    made = described(route("u/:id"), route("u/:user", "POST"), route("u/:id", "HEAD"), route("x"))
    assert set(made["paths"]) == {"/u/{id}", "/x"}
    item = made["paths"]["/u/{id}"]
    assert set(item) == {"get", "post", "head"}
    assert item["post"]["parameters"][0]["description"] == "The function gets it as `user`."
    ids = [one["operationId"] for path in made["paths"].values() for one in path.values()]
    assert len(set(ids)) == len(ids) == 4


def test_what_is_not_shown():
    hidden = function("hidden", metadata={"internal": True})
    made = described(route("a", "OPTIONS"), route("b", function_id="hidden"), functions=[hidden])
    assert made["paths"] == {}


def test_tags_are_the_workers():
    made = described(
        route("a", function_id="f"), route("b", function_id="g"), route("c", function_id="f"),
        functions=[function("f", "v"), function("g", "w")], workers=named(v="two", w="one"),
    )  # fmt: skip
    assert made["tags"] == [{"name": "one"}, {"name": "two"}]


# --- formats -----------------------------------------------------------------------------------------------------------

TODO = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
HTTP = {
    "type": "object",
    "properties": {
        "path_params": {"type": "object", "properties": {"id": {"type": "string", "format": "uuid"}}},
        "query_params": {"$ref": "#/$defs/Query"},
        "headers": {"type": "object", "properties": {"X-Team": {"type": "string"}, "Accept": {"type": "string"}}, "required": ["X-Team"]},
        "body": {"$ref": "#/$defs/Todo"},
        "method": {"type": "string"},
    },
    "required": ["body"],
    "$defs": {
        "Todo": TODO,
        "Query": {"type": "object", "properties": {"q": {"type": "string", "description": "What to find."}, "n": {"type": "integer"}}, "required": ["q"]},
    },
}  # fmt: skip


def test_a_plain_format_is_the_body_s():
    one, schemas = operation(route(method="POST"), functions=[formats(request=TODO, response=TODO)])
    assert one["requestBody"] == {
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/f.request"}}}, "required": True,
    }  # fmt: skip
    assert one["responses"]["200"]["content"] == {
        "application/json": {"schema": {"$ref": "#/components/schemas/f.response"}}
    }
    assert schemas["f.request"] == schemas["f.response"] == TODO


def test_an_http_format_is_taken_apart():
    one, schemas = operation(route("todos/:id", "PUT"), functions=[formats(request=HTTP)])
    assert one["requestBody"] == {
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/f.request.Todo"}}}, "required": True,
    }  # fmt: skip
    assert schemas["f.request.Todo"] == TODO
    assert {(p["in"], p["name"], p.get("required", False)) for p in one["parameters"]} == {
        ("path", "id", True), ("query", "q", True), ("query", "n", False), ("header", "X-Team", True),
    }  # fmt: skip
    by_name = {p["name"]: p for p in one["parameters"]}
    assert by_name["id"]["schema"] == {"type": "string", "format": "uuid"}
    assert by_name["q"]["description"] == "What to find."


@pytest.mark.parametrize("top", [{"$ref": "#/$defs/Request", "$defs": {**HTTP["$defs"], "Request": HTTP}}])
def test_also_behind_a_reference(top):
    one, _ = operation(route("todos/:id", "PUT"), functions=[formats(request=top)])
    assert len(one["parameters"]) == 4


@pytest.mark.parametrize(("method", "has_body"), [("GET", False), ("HEAD", False), ("DELETE", True), ("POST", True)])
def test_which_methods_have_a_body(method, has_body):
    one, _ = operation(route(method=method), functions=[formats(request=TODO)])
    assert ("requestBody" in one) == has_body


@pytest.mark.parametrize(("method", "has_body"), [("GET", False), ("DELETE", False), ("POST", True), ("PATCH", True)])
def test_without_a_format_any_body_goes(method, has_body):
    one, _ = operation(route(method=method))
    assert ("requestBody" in one) == has_body


@pytest.mark.parametrize(
    ("status", "key"),
    [({"const": 201}, "201"), ({"enum": [204]}, "204"), ({"default": 202}, "202"), ({"type": "integer"}, "200"), ({"const": 42}, "200"), ({"enum": []}, "200")],
)  # fmt: skip
def test_an_answer_of_http_s_shape(status, key):
    response = {"type": "object", "properties": {"status_code": status, "body": TODO}}
    one, _ = operation(route(), functions=[formats(response=response)])
    assert one["responses"][key]["content"]["application/json"]["schema"] == TODO


def test_an_answer_without_a_body():
    response = {"type": "object", "properties": {"status_code": {"const": 204}}}
    one, _ = operation(route(), functions=[formats(response=response)])
    assert one["responses"]["204"] == {"description": "What the function answers."}


def test_a_function_behind_several_routes_is_described_once():
    made = described(route("a", "POST"), route("b", "POST"), functions=[formats(request=TODO)])
    assert set(made["components"]["schemas"]) == {"f.request", "Error"}


def test_the_same_id_in_two_namespaces():
    functions = [formats(request=TODO), formats(request={"type": "string"}, namespace="team")]
    made = described(route("a", "POST"), route("b", "POST", namespace="team"), functions=functions)
    assert set(made["components"]["schemas"]) == {"f.request", "team.f.request", "Error"}


def test_a_function_may_be_called_error():
    made = described(route("a", "POST", "Error"), functions=[formats("Error", TODO)])
    assert made["components"]["schemas"]["Error"]["required"] == ["error"]


hostile = st.sampled_from(
    ["</script><script>alert(1)</script>", "javascript:alert(1)", '"><img src=x onerror=alert(1)>', "{a}", ":x", "$ref", "\u202e\x00", "a/../b", ""]
) | st.text(max_size=5)  # fmt: skip
values = st.none() | st.booleans() | st.integers(-9, 9) | hostile
shapes = st.recursive(
    values,
    lambda inner: st.dictionaries(
        st.sampled_from(["type", "properties", "body", "path_params", "query_params", "headers", "status_code", "$ref", "items", "const"]),
        inner, max_size=4,
    ),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(hostile, st.sampled_from(["GET", "POST", "DELETE", "HEAD", "PATCH"]), hostile, hostile, shapes, shapes),
        max_size=4, unique_by=lambda one: (one[0].lstrip("/"), one[1]),
    )
)  # fmt: skip
def test_whatever_is_registered_the_document_is_valid(registrations):
    routes, functions = [], []
    for path, method, function_id, description, request, response in registrations:
        try:
            routes.append(route(path, method, function_id, description=description))
        except Exception:
            continue
        functions.append(formats(function_id, request, response, description=description))
    made = document(routes, registered(*functions), named(w="<b>worker</b>"))
    OFFICIAL.validate(made)


def test_a_route_knows_its_function():
    assert function_key(route(function_id="f", namespace="n")) == ("n", "f")
