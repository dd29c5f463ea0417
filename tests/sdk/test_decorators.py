"""Decorators: what each binds, and under which id."""

import sys
import types

import pytest

import iii_worker

WAIT_S = 10.0


@pytest.fixture
def worker(fake, make_client):
    return make_client(fake.url, worker_name="users")


@pytest.fixture
def peer(fake, worker):
    return fake.accept()


def handler(data):
    """Do something."""
    return data


DECORATORS = {
    "http": (
        lambda worker: worker.http("get", "/users/:id"),
        "http",
        {"api_path": "/users/:id", "http_method": "GET"},
    ),
    "http with everything": (
        lambda worker: worker.http("POST", "/users", middleware=["auth"], condition="open"),
        "http",
        {
            "api_path": "/users",
            "http_method": "POST",
            "middleware_function_ids": ["auth"],
            "condition_function_id": "open",
        },
    ),
    "cron": (lambda worker: worker.cron("0 */5 * * * *"), "cron", {"expression": "0 */5 * * * *"}),
    "queue": (lambda worker: worker.queue("mails"), "durable:subscriber", {"topic": "mails"}),
    "queue with a config": (
        lambda worker: worker.queue("mails", queue_config={"type": "fifo"}, condition="c"),
        "durable:subscriber",
        {"topic": "mails", "queue_config": {"type": "fifo"}, "condition_function_id": "c"},
    ),
    "subscribe": (lambda worker: worker.subscribe("news"), "subscribe", {"topic": "news"}),
    "on_state": (lambda worker: worker.on_state("users", "7"), "state", {"scope": "users", "key": "7"}),
    "on_state for all": (lambda worker: worker.on_state(), "state", {}),
    "on_stream": (
        lambda worker: worker.on_stream("chat", "room", "m1"),
        "stream",
        {"stream_name": "chat", "group_id": "room", "item_id": "m1"},
    ),
    "on_stream for all": (lambda worker: worker.on_stream("chat"), "stream", {"stream_name": "chat"}),
    "on": (lambda worker: worker.on("weather", {"city": "Oslo"}), "weather", {"city": "Oslo"}),
}


@pytest.mark.parametrize("name", DECORATORS)
def test_each_binds_its_type_with_its_config(worker, peer, name):
    decorator, kind, config = DECORATORS[name]
    assert decorator(worker)(handler) is handler, "the function stays as it is"
    assert peer.next("registerfunction")["id"] == "users::handler"
    frame = peer.next("registertrigger")
    assert (frame["trigger_type"], frame["config"], frame["function_id"]) == (kind, config, "users::handler")
    assert "metadata" not in frame


def test_options_of_the_function_and_metadata_of_the_trigger(worker, peer):
    worker.cron(
        "@daily", function_id="clean", trigger_metadata={"tag": 1}, description="Tidy up", metadata={"x": 1}, timeout=5
    )(handler)
    function, trigger = peer.next("registerfunction"), peer.next("registertrigger")
    assert (function["id"], function["description"], function["metadata"]) == ("clean", "Tidy up", {"x": 1})
    assert (trigger["function_id"], trigger["metadata"]) == ("clean", {"tag": 1})
    worker.on("weather", trigger_namespace="north")(handler)
    assert peer.next("registertrigger")["trigger_namespace"] == "north"


@pytest.mark.parametrize(
    ("use", "error", "said"),
    [
        (lambda w: w.http("/users", "GET"), ValueError, "the HTTP method is '/users': write @worker.http"),
        (lambda w: w.http("GET", ""), ValueError, "an HTTP path is blank"),
        (lambda w: w.http("GET", "/", middleware="auth"), TypeError, r"give a list of function ids, \['auth'\]"),
        (lambda w: w.http(handler, "/"), TypeError, "an HTTP method is <function"),
        (lambda w: w.cron(" "), ValueError, "a cron expression is blank"),
        (lambda w: w.queue(""), ValueError, "a topic is blank"),
        (lambda w: w.subscribe(7), TypeError, "a topic is 7"),
        (lambda w: w.on_stream(""), ValueError, "a stream's name is blank"),
        (lambda w: w.cron("@daily", condition=" "), ValueError, "condition is blank"),
        (lambda w: w.cron("@daily")(lambda data: data), ValueError, "give the decorator a function_id="),
        (lambda w: w.cron("@daily", nonsense=1)(handler), TypeError, "nonsense"),
        (lambda w: w.on("")(handler), ValueError, "a trigger's type is blank"),
    ],
)
def test_mistakes_are_named(worker, use, error, said):
    with pytest.raises(error, match=said):
        use(worker)
    assert worker.triggers == []


# --- which function --------------------------------------------------------------------------------------------------


def test_several_decorators_bind_one_function(worker, peer):
    worker.http("GET", "/a")(worker.cron("@daily")(worker.function("users::list")(handler)))
    bound = [peer.next("registertrigger"), peer.next("registertrigger")]
    assert [frame["function_id"] for frame in bound] == ["users::list", "users::list"]
    assert [frame["id"] for frame in peer.seen if frame["type"] == "registerfunction"] == ["users::list"]


def test_an_id_of_its_own_makes_a_function_of_its_own(worker, peer):
    worker.cron("@daily")(handler)
    worker.cron("@hourly", function_id="hourly")(handler)
    worker.cron("@weekly", function_id="hourly")(handler)
    bound = [peer.next("registertrigger")["function_id"] for _ in range(3)]
    assert bound == ["users::handler", "hourly", "hourly"]


def test_a_function_that_was_taken_back_is_registered_anew(worker, peer):
    worker.cron("@daily")(handler)
    worker.function_table.unregister("users::handler")
    worker.cron("@hourly")(handler)
    peer.next("unregisterfunction")
    assert peer.next("registerfunction")["id"] == "users::handler"


def test_two_functions_of_one_name_are_refused(worker):
    worker.cron("@daily")(handler)
    with pytest.raises(ValueError, match="'users::handler' is registered already"):
        worker.cron("@daily")(types.FunctionType(handler.__code__, globals(), "handler"))


def test_without_a_workers_name_the_module_is_the_service(fake, make_client, monkeypatch):
    worker = make_client(fake.url, worker_name=None)
    assert worker._id_for(handler) == "test_decorators::handler"
    script = types.ModuleType("__main__")
    script.__file__ = "/somewhere/shop.py"
    monkeypatch.setitem(sys.modules, "__main__", script)
    function = types.FunctionType(handler.__code__, {"__name__": "__main__"}, "create")
    assert worker._id_for(function) == "shop::create"
    del script.__file__
    assert worker._id_for(function) == "main::create"


def test_where_it_runs_does_not_change_an_id(fake, make_client, monkeypatch):
    monkeypatch.setenv("III_WORKER_NAME", "users-on-machine-7")
    assert make_client(fake.url, worker_name="users")._id_for(handler) == "users::handler"
    assert make_client(fake.url, worker_name=None)._id_for(handler) == "test_decorators::handler"


def test_a_method_of_an_object(worker, peer):
    class Users:
        def create(self, data):
            return data

    worker.on("weather")(Users().create)
    assert peer.next("registertrigger")["function_id"] == "users::create"


# --- HTTP handlers ---------------------------------------------------------------------------------------------------


def test_an_http_handler_gets_a_request(make_worker):
    worker = make_worker(worker_name="users")

    @worker.http("GET", "/users/:id")
    def get(req: iii_worker.StreamRequest) -> iii_worker.HttpResponse:
        return iii_worker.HttpResponse(body={"id": req.path_params["id"]})

    payload = {"method": "GET", "path": "/users/:id", "path_params": {"id": "7"}, "query_params": {}, "headers": {}}
    assert worker.call("users::get", payload, timeout=WAIT_S)["body"] == {"id": "7"}
    assert isinstance(get(iii_worker.StreamRequest.from_payload(payload)), iii_worker.HttpResponse)


def test_above_a_registered_function_it_gets_the_payload(make_worker):
    worker = make_worker(worker_name="users")

    @worker.http("GET", "/users/:id")
    @worker.function("users::get")
    def get(data):
        return {"body": data["path_params"]}

    assert worker.call("users::get", {"path_params": {"id": "7"}}, timeout=WAIT_S) == {"body": {"id": "7"}}
