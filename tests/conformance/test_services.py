"""Services are accepted and change nothing that anybody can see (core.md §11)."""

import pytest

from iii_actors.actor import ask
from iii_actors.core.messages import ListServices
from tests.support.quiet import unexpected


@pytest.mark.parametrize(
    "members",
    [{"id": "s"}, {"id": "s", "name": "S"}, {"id": "s", "description": "d", "parent_service_id": "p"},
     {"id": "s", "name": "", "description": None, "parent_service_id": None}],
)  # fmt: skip
def test_registering_a_service_is_silent(lasting_engine, join, members):
    peer = join(namespace="team")
    peer.send(type="registerservice", **members)
    assert unexpected(peer) == []
    assert ("team", members.get("name") or "s") in ask(lasting_engine.core.services, ListServices())


def test_function_ids_imply_services_as_long_as_there_are_members(lasting_engine, join):
    services = lasting_engine.core.services
    peer = join()
    for function_id in ("users::create", "users::get"):
        peer.register(function_id)
    assert ask(services, ListServices())["default", "users"] == ["create", "get"]
    for function_id in ("users::create", "users::get"):
        peer.send(type="unregisterfunction", id=function_id)
    assert unexpected(peer) == []
    assert ("default", "users") not in ask(services, ListServices())


def test_a_service_does_not_route(join):
    peer = join()
    peer.send(type="registerservice", id="users", name="users")
    peer.register("users::create", lambda _: 1)
    assert peer.call("users::create") == 1
    assert unexpected(peer) == []
