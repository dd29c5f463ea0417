import json

import msgspec
import pytest
from msgspec import Raw

from iii_actors.builtin.engine_functions.triggers import (
    RegisteredTriggerQuery,
    TriggerTypeQuery,
    config_summary,
    registered_detail,
    registered_summary,
    target,
    targets_of,
    type_detail,
    type_summary,
    visible_triggers,
    visible_types,
)
from iii_actors.wire.codec import raw
from tests.support.records import function, named, trigger, trigger_type


def written(row):
    return json.loads(msgspec.json.encode(row))


# --- types ------------------------------------------------------------------------------------------------------------

TYPES = [
    trigger_type("webhook", "w", description="Calls from GitHub"),
    trigger_type("engine::workers-available", "b", in_process=True),
    trigger_type("http", "w", description="Requests"),
    trigger_type("http", "w", namespace="x", description="Requests"),
]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["http", "http", "webhook"]),
        ({"include_internal": True}, ["engine::workers-available", "http", "http", "webhook"]),
        ({"search": "HOOK"}, ["webhook"]),
        ({"search": "github"}, ["webhook"]),
        ({"search": ""}, ["http", "http", "webhook"]),
        ({"prefix": "http"}, ["http", "http"]),
        ({"prefix": "Http"}, []),
        ({"worker": "gateway"}, ["http", "http", "webhook"]),
        ({"worker": "gate"}, []),
        ({"worker": "gateway", "prefix": "web", "search": "git"}, ["webhook"]),
    ],
)
def test_types_shown(query, found):
    shown = visible_types(TYPES, TriggerTypeQuery(**query), named(w="gateway"))
    assert [one.id for one in shown] == found
    assert [one.namespace for one in shown if one.id == "http"] == sorted(
        one.namespace for one in shown if one.id == "http"
    )


def test_a_type_s_row_has_no_schema():
    one = trigger_type("webhook", "w", description="d", trigger_request_format=raw({"type": "object"}))
    assert written(type_summary(one, named(w="g"))) == {
        "id": "webhook",
        "namespace": "default",
        "worker_name": "g",
        "description": "d",
    }


def test_a_type_s_detail_counts_the_instances_of_its_id_in_all_namespaces():
    one = trigger_type("t", "w", trigger_request_format=raw({"a": 1}), call_request_format=raw({"b": 2}))
    live = [trigger("1"), trigger("2", provider_namespace="x"), trigger("3", "other")]
    assert written(type_detail(one, named(w="g"), live)) == {
        "id": "t",
        "namespace": "default",
        "worker_name": "g",
        "description": "",
        "configuration_schema": {"a": 1},
        "request_schema": {"b": 2},
        "instance_count": 2,
    }


def test_schemas_that_were_not_given_are_left_out():
    assert {"configuration_schema", "request_schema", "response_schema"}.isdisjoint(
        written(type_detail(trigger_type("t", trigger_request_format=Raw(b"null")), {}, []))
    )


def test_only_http_says_what_its_handlers_return():
    properties = written(type_detail(trigger_type("http"), {}, []))["response_schema"]["properties"]
    assert set(properties) == {"status_code", "headers", "body"}


# --- instances --------------------------------------------------------------------------------------------------------

LIVE = [
    trigger("t3", "cron", "jobs::clean"),
    trigger("t1", "http", "users::get"),
    trigger("t2", "http", "engine::log::info"),
    trigger("T4", "engine::workers-available", "users::watch"),
]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["T4", "t1", "t3"]),
        ({"include_internal": True}, ["T4", "t1", "t2", "t3"]),
        ({"search": "USERS"}, ["T4", "t1"]),
        ({"search": "Cron"}, ["t3"]),
        ({"search": "t4"}, ["T4"]),
        ({"trigger_type": "http"}, ["t1"]),
        ({"trigger_type": "htt"}, []),
        ({"function_id": "jobs::clean"}, ["t3"]),
        ({"function_id": "jobs::clean", "trigger_type": "http"}, []),
    ],
)
def test_instances_shown(query, found):
    assert [one.id for one in visible_triggers(LIVE, RegisteredTriggerQuery(**query))] == found


def test_instances_by_the_owner_of_their_target():
    targets = {("default", "users::get"): function("users::get", "w")}
    records = named(w="people")

    def of(worker):
        return [one.id for one in targets_of(LIVE, worker, targets, records)]

    assert of("people") == ["t1"]
    assert of("users") == ["T4"], "what is not registered goes by its first segment"
    assert of(None) == ["t3", "t1", "t2", "T4"]


def test_the_target_is_looked_up_in_its_own_namespace():
    targets = {("x", "f"): function("f", "w", "x")}
    assert target(trigger("1", namespace="x")) == ("x", "f")
    row = registered_summary(trigger("1", namespace="x", config={"a": 1}), targets, named(w="o"))
    assert written(row) == {
        "id": "1",
        "trigger_type": "t",
        "function_id": "f",
        "worker_name": "o",
        "config": {"a": 1},
        "config_summary": '{"a":1}',
    }
    assert registered_summary(trigger("1"), targets, named(w="o")).worker_name == "f"


@pytest.mark.parametrize(
    ("config", "summary"),
    [
        (b"null", "null"),
        (b'{ "a" : [ 1, 2.50 ],\n "b": "x y" }', '{"a":[1,2.5],"b":"x y"}'),
        (b'"' + b"x" * 78 + b'"', '"' + "x" * 78 + '"'),
        (b'"' + b"x" * 79 + b'"', '"' + "x" * 79 + "…"),
        (b'"\\u00e9\\u00e9"', '"éé"'),
        (b"123456789012345678901234567890", "123456789012345678901234567890"),
        (b"[ 1e400 ]", "[1e400]"),
    ],
)
def test_a_configuration_in_short(config, summary):
    assert config_summary(Raw(config)) == summary


def test_a_detail_holds_its_type_and_its_target():
    one = trigger("1", config={"a": 1}, metadata={"m": 1})
    assert written(registered_detail(one, None, None)) == {
        "id": "1",
        "trigger_type": "t",
        "function_id": "f",
        "worker_name": "f",
        "config": {"a": 1},
        "metadata": {"m": 1},
        "trigger": None,
        "function": None,
    }
    served_by = type_detail(trigger_type("t"), {}, [one])
    assert written(registered_detail(trigger("1"), served_by, None))["trigger"]["instance_count"] == 1
    assert "metadata" not in written(registered_detail(trigger("1"), None, None))
