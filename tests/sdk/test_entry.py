"""The ways in: addresses, options, and what a first attempt that fails says."""

import logging
import socket
import threading

import pytest

import iii_worker
from iii_worker import AddressError, ConnectFailedError, InitOptions, InvocationError, RegistrationRejectedError
from iii_worker.options import ReconnectionConfig
from tests.support.fake_engine import FakeEngine


@pytest.fixture
def nowhere():
    """An address at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"ws://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def silent():
    """An address that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"ws://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def web_server():
    """An address at which an HTTP server answers 404."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nnoway")

        threading.Thread(target=serve, daemon=True).start()
        yield f"ws://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def test_five_lines_are_enough(engine):
    worker = iii_worker.register_worker(engine.url, worker_name="users")
    with worker:
        worker.register_function("greet", lambda data: f"hello {data['name']}")
        assert worker.call("greet", {"name": "Ada"}, timeout=5) == "hello Ada"
        assert worker.get_connection_state() == "connected"
    assert worker.get_connection_state() == "disconnected"


def test_the_address_may_come_from_the_environment(engine, monkeypatch):
    monkeypatch.setenv("III_URL", engine.url)
    with iii_worker.connect() as worker:
        assert worker.get_address() == engine.url


@pytest.mark.parametrize(
    ("address", "mend"),
    [
        ("localhost:49134", "write ws://localhost:49134"),
        ("http://localhost:49134", "write ws://localhost:49134"),
        ("https://engine.example", "write wss://engine.example"),
        ("ftp://localhost", "must start with ws:// or wss://"),
        ("ws://", "is not an address like"),
        ("ws://host:port", "is not an address like"),
    ],
)
def test_an_address_that_is_none_is_named_with_the_mend(address, mend):
    with pytest.raises(AddressError, match=mend) as caught:
        iii_worker.register_worker(address)
    assert isinstance(caught.value, ValueError)


def test_a_first_attempt_that_is_refused_explains_itself_in_one_line(nowhere, caplog):
    client = iii_worker.register_worker(nowhere, wait=False)
    states = threading.Event()
    client.add_connection_state_listener(lambda state: states.set() if state == "reconnecting" else None)
    assert states.wait(5)
    client.shutdown()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "python -m iii_actors" in record.getMessage()
    assert "III_URL" in record.getMessage()
    assert "\n" not in record.getMessage()


def test_without_an_engine_connect_timeout_raises_what_is_wrong(nowhere):
    with pytest.raises(ConnectFailedError, match="no engine listens"):
        iii_worker.register_worker(nowhere, connect_timeout=0.1)


def test_without_connect_timeout_it_warns_and_returns(nowhere, monkeypatch, caplog):
    monkeypatch.setattr("iii_worker.client.FIRST_CONNECTION_WAIT_S", 0.05)
    client = iii_worker.register_worker(nowhere)
    try:
        assert "Going on without" in caplog.text
        assert client.get_connection_state() in ("connecting", "reconnecting")
    finally:
        client.shutdown()


def test_what_does_not_answer_is_said_to(silent):
    with pytest.raises(ConnectFailedError, match="has not answered yet"):
        iii_worker.register_worker(silent, connect_timeout=0.1)


def test_tls_where_there_is_none_is_asked_about(silent):
    with pytest.raises(ConnectFailedError, match=r"does it speak TLS\?.*ws://"):
        iii_worker.register_worker(silent.replace("ws://", "wss://"), connect_timeout=0.1)


def test_what_is_no_engine_is_said_to_be_none(web_server):
    with pytest.raises(ConnectFailedError, match=r"is no engine.*404"):
        iii_worker.register_worker(web_server, connect_timeout=2, reconnection_config={"max_retries": 0})


def test_a_call_that_finds_no_connection_says_why(nowhere):
    said = r"TIMEOUT: f was not called.*connect\(\) and run\(\) make one"
    with iii_worker.init(nowhere) as never, pytest.raises(InvocationError, match=said):
        never.call("f", timeout=0.01)
    for offline_calls in ("wait", "fail"):
        with iii_worker.init(nowhere, offline_calls=offline_calls) as worker:
            with pytest.raises(ConnectFailedError):
                worker.connect(0.2)
            with pytest.raises(InvocationError, match="no engine listens at"):
                worker.call("f", timeout=0.01)


def test_an_engine_that_comes_later_is_connected_to(nowhere):
    client = iii_worker.register_worker(nowhere, wait=False, reconnection_config=ReconnectionConfig(10, 20))
    port = int(nowhere.rpartition(":")[2])
    late = FakeEngine(port=port)
    try:
        client.connect(10)
        assert client.get_connection_state() == "connected"
        assert client.connect(10) is client
    finally:
        client.shutdown()
        late.stop()


def test_retries_may_end(nowhere):
    config = ReconnectionConfig(initial_delay_ms=1, max_delay_ms=2, max_retries=2)
    with pytest.raises(ConnectFailedError, match="gave up after 2 retries"):
        iii_worker.register_worker(nowhere, reconnection_config=config)


def test_options_may_be_keywords_a_mapping_or_the_class(engine):
    for worker in (
        iii_worker.init(engine.url, worker_name="a", namespace="n"),
        iii_worker.init(engine.url, {"worker_name": "a"}, namespace="n"),
        iii_worker.init(engine.url, InitOptions(worker_name="a", namespace="other"), namespace="n"),
    ):
        assert (worker.options.worker_name, worker.namespace) == ("a", "n")


def test_an_option_that_is_none_is_named():
    with pytest.raises(TypeError, match="no option 'worker_nme'"):
        iii_worker.register_worker("ws://127.0.0.1:1", worker_nme="x")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"namespace": " "}, "namespace"),
        ({"invocation_timeout_ms": 0}, "invocation_timeout_ms"),
        ({"connect_timeout": -1}, "connect_timeout"),
        ({"offline_calls": "maybe"}, "offline_calls"),
        ({"reconnection_config": {"jitter_factor": 2}}, "jitter_factor"),
        ({"reconnection_config": {"max_delay_ms": 1}}, "max_delay_ms"),
        ({"reconnection_config": {"backoff_multiplier": 0.5}}, "backoff_multiplier"),
        ({"handler_threads": 0}, "handler_threads"),
    ],
)
def test_options_out_of_range_are_named(options, named):
    with pytest.raises(ValueError, match=named):
        iii_worker.init("ws://127.0.0.1:1", **options)


def test_the_environment_names_workers(monkeypatch):
    monkeypatch.setenv("III_WORKER_NAME", "from-outside")
    monkeypatch.setenv("III_NAMESPACE", " ")
    resolved = InitOptions(worker_name="own").resolved()
    assert (resolved.worker_name, resolved.namespace) == ("from-outside", None)
    monkeypatch.setenv("III_NAMESPACE", "shop")
    monkeypatch.delenv("III_WORKER_NAME")
    resolved = InitOptions().resolved()
    assert resolved.namespace == "shop"
    assert socket.gethostname() in resolved.worker_name


def test_kept_errors_can_be_raised_again():
    for error in (
        ConnectFailedError("no", "FORBIDDEN"),
        RegistrationRejectedError("C", "n", "w", "o"),
        iii_worker.InvocationError("TIMEOUT", "late", "f", "trace", "i"),
        AddressError("bad"),
    ):
        copy = iii_worker.errors.again(error)
        assert copy is not error
        assert (type(copy), str(copy), copy.code) == (type(error), str(error), error.code)
