"""``/openapi.json`` and ``/docs`` of a running engine."""

import base64
import contextlib
import hashlib
import re
import threading

import pytest
import requests
from openapi_spec_validator import OpenAPIV31SpecValidator

import iii_actors
from iii_actors.builtin.http import Http, pages
from iii_actors.builtin.http.docs_page import PAGE, POLICY
from iii_actors.config.http import HttpSettings
from tests.support.peer import peers
from tests.support.quiet import leave

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


class Site:
    def __init__(self, engine, join):
        self.engine = engine
        self.join = join
        (self.worker,) = [one for one in engine._builtins if isinstance(one, Http)]
        host, port = self.worker.address
        self.url = f"http://{host}:{port}"
        self.http = requests.Session()
        self.http.trust_env = False

    def get(self, path, method="GET"):
        return self.http.request(method, self.url + path, timeout=10, allow_redirects=False)

    def document(self):
        answer = self.get("/openapi.json")
        assert answer.status_code == 200
        return answer.json()

    def paths(self):
        return set(self.document()["paths"])


def start(**settings):
    entries = [
        {"name": "iii-worker-manager", "config": {"port": 0}},
        {"name": "iii-http", "config": {"port": 0} | settings},
    ]
    return iii_actors.Engine(iii_actors.EngineConfig(workers=entries))


@pytest.fixture
def opened():
    with contextlib.ExitStack() as stack:

        def make(**settings):
            engine = stack.enter_context(start(**settings))
            site = Site(engine, stack.enter_context(peers(engine.url)))
            stack.enter_context(site.http)
            return site

        yield make


def add_route(peer, path, function_id="f", method="GET", trigger_id=None, **config):
    config |= {"api_path": path, "http_method": method}
    peer.send(
        type="registertrigger", id=trigger_id or path, trigger_type="http", function_id=function_id, config=config
    )
    peer.barrier()


# --- the document ------------------------------------------------------------------------------------------------------


def test_the_document_follows_what_is_registered(opened):
    site = opened()
    assert site.paths() == set()
    peer = site.join("users")
    peer.register("users::get", lambda _: {"body": 1}, description="Gets one.")
    add_route(peer, "users/:id", "users::get")
    made = site.document()
    OpenAPIV31SpecValidator(made).validate()
    one = made["paths"]["/users/{id}"]["get"]
    assert (one["tags"], one["description"], one["x-iii-function"]) == (["users"], "Gets one.", "users::get")
    add_route(peer, "more")
    assert site.paths() == {"/users/{id}", "/more"}
    peer.send(type="unregistertrigger", id="more")
    peer.barrier()
    assert site.paths() == {"/users/{id}"}
    leave(site.engine, peer)
    assert site.paths() == set()


def test_another_format_shows_when_the_last_look_is_old(opened, monkeypatch):
    monkeypatch.setattr(pages, "HTTP_OPENAPI_FRESH_S", 0.0)
    site = opened()
    peer = site.join()
    add_route(peer, "a", method="POST")
    for title in ("one", "two"):
        peer.register("f", request_format={"type": "object", "title": title})
        assert site.document()["components"]["schemas"]["f.request"]["title"] == title


def test_it_is_not_written_again_while_nothing_changes(opened, monkeypatch):
    from iii_actors.builtin.http import openapi

    written = []

    def counted(*arguments):
        written.append(arguments)
        return document(*arguments)

    document = openapi.document
    monkeypatch.setattr(openapi, "document", counted)
    monkeypatch.setattr(pages, "HTTP_OPENAPI_FRESH_S", 0.0)
    site = opened()
    peer = site.join()
    add_route(peer, "a")
    for _ in range(3):
        site.document()
    assert len(written) == 1


def test_many_ask_at_once(opened):
    site = opened()
    add_route(site.join(), "a")
    found = []

    def ask():
        with requests.Session() as http:
            http.trust_env = False
            found.append(http.get(site.url + "/openapi.json", timeout=10).json()["paths"])

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [set(paths) for paths in found] == [{"/a"}] * 16


def test_headers_and_methods(opened):
    site = opened()
    for path, kind in (("/openapi.json", "application/json"), ("/docs", "text/html; charset=utf-8")):
        answer = site.get(path)
        assert answer.headers["content-type"] == kind
        assert answer.headers["x-content-type-options"] == "nosniff"
        head = site.get(path, "HEAD")
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(answer.content)))
        wrong = site.get(path, "POST")
        assert (wrong.status_code, wrong.content, wrong.headers["allow"]) == (405, b"", "GET,HEAD")
    assert site.get("/docs/").status_code == site.get("/openapi.json/").status_code == 404


def test_a_fault_is_an_answer(opened, monkeypatch, caplog):
    from iii_actors.builtin.http import openapi

    def broken(*_):
        raise KeyError("a fault")

    monkeypatch.setattr(openapi, "document", broken)
    answer = opened().get("/openapi.json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "UNAVAILABLE")
    assert "KeyError: 'a fault'" in caplog.text


def test_who_waits_while_the_engine_stops_is_answered(opened, monkeypatch):
    from iii_actors.builtin.http import openapi

    begun, release = threading.Event(), threading.Event()

    def slow(*_):
        begun.set()
        release.wait(10)
        return {}

    monkeypatch.setattr(openapi, "document", slow)
    site, answers = opened(), []
    asking = threading.Thread(target=lambda: answers.append(site.get("/openapi.json").status_code))
    asking.start()
    assert begun.wait(10)
    site.engine.stop()
    release.set()
    asking.join(10)
    assert answers == [503]


# --- switches, and whose paths these are -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "openapi", "docs"),
    [
        ({}, 200, 200),
        ({"docs": False}, 200, 404),
        ({"openapi": False}, 404, 404),
        ({"openapi": False, "docs": True}, 404, 404),
    ],
)
def test_both_can_be_switched_off(opened, settings, openapi, docs):
    site = opened(**settings)
    assert (site.get("/openapi.json").status_code, site.get("/docs").status_code) == (openapi, docs)


def test_live(opened):
    site = opened()
    site.worker.apply(HttpSettings(port=0, docs=False))
    assert (site.get("/openapi.json").status_code, site.get("/docs").status_code) == (200, 404)


@pytest.mark.parametrize("path", ["docs", "/docs", ":any", "{*all}"])
def test_a_route_of_a_worker_is_never_hidden(opened, path):
    site = opened()
    peer = site.join()
    peer.register("f", lambda _: {"body": "mine"})
    add_route(peer, path)
    assert site.get("/docs").json() == "mine"
    if "docs" in path:
        assert site.get("/docs", "POST").status_code == 405
        assert site.document()["paths"].keys() == {"/docs"}
    peer.send(type="unregistertrigger", id=path)
    peer.barrier()
    assert site.get("/docs").content == PAGE


def test_a_route_at_openapi_json_too(opened):
    site = opened()
    peer = site.join()
    peer.register("f", lambda _: {"body": {"own": "document"}})
    add_route(peer, "openapi.json")
    assert site.document() == {"own": "document"}


# --- the page ----------------------------------------------------------------------------------------------------------


def test_the_page_holds_nothing_of_what_is_registered(opened):
    site = opened()
    peer = site.join(EVIL)
    peer.register(EVIL, description=EVIL)
    add_route(peer, EVIL, EVIL, description=EVIL)
    assert site.get("/docs").content == PAGE
    document = site.get("/openapi.json")
    assert document.headers["content-type"] == "application/json"
    assert document.json()["paths"][f"/{EVIL}"]["get"]["description"] == EVIL


def test_only_its_own_script_may_run(opened):
    policy = opened().get("/docs").headers["content-security-policy"]
    assert policy == POLICY
    text = PAGE.decode()
    for tag in ("script", "style"):
        ((inside),) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_it_is_self_contained_and_never_writes_markup():
    text = PAGE.decode()
    assert not re.search(r"(?:src|href)=\"(?!openapi\.json\")", text)
    assert not re.search(r"https?://|//[a-z]+\.", text)
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Function\(|srcdoc|setHTML|DOMParser", text
    )
    assert not re.search(r"\son[a-z]+=|style=", text)
