import pytest

from iii_actors.builtin.engine_functions.owners import first_segment, function_owner, target_owner, type_owner
from tests.support.records import function, named, shared, trigger_type, worker


@pytest.mark.parametrize(("text", "segment"), [("a::b::c", "a"), ("a.b", "a.b"), ("", ""), ("::b", ""), ("a:b", "a:b")])
def test_the_first_segment(text, segment):
    assert first_segment(text) == segment


def test_a_function_goes_by_its_worker_s_name():
    assert function_owner(function("users::create", "w"), named(w="people")) == "people"


@pytest.mark.parametrize("records", [{}, named(w=None)])
def test_or_by_its_first_segment_where_the_worker_has_no_name_or_has_left(records):
    assert function_owner(function("users::create", "w"), records) == "users"


def test_a_group_s_function_goes_by_its_first_member():
    assert function_owner(shared("f", "a", "b"), named(a="first", b="second")) == "first"


def test_a_target_that_is_not_registered():
    assert target_owner(None, "mail::send", {}) == "mail"
    assert target_owner(function("mail::send"), "mail::send", named(w="post")) == "post"


@pytest.mark.parametrize(
    ("type_id", "owner"),
    [
        ("http", "iii-http"),
        ("cron", "iii-cron"),
        ("subscribe", "iii-pubsub"),
        ("state", "iii-state"),
        ("durable:subscriber", "queue"),
        ("stream", "iii-stream"),
        ("stream:join", "iii-stream"),
        ("stream:leave", "iii-stream"),
        ("log", "iii-observability"),
        ("trace", "iii-observability"),
        ("configuration", "configuration"),
        ("mine::type", "mine"),
    ],
)
def test_a_type_of_a_nameless_worker_goes_by_the_table_and_then_by_its_first_segment(type_id, owner):
    assert type_owner(trigger_type(type_id), named(p=None)) == owner


def test_the_name_of_the_worker_that_registered_the_type_comes_before_the_table():
    assert type_owner(trigger_type("http"), named(p="my-gateway")) == "my-gateway"


def test_a_built_in_worker_s_own_types_go_by_its_name_unless_the_table_knows_better():
    records = {"b": worker("b", "iii-engine-functions", in_process=True)}
    assert type_owner(trigger_type("engine::x-available", "b", in_process=True), records) == "iii-engine-functions"
    assert type_owner(trigger_type("cron", "b", in_process=True), records) == "iii-cron"
