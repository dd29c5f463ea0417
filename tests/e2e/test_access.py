"""Official SDKs on a listener with a token and TLS."""

import json
import logging
import threading

import pytest

import iii_actors
from iii_actors.access.tokens import hashed, new_token
from tests.e2e.support.probe import ProbeError
from tests.e2e.support.process import WAIT_S
from tests.support.peer import peers
from tests.support.tls import Authority

LISTENER = "iii-worker-manager"


@pytest.fixture
def guarded(tmp_path):
    """An engine whose second listener speaks TLS and needs a token."""
    authority, token = Authority(tmp_path), new_token()
    settings = {
        "port": 0,
        "tls": authority.server(),
        "tokens": [{"name": "probe", "hash": hashed(token), "forbidden_functions": ["secret"]}],
        "rbac": {"expose_functions": ['match("probe::*")', {"metadata": {"public": True}}]},
    }
    entries = [{"name": LISTENER, "config": {"port": 0}}, {"name": LISTENER, "config": settings}]
    with iii_actors.Engine(iii_actors.EngineConfig(workers=entries)) as engine:
        host, port = engine.listeners[1]
        variables = {
            "SSL_CERT_FILE": authority.ca,
            "NODE_EXTRA_CA_CERTS": authority.ca,
            "PROBE_HEADERS": json.dumps({"Authorization": f"Bearer {token}"}),
        }
        yield engine, f"wss://{host}:{port}", variables


def test_a_worker_with_a_token_is_let_in_and_kept_to_its_rights(shop, guarded, any_sdk):
    engine, url, variables = guarded
    probe = shop.probe(any_sdk, url, **variables)
    plain = shop.probe(any_sdk, engine.url)
    plain.offer("open", metadata={"public": True})
    plain.offer("secret", metadata={"public": True})
    plain.offer("closed")
    assert probe.call("open", {"n": 1})["data"]["n"] == 1
    for function_id, mend in (("secret", "remove from"), ("closed", "add to")):
        with pytest.raises(ProbeError, match=mend) as refused:
            probe.call(function_id, {})
        assert refused.value.code == "FORBIDDEN"
    probe.offer("mine")
    assert plain.call("mine", {"n": 2})["data"]["n"] == 2


class Refusals(logging.Handler):
    """Hears when the engine refuses somebody."""

    def __init__(self):
        super().__init__()
        self.heard = threading.Event()

    def emit(self, record):
        if "is refused" in record.getMessage():
            self.heard.set()


def test_a_forged_token_is_not(shop, guarded, any_sdk):
    engine, url, variables = guarded
    refusals = Refusals()
    logger = logging.getLogger("iii_actors.transport.guarded_socket")
    before = logger.level
    logger.addHandler(refusals)
    logger.setLevel("INFO")
    try:
        forged = variables | {"PROBE_HEADERS": json.dumps({"Authorization": "Bearer iii_forged"})}
        shop.probe(any_sdk, url, ready=False, **forged)
        assert refusals.heard.wait(WAIT_S)
    finally:
        logger.setLevel(before)
        logger.removeHandler(refusals)
    with peers(engine.url) as join:
        names = {one["name"] for one in join("only-me").call("engine::workers::list", {})["workers"]}
    assert "only-me" in names
    assert not {one for one in names if one and one.startswith("probe-")}
