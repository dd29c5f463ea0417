"""Alert rules and their actions (observability.md §8)."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from iii_actors.actor import launch
from iii_actors.builtin.base import is_builtin
from iii_actors.builtin.observability.alerts import AlertEvent, Watched, engine_value
from iii_actors.builtin.observability.figures import EngineMetrics, Invocations, Performance, Workers
from iii_actors.builtin.observability.records import NumberPoint, StoredMetric
from iii_actors.builtin.observability.webhooks import Post, Webhooks
from iii_actors.config.http_functions import SecuritySettings
from iii_actors.config.observability import AlertRule

EVENT = AlertEvent("a", "m", 2.0, 1.0, ">", 5)


def metrics(total=0, active=0):
    calls = Invocations(total, total, 0, 0, {"f": total})
    return EngineMetrics(calls, Workers(active, 0, active), Performance(0, 0, 0, 0, 0, 0))


def stored(*values, kind="gauge", name="m", at=100.0):
    return [
        StoredMetric(name, "", "", kind, [NumberPoint(float(value), [], 1)], "s", int(at * 1e9)) for value in values
    ]


def watched(**rule):
    return Watched(AlertRule.model_validate({"name": "a", "metric": "m", "threshold": 5, **rule}))


def test_the_engine_s_figures_by_name():
    found = metrics(total=3, active=2)
    assert engine_value("iii.invocations.total", found) == 3.0
    assert engine_value("iii.workers.active", found) == 2.0
    assert [engine_value(name, found) for name in ("iii.invocations.by_function", "iii.workers.x", "m", "total")] == [
        None
    ] * 4


def test_a_counter_counts_by_its_growth_within_the_window():
    alert = watched(metric="iii.invocations.total", threshold=5, window_seconds=60, cooldown_seconds=0)
    seen = [(0, 4), (10, 8), (50, 12), (75, 13), (200, 13)]
    values = []
    for at, total in seen:
        alert.evaluate(metrics(total), (), 0.0, float(at))
        values.append(alert.value)
    assert values == [4, 8, 12, 5, 0]


@pytest.mark.parametrize(
    ("operator", "fires"), [(">", False), (">=", True), ("<", False), ("<=", True), ("==", True), ("!=", False)]
)
def test_operators(operator, fires):
    alert = watched(operator=operator)
    assert (alert.evaluate(metrics(), stored(5), 100.0, 0.0) is not None) is fires
    assert alert.state().firing is fires


def test_a_worker_s_metric_is_its_newest_value_within_the_window():
    alert = watched()
    assert alert.evaluate(metrics(), [*stored(9), *stored(6)], 100.0, 0.0).value == 6.0
    assert alert.evaluate(metrics(), stored(9, at=10.0), 100.0, 100.0) is None
    assert alert.value is None
    counter = watched()
    assert counter.evaluate(metrics(), stored(10, 16, kind="counter"), 100.0, 0.0).value == 6.0
    assert watched().evaluate(metrics(), [StoredMetric("m", "", "", "gauge", [], "s", int(1e11))], 100.0, 0.0) is None


def test_it_cools_down_and_a_resting_rule_is_not_looked_at():
    alert = watched(cooldown_seconds=30)
    fired = [alert.evaluate(metrics(), stored(9), 100.0, float(at)) is not None for at in (0, 29, 30)]
    assert fired == [True, False, True]
    assert watched(enabled=False).evaluate(metrics(), stored(9), 100.0, 0.0) is None


@pytest.mark.parametrize(
    ("function_id", "own"),
    [("publish", True), ("engine::drain", True), ("iii-http::x", True), ("publisher", False), ("mail::send", False)],
)
def test_the_engine_s_own_functions(function_id, own):
    assert is_builtin(function_id) is own


# --- webhooks ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def site():
    got, status = [], [204]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.headers["host"], self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(status[0])
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", got, status
        server.shutdown()
        thread.join()


@pytest.fixture
def send(caplog):
    def post(url, rules=None):
        webhooks = Webhooks(rules)
        ref = launch(webhooks)
        webhooks.offer(ref, Post(url, EVENT))
        ref.stop()
        return list(caplog.messages)

    return post


OPEN = SecuritySettings(require_https=False, block_private_ips=False)


def test_a_webhook_gets_the_event(site, send):
    url, got, _ = site
    assert send(url, OPEN) == []
    assert got == [(url[7:-5], b'{"alert":"a","metric":"m","value":2.0,"threshold":1.0,"operator":">","timestamp":5}')]


def test_what_a_webhook_refuses_or_nobody_takes_is_logged(site, send):
    url, _, status = site
    status[0] = 500
    assert send(url, OPEN) == ["Alert a: its webhook answered 500"]
    assert any(text.startswith("Alert a: its webhook failed:") for text in send("http://127.0.0.1:1/", OPEN))


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://[::1]/", "http://169.254.169.254/", "http://10.0.0.1/"])
def test_private_networks_are_not_called(send, url):
    assert send(url) == ["Alert a: its webhook is not called: Private IP blocked"]


def test_too_many_that_wait(monkeypatch, caplog):
    monkeypatch.setattr("iii_actors.builtin.observability.webhooks.WEBHOOKS_WAITING", 1)
    webhooks = Webhooks(OPEN)
    webhooks.offer(webhooks.actor_ref, Post("http://127.0.0.1:1/", EVENT))
    webhooks.offer(webhooks.actor_ref, Post("http://127.0.0.1:1/", EVENT))
    assert caplog.messages == ["Alert a: its webhook is too slow; not sent"]
