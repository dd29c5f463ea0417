"""iii_actors.core.services: names under which functions stand (core.md §11)."""

import pytest

from iii_actors.actor import ask
from iii_actors.core.messages import ListServices, Members, RegisterService
from iii_actors.core.services import Services
from iii_actors.wire import messages as wire


@pytest.fixture
def services(start):
    return start(Services())


def test_function_ids_imply_services(services):
    services.tell(Members("default", ["users::create", "users::get", "plain", "a::b::c"], True))
    assert ask(services, ListServices()) == {
        ("default", "users"): ["create", "get"],
        ("default", "a"): ["b::c"],
    }


def test_the_last_member_takes_the_service_with_it(services):
    services.tell(Members("default", ["users::create", "users::get"], True))
    services.tell(Members("default", ["users::create"], False))
    assert ask(services, ListServices()) == {("default", "users"): ["get"]}
    services.tell(Members("default", ["users::get"], False))
    assert ask(services, ListServices()) == {}


def test_namespaces_are_apart(services):
    services.tell(Members("a", ["users::x"], True))
    services.tell(Members("b", ["users::x"], True))
    services.tell(Members("a", ["users::x"], False))
    assert ask(services, ListServices()) == {("b", "users"): ["x"]}


@pytest.mark.parametrize(("name", "key"), [("Users", "Users"), ("", "s1")])
def test_a_declared_service_is_known_by_name_or_id(services, name, key):
    services.tell(RegisterService("default", wire.RegisterService("s1", name), "w"))
    services.tell(RegisterService("default", wire.RegisterService("s1", name), "w"))
    assert ask(services, ListServices()) == {("default", key): []}


def test_members_that_were_never_there_are_no_mistake(services):
    services.tell(Members("default", ["users::x"], False))
    assert ask(services, ListServices()) == {}
