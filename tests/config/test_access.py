"""iii_actors.config.access and .tls: settings about access, each mistake with its place and its mend."""

import textwrap
from datetime import UTC, datetime
from pathlib import Path

import pytest

from iii_actors import limits
from iii_actors.config import EngineConfig
from iii_actors.config.loading import parse
from iii_actors.errors import ConfigError
from tests.support.tls import Authority

HASH = "sha256:" + "0" * 64
PLACE = "workers[0].config."


def settings(**listener):
    return EngineConfig.listening(**listener).listeners()[0]


def refusal(**listener):
    with pytest.raises(ConfigError) as refused:
        settings(**listener)
    return str(refused.value)


def token(**more):
    return {"name": "a", "hash": HASH, **more}


def test_nothing_is_the_default():
    default = settings()
    assert (default.rbac, default.middleware_function_id, default.tokens, default.quotas) == (None, None, None, None)
    assert (default.tls, default.allowed_origins, default.max_connections_per_ip) == (None, None, None)


@pytest.mark.parametrize(
    ("written", "match", "metadata", "namespace"),
    [
        ('match("a::*")', "a::*", None, "default"),
        ("match('a\"b')", 'a"b', None, "default"),
        ('match("")', "", None, "default"),
        ({"match": "x", "namespace": "blue"}, "x", None, "blue"),
        ({"metadata": {"a": [1]}}, None, {"a": [1]}, "default"),
    ],
)
def test_rules(written, match, metadata, namespace):
    [rule] = settings(rbac={"expose_functions": [written]}).rbac.expose_functions
    assert (rule.match, rule.metadata, rule.namespace) == (match, metadata, namespace)


RULE = PLACE + "rbac.expose_functions[0]"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("a::*", f"{RULE}: 'a::*' is no rule; write match(\"a::*\") with its quotes, or a mapping {{match: ...}}"),
        ("match(a)", f"{RULE}: 'match(a)' is no rule; "),
        ({}, f"{RULE}: a rule has either `match` or `metadata`; give one of them"),
        ({"match": "a", "metadata": {"b": 1}}, f"{RULE}: a rule has either `match` or `metadata`; give one of them"),
        ({"metadata": {}}, f"{RULE}: `metadata` names no member, which would expose every function; "),
        ({"match": "a", "also": 1}, f"{RULE}.also: unknown field `also`, expected one of `match`, `metadata`, `nam"),
        ({"match": 1}, f"{RULE}.match: should be text, not 1"),
        ({"match": "a", "namespace": ""}, f"{RULE}.namespace: should be some text, not ''"),
        (3, f"{RULE}: should be "),
    ],
)
def test_a_rule_that_is_none(rule, message):
    assert refusal(rbac={"expose_functions": [rule]}).startswith(message)


@pytest.mark.parametrize(
    ("listener", "message"),
    [
        ({"rbac": 3}, "rbac: should be a mapping, not 3"),
        ({"rbac": {"expose": []}}, "rbac.expose: unknown field `expose`, expected one of `auth_function_id`, "),
        ({"rbac": {"auth_function_id": ""}}, "rbac.auth_function_id: should be some text, not ''"),
        ({"middleware_function_id": ""}, "middleware_function_id: should be some text, not ''"),
        ({"quotas": {"calls_per_s": 0}}, "quotas.calls_per_s: should be greater than 0, not 0"),
        ({"quotas": {"calls_burst": 5}}, "quotas: calls_burst has no meaning without calls_per_s; add that, or remo"),
        ({"quotas": {"bytes_burst": 5}}, "quotas: bytes_burst has no meaning without bytes_per_s; "),
        ({"quotas": {"pending_calls": 1.5}}, "quotas.pending_calls: should be a whole number, not 1.5"),
        ({"max_connections_per_ip": 0}, "max_connections_per_ip: should be greater than or equal to 1, not 0"),
        ({"allowed_origins": ["https://a.example/"]}, "allowed_origins: 'https://a.example/' is no origin; write "),
        ({"allowed_origins": ["a.example"]}, "allowed_origins: 'a.example' is no origin; "),
        ({"allowed_origins": ["https://A.example"]}, "allowed_origins: 'https://A.example' is no origin; "),
        ({"tokens": [token(), token(hash=HASH.replace("0", "1"))]}, "tokens: two tokens have the name of 'a'; each ne"),
        ({"tokens": [token(), token(name="b")]}, "tokens: two tokens have the hash of 'b'; each needs its own"),
        ({"tokens": [token(expires_at="soon")]}, "tokens[0].expires_at: 'soon' is no moment; write for example 2027-"),
        ({"tokens": [{"name": "a"}]}, "tokens[0].hash: missing field `hash`; add it"),
    ],
)
def test_a_mistake_has_its_place_and_its_mend(listener, message):
    assert refusal(**listener).startswith(PLACE + message)


@pytest.mark.parametrize(
    "written", ["s3cret", "sha256:abc", "SHA256:" + "0" * 64, "sha256:" + "g" * 64, "md5:" + "0" * 32]
)
def test_what_is_no_hash_may_be_a_secret_and_is_not_repeated(written):
    message = refusal(tokens=[token(hash=written)])
    assert message.startswith(
        PLACE + "tokens[0].hash: not a token's hash (sha256: and 64 hexadecimal digits); never wri"
    )
    assert written not in message


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2030-01-02T03:04:05Z", datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("'2030-01-02T05:04:05+02:00'", datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2030-01-02 03:04:05", datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2030-01-02", datetime(2030, 1, 2, tzinfo=UTC)),
    ],
)
def test_moments_as_yaml_gives_them(written, moment):
    text = f"workers: [{{name: iii-worker-manager, config: {{tokens: [{{name: a, hash: '{HASH}', expires_at: {written}}}]}}}}]"
    [found] = parse(text, "x.yaml").listeners()[0].tokens
    assert found.expires_at == moment


def test_too_many_tokens_belong_to_an_auth_function():
    many = [token(name=str(n), hash=f"sha256:{n:064x}") for n in range(limits.MAX_TOKENS + 1)]
    assert "use an auth function" in refusal(tokens=many)


def test_the_example_in_the_documentation():
    text = (Path(__file__).parents[2] / "docs" / "access.rst").read_text(encoding="utf-8")
    block = text.split(".. code-block:: yaml\n\n", 1)[1].split("\nEverything", 1)[0]
    lines = [line for line in block.splitlines() if "tls:" not in line]
    plain, guarded = parse(textwrap.dedent("\n".join(lines)), "access.rst").listeners()
    assert (plain.rbac, plain.tokens) == (None, None)
    assert [rule.match for rule in guarded.rbac.expose_functions] == ["orders::*", None]
    assert guarded.tokens[0].expires_at == datetime(2027, 1, 31, tzinfo=UTC)


# --- TLS -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def files(authority):
    return authority.server()


def test_files_that_belong_together(authority, files):
    tls = settings(tls=files | {"client_ca": authority.ca}).tls
    assert tls.context().verify_mode.name == "CERT_REQUIRED"
    assert tls.context().minimum_version.name == "TLSv1_2"


def test_a_bad_file_stops_the_start(authority, files, tmp_path):
    cert, key = files["cert"], files["key"]
    other = authority.server("other")
    empty, text, locked = tmp_path / "empty.pem", tmp_path / "text.pem", tmp_path / "locked.key"
    empty.write_bytes(b"")
    text.write_text("-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n")
    locked.write_text("-----BEGIN ENCRYPTED " + "PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED " + "PRIVATE KEY-----\n")
    missing = tmp_path / "missing.pem"
    table = [
        ({"cert": str(missing)}, f"cert {missing}: cannot be read: No such file or directory; name a readable file"),
        ({"cert": str(tmp_path)}, f"cert {tmp_path}: cannot be read: Is a directory; name a readable file"),
        ({"cert": str(empty)}, f"cert {empty}: holds no certificate in PEM form; name the right file, or convert"),
        ({"cert": key}, f"cert {key}: holds no certificate in PEM form; "),
        ({"cert": str(text)}, f"cert {text} and key {key}: cannot be used ("),
        ({"key": cert}, f"key {cert}: holds no private key in PEM form; "),
        ({"key": other["key"]}, f"key {other['key']}: is not the key of the certificate in {cert}; name the two files"),
        ({"key": str(locked)}, f"key {locked}: is protected by a passphrase; write it without one: openssl pkey"),
        ({"client_ca": str(missing)}, f"client_ca {missing}: cannot be read: No such file or directory; "),
        ({"client_ca": key}, f"client_ca {key}: holds no certificate in PEM form; "),
        ({"client_ca": str(text)}, f"client_ca {text}: cannot be used ("),
    ]
    for changed, message in table:
        assert refusal(tls=files | changed).startswith(f"{PLACE}tls: {message}")
    assert refusal(tls={"cert": cert}).startswith(f"{PLACE}tls.key: missing field `key`; add it")
    assert refusal(tls=True).startswith(f"{PLACE}tls: should be a mapping, not true")


@pytest.mark.parametrize("worker", ["iii-http", "iii-stream"])
def test_other_ports_have_it_too(worker, files, tmp_path):
    EngineConfig(workers=[{"name": worker, "config": {"tls": files}}])
    with pytest.raises(ConfigError, match=r"workers\[0\]\.config\.tls: cert .*: cannot be read"):
        EngineConfig(workers=[{"name": worker, "config": {"tls": files | {"cert": str(tmp_path / "no")}}}])
