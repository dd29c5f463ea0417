"""Services are registered and replayed; nothing depends on them."""

import pytest


@pytest.fixture
def worker(fake, make_client):
    return make_client(fake.url)


def test_a_service(fake, worker):
    peer = fake.accept()
    worker.register_service({"id": "users", "name": "Users", "description": "d", "parent_service_id": "shop"})
    sent = peer.next("registerservice")
    assert sent == {
        "type": "registerservice",
        "id": "users",
        "name": "Users",
        "description": "d",
        "parent_service_id": "shop",
    }
    worker.register_service({"id": "orders"})
    assert peer.next("registerservice") == {"type": "registerservice", "id": "orders", "name": "orders"}
    peer.drop()
    again = fake.accept()
    again.next("ping")
    assert [frame["id"] for frame in again.seen if frame["type"] == "registerservice"] == ["users", "orders"]


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"id": ""}, ValueError, "a service's id is blank"),
        ({"name": "x"}, TypeError, r"register_service\(\): id is missing"),
        ({"id": "x", "name": " "}, ValueError, "a service's name is blank"),
        ({"id": "x", "description": 7}, TypeError, "a service's description is 7"),
    ],
)
def test_bad_input(worker, given, error, said):
    with pytest.raises(error, match=said):
        worker.register_service(given)
