"""Official workers behind HTTP routes, asked by an ordinary client: middleware, conditions, streams up and down."""

import functools
import hashlib
from typing import NamedTuple

import pytest
import requests

from tests.e2e.conftest import PROBES, Shop
from tests.e2e.support.names import unique
from tests.e2e.support.process import Process

SETTINGS = """\
workers:
  - name: iii-worker-manager
    config: {port: 0}
  - name: http
    config: {port: 0}
"""


class Site(NamedTuple):
    """One worker's routes."""

    name: str
    worker: Process
    url: str
    session: requests.Session

    def ask(self, method, path, **options):
        return self.session.request(method, f"{self.url}/{self.name}/{path}", timeout=20, **options)


class Sites:
    """An engine with a front, and one worker of each kind, started when first asked for."""

    def __init__(self, room):
        self.shop = Shop(room)
        file = room / "http.yaml"
        file.write_text(SETTINGS, encoding="utf-8")
        self.engine = self.shop.engine("--config", str(file))
        found = self.engine.process.expect(r"HTTP on address: 127\.0\.0\.1:(\d+)")
        self.url = f"http://127.0.0.1:{found[1]}"
        self.session = requests.Session()
        self.session.trust_env = False
        self.of = functools.cache(self.start)

    def start(self, kind):
        name = unique("http")
        worker = self.shop.run(name, [*self.shop._command(kind, PROBES, "routes"), name], III_URL=self.engine.url)
        worker.expect("^@ready$")
        return Site(name, worker, self.url, self.session)


@pytest.fixture(scope="module")
def sites(tmp_path_factory, shared):
    made = Sites(tmp_path_factory.mktemp("http"))
    yield made
    made.session.close()
    code, _ = made.engine.stop()
    assert (code, made.engine.faults()) == (0, [])
    made.shop.close()


@pytest.fixture
def here(sites, any_sdk):
    return sites.of(any_sdk)


def test_a_json_request(here):
    response = here.ask("POST", "items/a%20b?q=x+y&q=z", json={"n": [1, None, "ü"]})
    assert (response.status_code, response.headers["x-worker"]) == (201, here.name)
    assert response.json() == {
        "path_params": {"id": "a%20b"},
        "query_params": {"q": "z"},
        "body": {"n": [1, None, "ü"]},
        "method": "POST",
        "path": f"{here.name}/items/:id",
    }


def test_a_text_answer_and_an_error(here):
    response = here.ask("GET", "text")
    assert (response.text, response.headers["content-type"]) == ("plain", "text/plain")
    failed = here.ask("GET", "fail")
    error = failed.json()["error"]
    assert (failed.status_code, error["code"]) == (500, "invocation_failed")
    assert "it was meant to fail" in error["message"]
    assert here.ask("GET", "none").status_code == 404


def test_middleware_and_condition(here):
    refused = here.ask("GET", "guarded")
    assert (refused.status_code, refused.json()) == (401, {"error": "who are you?"})
    assert here.ask("GET", "guarded", headers={"authorization": "Bearer good"}).text == "plain"
    assert here.ask("GET", "even/2").status_code == 200
    assert here.ask("GET", "even/3").json()["error"]["code"] == "CONDITION_NOT_MET"


def test_events_come_one_by_one(here):
    with here.ask("GET", "events?count=5", stream=True) as response:
        assert response.headers["content-type"] == "text/event-stream"
        lines = [line for line in response.iter_lines() if line]
    assert lines == [f"data: {number}".encode() for number in range(5)]


@pytest.mark.parametrize("length", [0, 10, 5_000_000])
def test_an_upload(here, length):
    content = b"x" * length
    answer = here.ask("PUT", "digest", data=content).json()
    assert answer == {"length": length, "sha256": hashlib.sha256(content).hexdigest()}


def test_an_upload_of_unknown_length(here):
    answer = here.ask("PUT", "digest", data=iter([b"ab", b"cd" * 100_000])).json()
    assert answer["length"] == 200_002


@pytest.mark.parametrize("length", [1, 5_000_000])
def test_a_download(here, length):
    response = here.ask("GET", f"download?length={length}")
    assert response.headers["content-length"] == str(length)
    assert response.content == b"x" * length


def test_the_routes_of_a_killed_worker_are_gone(sites, any_sdk):
    mortal = sites.start(any_sdk)
    assert mortal.ask("GET", "text").status_code == 200
    mortal.worker.kill()
    answers = iter(lambda: mortal.ask("GET", "text").status_code, 404)
    assert set(answers) <= {200, 500}
