"""One line on why there is no connection, with the mend (spec sdk.md §1.1)."""

import re
import socket
import ssl

import pytest

from iii_worker.explain import explain, is_refusal
from iii_worker.transport import UpgradeRefused

ADDRESS = "ws://engine.example:49134"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(111, "refused"), "python -m iii_actors"),
        (socket.gaierror(-2, "Name or service not known"), "'engine.example'.*not known.*III_URL"),
        (TimeoutError("timed out"), "engine.example:49134 did not answer in time"),
        (UpgradeRefused(404, "HTTP 404"), "is no engine: HTTP 404; check the address"),
        (UpgradeRefused(401, "HTTP 401"), "refused this worker: HTTP 401; check the token in `headers`"),
        (UpgradeRefused(None, "no upgrade"), "is no engine: no upgrade"),
        (ssl.SSLCertVerificationError("bad"), "not trusted.*ssl_context"),
        (ssl.SSLError(1, "wrong version number"), "does it speak TLS"),
        (OSError(101, "Network is unreachable"), "Network is unreachable"),
    ],
)
def test_every_failure_is_one_line(error, said):
    text = explain(ADDRESS, error)
    assert "\n" not in text
    assert re.search(said, text)


def test_silence_of_a_tls_port_may_be_that_of_a_plain_one():
    assert "does it speak TLS?" in explain("wss://engine.example", TimeoutError("timed out"))


@pytest.mark.parametrize(("status", "refused"), [(401, True), (403, True), (404, False), (503, False), (None, False)])
def test_only_an_answer_that_says_so_is_a_refusal(status, refused):
    assert is_refusal(UpgradeRefused(status, "")) is refused
    assert not is_refusal(ConnectionRefusedError())
