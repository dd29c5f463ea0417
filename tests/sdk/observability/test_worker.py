"""A client's share in telemetry, and its logger."""

import pytest

from iii_worker import tracing
from iii_worker.observability import WorkerSight, pipeline
from iii_worker.options import InitOptions


class Client:
    def __init__(self, url, otel, **options):
        self.options = InitOptions(worker_name="users", otel=otel, **options)
        self.address = url
        self.headers = {"Authorization": "Bearer x"}
        self.worker_id = "id"
        self.sent = []

    def send(self, function_id, payload=None, *, namespace=None, metadata=None):
        self.sent.append((function_id, payload))


@pytest.fixture
def client(server, without_opentelemetry):
    return Client(server.url, {"enabled": True, "metrics_enabled": False})


def test_from_start_to_stop_handlers_are_recorded(client, server):
    sight = WorkerSight(client)
    sight.start()
    sight.start()
    with tracing.activate(None, None, "f", b"{}"):
        pass
    assert sight.stop()
    assert sight.stop()
    assert server.spans(1)[0]["name"] == "execute f"
    assert server.requests[0][1]["Authorization"] == "Bearer x"
    assert pipeline.active() is None


def test_it_can_be_started_again(client, server):
    sight = WorkerSight(client)
    for _ in range(2):
        sight.start()
        assert pipeline.active() is not None
        assert sight.stop()
        assert pipeline.active() is None


def test_two_clients_share_it_until_the_last_stops(client, server):
    sights = [WorkerSight(client), WorkerSight(Client(server.url, {"enabled": True}))]
    for sight in sights:
        sight.start()
    sights[0].stop()
    assert pipeline.active() is not None
    sights[1].stop()
    assert pipeline.active() is None


def test_its_logger_speaks_over_the_connection(client):
    sight = WorkerSight(client)
    sight.logger.info("hello")
    assert client.sent == [("engine::log::info", {"message": "hello", "service_name": "users"})]


def test_settings_that_are_wrong_are_refused_when_the_client_is_made():
    with pytest.raises(TypeError, match="no setting colour"):
        WorkerSight(Client("ws://x", {"colour": "red"}))


def test_metrics_can_be_kept_out(server, without_opentelemetry):
    sight = WorkerSight(Client(server.url, {"enabled": True}, enable_metrics_reporting=False))
    sight.start()
    assert pipeline.active()._workers == []
    sight.stop()


def test_telemetry_that_is_off_costs_no_thread_and_no_socket(server):
    sight = WorkerSight(Client(server.url, {"enabled": False}))
    sight.start()
    assert pipeline.active() is None
    assert sight.stop()
    assert server.requests == []
