"""`iii-actors token`, and the clients' options `--token`, `--tls`, `--ca`."""

import io
import json

import pytest
import yaml

import iii_actors
from iii_actors.access.tokens import hashed
from tests.support.tls import Authority

LISTENER = "iii-worker-manager"


def made(run, *arguments):
    outcome = run("token", *arguments)
    assert (outcome.code, outcome.err) == (0, "")
    first, _, settings = outcome.out.split("\n", 2)
    return first.removeprefix("token:").strip(), yaml.safe_load(settings)


@pytest.mark.parametrize("name", [None, "billing", "a: b", "7", "yes'\""])
def test_a_token_and_the_lines_that_let_it_in(run, name):
    token, settings = made(run, *([] if name is None else [name]))
    assert settings == [{"name": name or "worker", "hash": hashed(token)}]
    assert iii_actors.EngineConfig.listening(tokens=settings).listeners()[0].tokens[0].hash == hashed(token)
    assert made(run)[0] != token


def test_the_hash_of_a_token_that_there_is(run, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("abc\n"))
    assert run("token", "--hash-only").out == hashed("abc") + "\n"


@pytest.fixture
def guarded(tmp_path, run):
    """An engine whose primary listener speaks TLS and needs a token."""
    authority = Authority(tmp_path)
    token, settings = made(run)
    with iii_actors.Engine(iii_actors.EngineConfig.listening(tokens=settings, tls=authority.server())) as engine:
        yield engine.listeners[0][1], authority, token


def listed(run, port, *options):
    return run("list", "workers", "--all", "--json", "--address", "127.0.0.1", "--port", port, *options)


def test_a_client_with_a_token_over_tls(run, guarded, monkeypatch):
    port, authority, token = guarded
    outcome = listed(run, port, "--ca", authority.ca, "--token", token)
    assert outcome.code == 0, outcome.err
    assert "iii-engine-functions" in outcome.out
    monkeypatch.setenv("III_TOKEN", token)
    arguments = ("--address", "127.0.0.1", "--port", port, "--tls", "--ca", authority.ca)
    assert "writer" in json.loads(run("call", "engine::channels::create", *arguments).out)


def test_refusals_are_one_line(run, guarded, tmp_path):
    port, authority, _ = guarded
    forged = listed(run, port, "--ca", authority.ca, "--token", "forged")
    assert (forged.code, forged.out) == (1, "")
    assert "AUTH_ERROR" in forged.err
    unknown = listed(run, port, "--tls", "--token", "x")
    assert (unknown.code, unknown.err.count("\n")) == (1, 1)
    assert "no TLS with what listens at wss://127.0.0.1" in unknown.err
    plain = listed(run, port)
    assert (plain.code, plain.err.count("\n")) == (1, 1)
    missing = listed(run, port, "--ca", tmp_path / "none.pem")
    assert (
        missing.err
        == f"Error: --ca {tmp_path / 'none.pem'}: No such file or directory; name a PEM file of certificates\n"
    )
