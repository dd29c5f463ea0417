import pydantic
import pytest

from iii_worker.external import HttpInvocationConfig
from iii_worker.registration import check_id, options_from, registration_frame
from iii_worker.signatures import shape_of


class User(pydantic.BaseModel):
    name: str


def create(user: User) -> str:
    """Create a user,
    and say so.

    With details nobody lists.
    """


def bare(data): ...


def frame(handler=bare, **options):
    shape = None if isinstance(handler, HttpInvocationConfig) else shape_of(handler)
    return registration_frame("f", options_from(options), handler, shape)


def test_the_least_there_is():
    assert frame() == {"type": "registerfunction", "id": "f"}


def test_what_the_handler_says_of_itself():
    made = frame(create)
    assert made["description"] == "Create a user, and say so."
    assert made["request_format"]["properties"] == {"name": {"title": "Name", "type": "string"}}
    assert made["response_format"]["type"] == "string"
    assert set(made) == {"type", "id", "description", "request_format", "response_format"}


def test_what_is_given_goes_before():
    made = frame(create, description="other", request_format=False, response_format=int, metadata={"a": {"b": (1,)}})
    assert made["description"] == "other"
    assert "request_format" not in made
    assert made["response_format"]["type"] == "integer"
    assert made["metadata"] == {"a": {"b": [1]}}


def test_none_is_as_if_it_was_not_given():
    assert frame(create, description=None, request_format=None, timeout=None, group=None) == frame(create)


def test_an_http_endpoint():
    made = frame(HttpInvocationConfig("https://a.test"))
    assert made == {"type": "registerfunction", "id": "f", "invocation": {"url": "https://a.test", "method": "POST"}}


@pytest.mark.parametrize(
    ("options", "metadata"),
    [
        ({"group": "round_robin"}, {"group": "round_robin"}),
        ({"group": "least_busy", "metadata": {"team": "a"}}, {"team": "a", "group": "least_busy"}),
        ({"group": "sticky", "group_key": "user"}, {"group": "sticky", "group_key": "user"}),
        ({"group": "standby", "metadata": User(name="x")}, {"name": "x", "group": "standby"}),
        ({"metadata": {"group": "round_robin"}}, {"group": "round_robin"}),
        ({"metadata": "text"}, "text"),
    ],
)
def test_a_group_is_written_into_the_metadata(options, metadata):
    assert frame(**options)["metadata"] == metadata


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"group": "random"}, ValueError, "group is 'random': it must be one of round_robin"),
        ({"group_key": "user"}, ValueError, "group_key is for groups"),
        ({"group": "standby", "group_key": "user"}, ValueError, 'is for group="sticky"'),
        ({"group": "sticky", "group_key": 7}, ValueError, "names a field"),
        ({"group": "sticky", "metadata": [1]}, TypeError, "metadata must be a dict"),
        ({"metadata": b"x"}, TypeError, "metadata is bytes"),
        ({"description": 7}, TypeError, "description is 7"),
        ({"request_format": 7}, TypeError, "request_format is 7"),
        ({"timeout": 0}, ValueError, "timeout is 0: it must be above 0 seconds"),
        ({"timeout": True}, ValueError, "timeout is True"),
        ({"timeout": "5"}, ValueError, "timeout is '5'"),
        ({"timeout": float("nan")}, ValueError, "timeout is nan"),
        ({"timeoutMs": 5}, TypeError, "no option timeoutMs; there are description"),
    ],
)
def test_what_is_wrong_is_named(options, error, message):
    with pytest.raises(error) as caught:
        frame(**options)
    assert message in str(caught.value)


@pytest.mark.parametrize(("given", "error"), [(7, TypeError), (None, TypeError), ("", ValueError), (" \t", ValueError)])
def test_what_is_no_id(given, error):
    with pytest.raises(error, match="a function's id"):
        check_id(given)
