import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iii_actors.builtin.http.openapi_paths import PathParameter, own_names, templates
from iii_actors.builtin.http.paths import parse
from iii_actors.builtin.http.routes import route_of
from iii_actors.errors import TriggerRegistrationFailed
from tests.support.records import trigger


def routes(*paths):
    return [route_of(trigger(str(at), "http", config={"api_path": path})) for at, path in enumerate(paths)]


def written(*paths):
    made = routes(*paths)
    found = templates(made)
    return [found[route.parsed.shape].path if route.parsed.shape in found else None for route in made]


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("users", "/users"), ("/users/", "/users/"), ("", "/"), ("users/:id", "/users/{id}"), ("a/{b}/c", "/a/{b}/c"),
        ("files/{*path}", "/files/{path}"), ("files/{*}", "/files/{rest}"), (":a/:a/:a", "/{a}/{a_2}/{a_3}"),
        ("a//b", "/a//b"), ("x:y", "/x:y"), (":id.json", "/{id.json}"), ("a{b}c", "/a%7Bb%7Dc"), ("{}", "/%7B%7D"),
        (":a{b}", "/{a_b_}"), ("a?b#c", "/a%3Fb%23c"), ("<script>", "/<script>"),
    ],
)  # fmt: skip
def test_a_path_becomes_a_template(path, template):
    assert written(path) == [template]


def test_routes_of_one_shape_share_the_first_one_s_names():
    assert written("u/:id", "u/:userId") == ["/u/{id}", "/u/{id}"]
    (first, second) = routes("u/:id", "u/:userId")
    assert (own_names(first.parsed), own_names(second.parsed)) == (["id"], ["userId"])


def test_templates_of_different_shapes_differ():
    assert written("a/:x", "a/{*x}", "a/:x/:y") == ["/a/{x}", "/a/{x_}", "/a/{x}/{y}"]
    assert written("{}", "%7B%7D") == ["/%7B%7D", None]


def test_the_rest_of_a_path_is_marked():
    (route,) = routes(":a/{*b}")
    assert templates([route])[route.parsed.shape].parameters == (PathParameter("a"), PathParameter("b", rest=True))


segments = st.sampled_from(["a", ":a", ":b", "{a}", "{*a}", ":a{}", "{", "}", "", ":a_", "{{a}}", "a{b"]) | st.text(
    max_size=3
)


@given(st.lists(st.lists(segments, max_size=4).map("/".join), max_size=8))
def test_whatever_is_registered_has_one_template_per_shape(paths):
    kept = []
    for path in paths:
        try:
            parse(path, "GET x")
        except TriggerRegistrationFailed:
            continue
        kept.append(path)
    found = templates(routes(*kept))
    assert len({one.path for one in found.values()}) == len(found)
    for template in found.values():
        assert template.path.startswith("/")
        names = [one.name for one in template.parameters]
        assert re.findall(r"\{([^{}]*)\}", template.path) == names
        assert len(set(names)) == len(names)
        assert re.sub(r"\{[^{}]*\}", "", template.path).count("{") == 0
