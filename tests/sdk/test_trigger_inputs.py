"""Inputs as classes and as dicts, and what is wrong with them."""

from dataclasses import dataclass

import pytest
from pydantic import BaseModel

from iii_worker import NotJsonError, RegisterServiceInput, RegisterTriggerInput, RegisterTriggerTypeInput
from iii_worker.trigger_inputs import as_json, checked_id, checked_namespace, input_from


def test_an_input_is_passed_on_as_it_is():
    given = RegisterTriggerInput("cron", "users::clean")
    assert input_from(RegisterTriggerInput, given, "f()") is given


def test_a_dict_has_the_same_keys():
    given = {"type": "cron", "function_id": "users::clean", "config": {"expression": "@daily"}}
    assert input_from(RegisterTriggerInput, given, "f()") == RegisterTriggerInput(**given)
    assert input_from(RegisterServiceInput, {"id": "users"}, "f()") == RegisterServiceInput("users")


def test_the_wires_name_of_a_triggers_type_is_taken_too():
    assert input_from(RegisterTriggerInput, {"trigger_type": "cron", "function_id": "f"}, "f()").type == "cron"


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        (
            RegisterTriggerInput,
            {"type": "cron", "functionId": "f"},
            "register(): there is no key 'functionId'; there are",
        ),
        (RegisterTriggerInput, {"type": "cron"}, "register(): function_id is missing"),
        (RegisterTriggerTypeInput, {"description": "d"}, "register(): id is missing"),
        (RegisterTriggerTypeInput, "orders::placed", "register() takes a RegisterTriggerTypeInput or a dict, not str"),
    ],
)
def test_what_is_no_input_is_named(kind, given, said):
    with pytest.raises(TypeError) as raised:
        input_from(kind, given, "register()")
    assert said in str(raised.value)


def test_ids():
    assert checked_id("x", "the id") == "x"
    with pytest.raises(ValueError, match="the id is blank: give it a name"):
        checked_id(" ", "the id")
    with pytest.raises(TypeError, match="the id is 7: it must be a text"):
        checked_id(7, "the id")


def test_namespaces():
    assert checked_namespace(None, "the namespace") is None
    assert checked_namespace("shop", "the namespace") == "shop"
    with pytest.raises(ValueError, match="the namespace is blank"):
        checked_namespace("", "the namespace")


class Model(BaseModel):
    city: str


@dataclass
class Data:
    city: str


@pytest.mark.parametrize("given", [Model(city="Oslo"), Data("Oslo"), {"city": "Oslo"}])
def test_models_become_plain_json(given):
    assert as_json(given, "config") == {"city": "Oslo"}


def test_what_is_no_json_is_named_with_its_place():
    with pytest.raises(NotJsonError, match=r"config\.picture is bytes"):
        as_json({"picture": b"\xff"}, "config")
