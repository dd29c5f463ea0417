"""Requests and responses as models."""

import pytest
from pydantic import BaseModel, ValidationError

from iii_worker.errors import Error
from iii_worker.http_models import HttpError, HttpRequest, HttpResponse
from iii_worker.values import to_json

PAYLOAD = {
    "path_params": {"id": "1"},
    "query_params": {"q": "x"},
    "headers": {"host": "h"},
    "path": "users/:id",
    "method": "POST",
    "body": {"name": "Ada"},
    "trigger": {"type": "http", "path": "users/:id", "method": "POST"},
    "_caller_worker_id": "w",
}


class User(BaseModel):
    name: str


def test_a_request_with_a_model_for_its_body():
    request = HttpRequest[User].model_validate(PAYLOAD)
    assert request.body == User(name="Ada")
    assert (request.method, request.path, request.path_params) == ("POST", "users/:id", {"id": "1"})
    with pytest.raises(ValidationError, match="body"):
        HttpRequest[User].model_validate(PAYLOAD | {"body": {}})
    assert HttpRequest.model_validate(PAYLOAD).body == {"name": "Ada"}
    assert HttpRequest[User].model_json_schema()["properties"]["body"]["anyOf"][0]["$ref"].endswith("User")


def test_a_response_is_written_by_field_name():
    response = HttpResponse(statusCode=404, headers={"a": "b"}, body=User(name="Ada"))
    assert to_json(response) == b'{"status_code":404,"headers":{"a":"b"},"body":{"name":"Ada"}}'
    assert "status_code" in HttpResponse.model_json_schema(mode="serialization")["properties"]
    assert HttpResponse[User](body={"name": "Ada"}).body == User(name="Ada")


@pytest.mark.parametrize(
    "members",
    [
        {"status_code": 99},
        {"status_code": 600},
        {"headers": {"a b": "c"}},
        {"headers": {"a": "b\r\nc: d"}},
        {"headers": ["no colon"]},
        {"headers": ["a b: c"]},
        {"headers": {"a": 1}},
    ],
)
def test_what_http_does_not_allow(members):
    with pytest.raises(ValueError, match=r"HTTP|colon|string"):
        HttpResponse(**members)


def test_an_error_is_a_response():
    error = HttpError(404, "none", headers={"x": "y"})
    assert isinstance(error, Error)
    assert error.to_response() == {
        "status_code": 404,
        "headers": {"x": "y"},
        "body": {"error": {"code": "http_error", "message": "none"}},
    }
    with pytest.raises(ValueError, match="100 to 599"):
        HttpError(0, "none")
    with pytest.raises(ValueError, match="HTTP header"):
        HttpError(404, "none", headers={"x": "\n"})
