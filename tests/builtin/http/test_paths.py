import pytest

from iii_actors.builtin.http.paths import PARAMETER, REST, parse
from iii_actors.errors import TriggerRegistrationFailed
from iii_actors.limits import HTTP_URI_BYTES


@pytest.mark.parametrize(
    ("registered", "key", "shape", "names"),
    [
        ("users", "users", ("users",), ()),
        ("/users", "users", ("users",), ()),
        ("///users", "users", ("users",), ()),
        ("users/", "users/", ("users", ""), ()),
        ("", "", ("",), ()),
        ("/", "", ("",), ()),
        ("users/:id", "users/:id", ("users", PARAMETER), ("id",)),
        (":id.json", ":id.json", (PARAMETER,), ("id.json",)),
        ("a:b/c", "a:b/c", ("a:b", "c"), ()),
        ("a//b", "a//b", ("a", "", "b"), ()),
        ("a/{x}/b", "a/{x}/b", ("a", PARAMETER, "b"), (None,)),
        ("a/{*x}", "a/{*x}", ("a", REST), ()),
        ("a/{}", "a/{}", ("a", "{}"), ()),
        ("a/b*", "a/b*", ("a", "b*"), ()),
        ("ü/%20", "ü/%20", ("ü", "%20"), ()),
    ],
)
def test_taken_apart(registered, key, shape, names):
    path = parse(registered, f"GET {registered}")
    assert (path.key, path.shape, path.names) == (key, shape, names)
    assert path.is_static == (PARAMETER not in shape and REST not in shape)


@pytest.mark.parametrize(
    ("registered", "says"),
    [
        (":", "a parameter needs a name"),
        ("a/:/b", "a parameter needs a name"),
        ("*", "begins with '*'"),
        ("a/*rest", "begins with '*'"),
        ("{*rest}/a", "only be the last segment"),
        ("x" * (HTTP_URI_BYTES + 1), "longer than any request's path"),
    ],
)
def test_refused_with_the_route_and_the_reason(registered, says):
    with pytest.raises(TriggerRegistrationFailed, match=says.replace("*", r"\*")) as refused:
        parse(registered, f"PUT {registered}")
    assert refused.value.message.startswith(f"Route 'PUT {registered[:40]}")
